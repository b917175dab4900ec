"""Provider name -> dotted path -> instance, and the two chains of them that the settings list."""

import logging
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any, TypeVar

from django.utils.module_loading import import_string

from ..conf import conf
from ..errors import BudgetError, ProviderError, ProviderNotConfigured
from ..llm.base import LLMProvider
from ..tts.base import TTSProvider

P = TypeVar("P", LLMProvider, TTSProvider)
T = TypeVar("T")
logger = logging.getLogger("dailycast")


def llm_provider(name: str) -> LLMProvider:
    """The writer of that name: `openai` is dailycast/llm/openai.py; a dotted path is a host's own class."""
    path = name if "." in name else f"dailycast.llm.{name}.Provider"
    found: LLMProvider = _instance(path, LLMProvider, "DAILYCAST_LLM_PROVIDERS")
    return found


def tts_provider(name: str) -> TTSProvider:
    """The voice vendor of that name: `polly` is dailycast/tts/polly.py; a dotted path is a host's own class."""
    path = name if "." in name else f"dailycast.tts.{name}.Provider"
    found: TTSProvider = _instance(path, TTSProvider, "DAILYCAST_TTS_PROVIDERS")
    return found


def llm_chain() -> list[LLMProvider]:
    """The configured writers, in their order. Those that are not are named in the log."""
    return _ready(llm_provider, conf.DAILYCAST_LLM_PROVIDERS)


def tts_chain() -> list[TTSProvider]:
    """The configured voice vendors, in their order. Those that are not are named in the log."""
    return _ready(tts_provider, conf.DAILYCAST_TTS_PROVIDERS)


def llm_missing() -> str:
    """What each writer that is not configured still needs, by name; empty when all are."""
    return _told(_missing(llm_provider, conf.DAILYCAST_LLM_PROVIDERS).items())


def tts_missing() -> str:
    """What each voice vendor that is not configured still needs, by name; empty when all are."""
    return _told(_missing(tts_provider, conf.DAILYCAST_TTS_PROVIDERS).items())


def first(providers: Iterable[P], use: Callable[[P], T]) -> T:
    """`use(provider)` of the first provider that does not fail. Raises a ProviderError that tells every failure."""
    failures: list[tuple[str, ProviderError]] = []
    for provider in providers:
        try:
            return use(provider)
        except ProviderError as error:
            logger.warning("Dailycast: %s failed: %s", provider.name, error)
            failures.append((provider.name, error))
    raise _all_failed(failures)


def _ready(load: Callable[[str], P], names: Iterable[str]) -> list[P]:
    missing = _missing(load, names)
    for name, what in missing.items():
        _tell_skipped(name, what)
    return [load(name) for name in names if name not in missing]


@cache
def _tell_skipped(name: str, what: str) -> None:
    """Once in a process: a night with a thousand episodes has other things to say."""
    logger.info("Dailycast: %s is skipped: %s", name, what)


def _missing(load: Callable[[str], P], names: Iterable[str]) -> dict[str, str]:
    found = {}
    for name in names:
        try:
            found[name] = load(name).missing()
        except ProviderNotConfigured as error:
            found[name] = str(error)
    return {name: what for name, what in found.items() if what}


def _all_failed(failures: list[tuple[str, ProviderError]]) -> ProviderError:
    """One error for all of them: transient if one of them is, and then to be tried when the first of these may be."""
    told = _told(failures)
    transient = [error.retry_after or 0.0 for _, error in failures if not error.permanent]
    if transient:
        return ProviderError(told, permanent=False, retry_after=min(transient))
    over_budget = any(isinstance(error, BudgetError) for _, error in failures)
    return BudgetError(told) if over_budget else ProviderError(told, permanent=True)


def _told(problems: Iterable[tuple[str, object]]) -> str:
    return "; ".join(f"{name}: {what}" for name, what in problems)


def _instance(path: str, kind: type, setting: str) -> Any:
    try:
        found = _load(path)
    except ImportError as error:
        raise ProviderNotConfigured(f"{setting} names an unknown provider, {path}: {error}.") from error
    if not isinstance(found, kind):
        raise ProviderNotConfigured(f"{setting}: {path} is not a subclass of {kind.__module__}.{kind.__name__}.")
    return found


@cache
def _load(path: str) -> Any:
    return import_string(path)()
