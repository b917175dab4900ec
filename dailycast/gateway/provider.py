"""The base class of writers and voices, the import of a vendor's SDK, and what an error bills."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from ..errors import ProviderError, ProviderNotConfigured


class BaseProvider(ABC):
    """What writers and voices have in common. `name` is what the database stores and what a chain lists."""

    name: str
    remote = True  # a call leaves this server: it has a ledger entry and rate limits, and its answer is stored

    @abstractmethod
    def missing(self) -> str:
        """What to set or install before this provider can be used; empty when it is ready. Makes no call."""

    def problems(self) -> list[str]:
        """What looks wrong in the settings of this provider, a sentence each, for `manage.py check`. Makes no call."""
        return []

    def prepare(self) -> None:  # noqa: B027  # most have nothing to prepare
        """Do what takes time before a first call, such as making an SDK's client, before the call gets its permit."""

    def unbilled(self) -> bool:
        """Whether nobody bills for its calls: it is built in, or runs on the owner's own server."""
        return False


def require(module: str, extra: str) -> Any:
    """Import a vendor's SDK. Raises ProviderNotConfigured saying what to install."""
    try:
        return import_module(module)
    except ImportError as error:
        raise ProviderNotConfigured(
            f"{module} is not installed: pip install 'dailycast[{extra}]' ({error})."
        ) from error


@contextmanager
def bill_errors(*units: int | None) -> Iterator[None]:
    """A ProviderError in this block bills `units` all the same: (characters,) or (tokens in, tokens out).

    Where the vendor did not count, the first is None, and what the error bills is unknown.
    """
    try:
        yield
    except ProviderError as error:
        error.billed = None if units[0] is None else units
        raise
