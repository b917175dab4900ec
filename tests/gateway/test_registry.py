from typing import Any

import pytest

from dailycast.errors import BudgetError, ProviderError, ProviderNotConfigured
from dailycast.llm.base import Completion, LLMProvider, Prompt
from dailycast.studio import providers
from dailycast.tts.base import Clip, TTSProvider, Voice


class Scribe(LLMProvider):
    """A host's own writer, by a dotted path."""

    name = "scribe"
    needs = ""

    def missing(self) -> str:
        return self.needs

    def complete(self, prompt: Prompt, timeout: float) -> Completion:
        return Completion("# Hello", "scribe", "quill")


class Parrot(TTSProvider):
    name = "parrot"

    def missing(self) -> str:
        return "feed it"

    def voice(self, language: str) -> Voice | None:
        return Voice("Polly")

    def speak(self, text: str, voice: Voice, timeout: float) -> Clip:
        return Clip(b"", 0)


SCRIBE, PARROT = "tests.gateway.test_registry.Scribe", "tests.gateway.test_registry.Parrot"


@pytest.mark.parametrize("name", ["openai", "gemini", "template"])
def test_a_writers_name_names_its_file(name: str) -> None:
    provider = providers.writers.get(name)
    assert (provider.name, type(provider).__module__) == (name, f"dailycast.llm.{name}")


@pytest.mark.parametrize("name", ["polly", "pico"])
def test_a_voices_name_names_its_file(name: str) -> None:
    provider = providers.voices.get(name)
    assert (provider.name, type(provider).__module__) == (name, f"dailycast.tts.{name}")


def test_a_host_brings_its_own() -> None:
    assert isinstance(providers.writers.get(SCRIBE), Scribe)
    assert isinstance(providers.voices.get(PARROT), Parrot)
    assert providers.writers.get(SCRIBE) is providers.writers.get(SCRIBE)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("opnai", "DAILYCAST_LLM_PROVIDERS names an unknown provider, dailycast.llm.opnai.Provider"),
        ("no.such.Writer", "DAILYCAST_LLM_PROVIDERS names an unknown provider, no.such.Writer"),
        (PARROT, f"DAILYCAST_LLM_PROVIDERS: {PARROT} is not a subclass of dailycast.llm.base.LLMProvider"),
    ],
)
def test_an_unknown_provider_is_named(name: str, told: str) -> None:
    with pytest.raises(ProviderNotConfigured) as caught:
        providers.writers.get(name)
    assert told in str(caught.value)


def test_the_chain_keeps_its_order_and_tells_whom_it_skips(settings: Any, logged: pytest.LogCaptureFixture) -> None:
    settings.DAILYCAST_LLM_PROVIDERS = [SCRIBE, "openai", "nobody", "template"]
    assert [provider.name for provider in providers.writers.configured()] == ["scribe", "template"]
    told = [record.getMessage() for record in logged.records]
    assert [line.split(":")[1] for line in told] == [" openai is skipped", " nobody is skipped"]
    assert "OPENAI_API_KEY" in told[0]


def test_what_is_missing_is_told_by_name(settings: Any) -> None:
    settings.DAILYCAST_TTS_PROVIDERS = [PARROT]
    assert providers.voices.missing() == f"{PARROT}: feed it"
    assert providers.voices.configured() == []
    assert providers.writers.missing().startswith("openai: set OPENAI_API_KEY")
    assert "; gemini: set GEMINI_API_KEY" in providers.writers.missing()
    assert "template" not in providers.writers.missing()


def used(*outcomes: str | ProviderError) -> Any:
    answers = dict(zip(("a", "b"), outcomes, strict=True))

    def use(provider: LLMProvider) -> str:
        answer = answers[provider.name]
        if isinstance(answer, ProviderError):
            raise answer
        return answer

    return use


def two() -> list[LLMProvider]:
    first, second = Scribe(), Scribe()
    first.name, second.name = "a", "b"
    return [first, second]


def test_the_first_that_does_not_fail_is_used(logged: pytest.LogCaptureFixture) -> None:
    assert providers.first_success(two(), used("one", "two")) == "one"
    assert providers.first_success(two(), used(ProviderError("bad key", permanent=True), "two")) == "two"
    assert [record.getMessage() for record in logged.records] == ["Dailycast: a failed: bad key"]


@pytest.mark.parametrize(("first", "second", "both"), [(True, True, True), (True, False, False), (False, True, False)])
def test_when_all_fail_each_failure_is_told(first: bool, second: bool, both: bool) -> None:
    with pytest.raises(ProviderError, match="^a: one; b: two$") as caught:
        providers.first_success(two(), used(ProviderError("one", first), ProviderError("two", second)))
    assert caught.value.permanent is both


@pytest.mark.parametrize(("waits", "least"), [((7.0, 3.0), 3.0), ((7.0, None), 0.0)])
def test_when_all_fail_for_now_the_first_that_may_be_tried_says_when(
    waits: tuple[float | None, float | None], least: float
) -> None:
    with pytest.raises(ProviderError) as caught:
        providers.first_success(two(), used(*(ProviderError("busy", False, wait) for wait in waits)))
    assert caught.value.retry_after == least


def test_when_the_budget_is_one_of_the_reasons_it_is_a_matter_of_the_budget() -> None:
    with pytest.raises(BudgetError, match="^a: no key; b: over$"):
        providers.first_success(two(), used(ProviderError("no key", permanent=True), BudgetError("over")))


def test_a_provider_that_is_skipped_is_told_once_for_each_reason(
    settings: Any, logged: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.DAILYCAST_LLM_PROVIDERS = [SCRIBE, "template"]
    for needs in ("ink", "ink", "paper", "", "ink"):
        monkeypatch.setattr(Scribe, "needs", needs)
        providers.writers.configured()
    assert logged.messages == [f"Dailycast: {SCRIBE} is skipped: {what}" for what in ("ink", "paper")]
