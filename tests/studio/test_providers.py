"""The two chains of providers: their order, what is skipped, and the fall-back."""

from typing import Any

import pytest

from dailycast.errors import BudgetError, ProviderError
from dailycast.jobs.job import Job
from dailycast.llm.base import LLMProvider
from dailycast.models import Kind
from dailycast.studio import providers
from tests.host_providers import PARROT, SCRIBE, Scribe


def test_the_names_of_a_chain_are_those_of_its_setting_in_their_order(settings: Any) -> None:
    settings.DAILYCAST_LLM_PROVIDERS = "template, openai"
    settings.DAILYCAST_TTS_PROVIDERS = [PARROT, "nobody", "polly"]
    assert providers.writers.names() == ("template", "openai")
    assert providers.voices.names() == (PARROT, "nobody", "polly")


def test_the_chain_keeps_its_order_and_logs_what_it_skips(settings: Any, logged: pytest.LogCaptureFixture) -> None:
    settings.DAILYCAST_LLM_PROVIDERS = [SCRIBE, "openai", "nobody", "template"]
    assert [provider.name for provider in providers.writers.configured()] == ["scribe", "template"]
    lines = [record.getMessage() for record in logged.records]
    assert [line.split(":")[1] for line in lines] == [" openai is skipped", " nobody is skipped"]
    assert "OPENAI_API_KEY" in lines[0]


def test_what_is_missing_is_said_by_name(settings: Any) -> None:
    settings.DAILYCAST_TTS_PROVIDERS = [PARROT]
    assert providers.voices.missing() == f"{PARROT}: feed it"
    assert providers.voices.configured() == []
    assert providers.writers.missing().startswith("openai: set OPENAI_API_KEY")
    assert "; gemini: set GEMINI_API_KEY" in providers.writers.missing()
    assert "template" not in providers.writers.missing()


def answering(*outcomes: str | ProviderError) -> Any:
    answers = dict(zip(("a", "b"), outcomes, strict=True))

    def use(provider: LLMProvider) -> str:
        answer = answers[provider.name]
        if isinstance(answer, ProviderError):
            raise answer
        return answer

    return use


def first_success(use: Any) -> str:
    answer: str = providers.first_success(two_writers(), use, Kind.SCRIPT, Job())
    return answer


def two_writers() -> list[LLMProvider]:
    first, second = Scribe(), Scribe()
    first.name, second.name = "a", "b"
    return [first, second]


def test_the_first_that_does_not_fail_is_used(logged: pytest.LogCaptureFixture) -> None:
    assert first_success(answering("one", "two")) == "one"
    assert first_success(answering(ProviderError("bad key", permanent=True), "two")) == "two"
    assert [record.getMessage() for record in logged.records] == ["Dailycast: a failed: bad key"]


@pytest.mark.parametrize(("first", "second", "both"), [(True, True, True), (True, False, False), (False, True, False)])
def test_when_all_fail_each_failure_is_named(first: bool, second: bool, both: bool) -> None:
    with pytest.raises(ProviderError, match="^a: one; b: two$") as caught:
        first_success(answering(ProviderError("one", first), ProviderError("two", second)))
    assert caught.value.permanent is both


@pytest.mark.parametrize(("waits", "least"), [((7.0, 3.0), 3.0), ((7.0, None), 0.0)])
def test_when_all_fail_for_now_the_shortest_wait_is_given(
    waits: tuple[float | None, float | None], least: float
) -> None:
    with pytest.raises(ProviderError) as caught:
        first_success(answering(*(ProviderError("busy", False, wait) for wait in waits)))
    assert caught.value.retry_after == least


def test_when_one_of_them_is_over_the_budget_it_is_a_budget_error() -> None:
    with pytest.raises(BudgetError, match="^a: no key; b: over$"):
        first_success(answering(ProviderError("no key", permanent=True), BudgetError("over")))


def test_a_provider_that_is_skipped_is_logged_once_for_each_reason(
    settings: Any, logged: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.DAILYCAST_LLM_PROVIDERS = [SCRIBE, "template"]
    for needs in ("ink", "ink", "paper", "", "ink"):
        monkeypatch.setattr(Scribe, "needs", needs)
        providers.writers.configured()
    assert logged.messages == [f"Dailycast: {SCRIBE} is skipped: {what}" for what in ("ink", "paper")]
