"""What writers and voices have in common, and the import of a vendor's SDK."""

from abc import ABC, abstractmethod
from importlib import import_module
from typing import Any

from ..errors import ProviderNotConfigured


class BaseProvider(ABC):
    """What writers and voices have in common. `name` is what the database stores and what a chain lists."""

    name: str
    remote = True  # a call leaves this server: it stands in the ledger, keeps to limits, and its answer is kept

    @abstractmethod
    def missing(self) -> str:
        """What to set or install before this provider can be used; empty when it is ready. Calls nobody."""

    def problems(self) -> list[str]:
        """What looks wrong in the settings of this provider, a sentence each, for `manage.py check`. Calls nobody."""
        return []

    def prepare(self) -> None:  # noqa: B027  # most have nothing to prepare
        """What takes time before a first call, say an SDK's client: done before the call takes its place."""

    def unbilled(self) -> bool:
        """Whether nobody bills for its calls: it is built in, or a server of the owner's own."""
        return False


def require(module: str, extra: str) -> Any:
    """Import a vendor's SDK. Raises ProviderNotConfigured saying what to install."""
    try:
        return import_module(module)
    except ImportError as error:
        raise ProviderNotConfigured(
            f"{module} is not installed: pip install 'dailycast[{extra}]' ({error})."
        ) from error
