"""The filters of the admin's list. Their choices come from code, because DISTINCT over a million rows takes seconds."""

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


def writer_choices() -> Choices:
    return list(_name_pairs(providers.writers))


def voice_choices() -> Choices:
    return [*_name_pairs(providers.voices), (NO_AUDIO, gettext("no audio"))]


def _name_pairs(chain: Chain[Any]) -> Iterable[tuple[str, str]]:
    for entry in chain.names():
        with suppress(ProviderNotConfigured):  # no such provider; a system check reports it
            name = chain.get(entry).name
            yield name, name


def choice_filter(
    field: str, heading: Any, choices: Callable[[], Choices], lookup: str = "exact"
) -> type[admin.SimpleListFilter]:
    """A filter class for `field` that offers `choices`."""

    class Filter(admin.SimpleListFilter):
        title, parameter_name = heading, field

        def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
            return choices()

        def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
            return queryset.filter(**{f"{field}__{lookup}": self.value()}) if self.value() else queryset

    return Filter
