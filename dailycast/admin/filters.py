"""The admin list's filters. Their choices come from code: to collect them from a million rows takes seconds."""

from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext

from ..conf import conf
from ..errors import ProviderNotConfigured
from ..gateway import registry
from ..models import NO_AUDIO

Choices = list[tuple[str, str]]


def writers() -> Choices:
    return list(_names(registry.llm_provider, conf.DAILYCAST_LLM_PROVIDERS))


def voices() -> Choices:
    return [*_names(registry.tts_provider, conf.DAILYCAST_TTS_PROVIDERS), (NO_AUDIO, gettext("no audio"))]


def _names(load: Callable[[str], Any], listed: Iterable[str]) -> Iterable[tuple[str, str]]:
    for entry in listed:
        with suppress(ProviderNotConfigured):  # no such provider; `manage.py check` says so
            stored = load(entry).name
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
