"""Finds a provider by its name. A process has one instance of each."""

from functools import cache
from typing import Any, Generic, TypeVar

from django.utils.module_loading import import_string

from ..errors import ProviderNotConfigured
from .provider import BaseProvider

ProviderT = TypeVar("ProviderT", bound=BaseProvider)


class Registry(Generic[ProviderT]):
    """The providers of one kind: subclasses of `kind`, by the names that a host lists in `setting`.

    A name such as `polly` is a file of `package`; a dotted path is a host's own class.
    """

    def __init__(self, kind: type, package: str, setting: str) -> None:
        self.kind, self.package, self.setting = kind, package, setting

    def get(self, name: str) -> ProviderT:
        """The provider of that name. Raises ProviderNotConfigured when there is none, or it is of another kind."""
        path = name if "." in name else f"{self.package}.{name}.Provider"
        try:
            provider: ProviderT = _load(path)
        except ImportError as error:
            raise ProviderNotConfigured(f"{self.setting} names an unknown provider, {path}: {error}.") from error
        if not isinstance(provider, self.kind):
            expected = f"{self.kind.__module__}.{self.kind.__name__}"
            raise ProviderNotConfigured(f"{self.setting}: {path} is not a subclass of {expected}.")
        return provider


@cache
def _load(path: str) -> Any:
    return import_string(path)()
