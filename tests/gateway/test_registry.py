import pytest

from dailycast.errors import ProviderNotConfigured
from dailycast.studio import providers
from tests.host_providers import PARROT, SCRIBE, Parrot, Scribe


@pytest.mark.parametrize("name", ["openai", "gemini", "template"])
def test_a_writers_name_is_that_of_its_module(name: str) -> None:
    provider = providers.writers.get(name)
    assert (provider.name, type(provider).__module__) == (name, f"dailycast.llm.{name}")


@pytest.mark.parametrize("name", ["polly", "pico"])
def test_a_voices_name_is_that_of_its_module(name: str) -> None:
    provider = providers.voices.get(name)
    assert (provider.name, type(provider).__module__) == (name, f"dailycast.tts.{name}")


def test_a_host_may_use_its_own_providers() -> None:
    assert isinstance(providers.writers.get(SCRIBE), Scribe)
    assert isinstance(providers.voices.get(PARROT), Parrot)
    assert providers.writers.get(SCRIBE) is providers.writers.get(SCRIBE)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("opnai", "DAILYCAST_LLM_PROVIDERS names an unknown provider, dailycast.llm.opnai.Provider"),
        ("no.such.Writer", "DAILYCAST_LLM_PROVIDERS names an unknown provider, no.such.Writer"),
        (PARROT, f"DAILYCAST_LLM_PROVIDERS: {PARROT} is not a subclass of dailycast.llm.base.LLMProvider"),
    ],
)
def test_an_unknown_provider_is_named(name: str, message: str) -> None:
    with pytest.raises(ProviderNotConfigured) as caught:
        providers.writers.get(name)
    assert message in str(caught.value)
