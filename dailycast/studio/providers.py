"""The two chains of providers that the settings list, and the fall-back from one provider to the next."""

import logging
from collections.abc import Callable, Iterable
from functools import cache
from typing import Generic, TypeVar

from ..conf import conf
from ..errors import BudgetError, ProviderError, ProviderNotConfigured
from ..gateway.provider import BaseProvider
from ..gateway.registry import Registry
from ..jobs.job import Job
from ..llm.base import LLMProvider
from ..models import Kind
from ..tts.base import TTSProvider

P = TypeVar("P", bound=BaseProvider)
T = TypeVar("T")
logger = logging.getLogger("dailycast")


class Chain(Registry[P], Generic[P]):
    """The providers that the setting lists, in the order in which they are tried."""

    def configured(self) -> list[P]:
        """The providers that can be used, in their order. Those that cannot are named in the log."""
        missing = self._missing()
        for name, what in missing.items():
            _log_skipped(name, what)
        return [self.get(name) for name in self.names() if name not in missing]

    def missing(self) -> str:
        """What each provider that is not configured still needs, by name; empty when all are configured."""
        return _by_name(self._missing().items())

    def names(self) -> tuple[str, ...]:
        names: tuple[str, ...] = getattr(conf, self.setting)
        return names

    def _missing(self) -> dict[str, str]:
        found = {}
        for name in self.names():
            try:
                found[name] = self.get(name).missing()
            except ProviderNotConfigured as error:
                found[name] = str(error)
        return {name: what for name, what in found.items() if what}


writers: Chain[LLMProvider] = Chain(LLMProvider, "dailycast.llm", "DAILYCAST_LLM_PROVIDERS")
voices: Chain[TTSProvider] = Chain(TTSProvider, "dailycast.tts", "DAILYCAST_TTS_PROVIDERS")


def first_success(providers: Iterable[P], use: Callable[[P], T], kind: Kind, job: Job) -> T:
    """`use(provider)` of the first provider that does not fail; the row keeps who failed before it, and why.

    Raises a ProviderError that names every failure.
    """
    failures: list[tuple[str, ProviderError]] = []
    for provider in providers:
        job.write_passed_over(kind, failures)
        try:
            return use(provider)
        except ProviderError as error:
            logger.warning("Dailycast: %s failed: %s", provider.name, error)
            failures.append((provider.name, error))
    job.write_passed_over(kind, [])  # nobody served: the error names them all
    raise _all_failed(failures)


def _all_failed(failures: list[tuple[str, ProviderError]]) -> ProviderError:
    """One error for all: transient if any of them is, and then due when the first of the transient ones is."""
    message = _by_name(failures)
    waits = [error.retry_after or 0.0 for _, error in failures if not error.permanent]
    if waits:
        return ProviderError(message, permanent=False, retry_after=min(waits))
    over_budget = any(isinstance(error, BudgetError) for _, error in failures)
    return BudgetError(message) if over_budget else ProviderError(message, permanent=True)


def _by_name(problems: Iterable[tuple[str, object]]) -> str:
    """`polly: set AWS_REGION; pico: ...`."""
    return "; ".join(f"{name}: {what}" for name, what in problems)


@cache
def _log_skipped(name: str, what: str) -> None:
    """Once in a process, so that a night with a thousand episodes does not log it a thousand times."""
    logger.info("Dailycast: %s is skipped: %s", name, what)
