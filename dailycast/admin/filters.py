"""The admin list's filters. Their choices come from code: to collect them from a million rows takes seconds."""

from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext

from ..errors import ProviderNotConfigured
from ..models import NO_AUDIO
from ..studio import providers
from ..studio.providers import Chain

Choices = list[tuple[str, str]]


def writers() -> Choices:
    return list(_names(providers.writers))


def voices() -> Choices:
    return [*_names(providers.voices), (NO_AUDIO, gettext("no audio"))]


def _names(chain: Chain[Any]) -> Iterable[tuple[str, str]]:
    for entry in chain.names():
        with suppress(ProviderNotConfigured):  # no such provider; `manage.py check` says so
            stored = chain.get(entry).name
            yield stored, stored


def by(field: str, heading: Any, choices: Callable[[], Choices], lookup: str = "exact") -> type[admin.SimpleListFilter]:
    """A filter of `field` by `choices`."""

    class Filter(admin.SimpleListFilter):
        title, parameter_name = heading, field

        def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
            return choices()

        def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
            return queryset.filter(**{f"{field}__{lookup}": self.value()}) if self.value() else queryset

    return Filter
