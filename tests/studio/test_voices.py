"""Which voices are asked to speak."""

import pytest

from dailycast.errors import ProviderNotConfigured
from dailycast.studio.voices import speaks
from dailycast.tts.base import Voice
from tests.host_providers import Parrot


@pytest.mark.parametrize(("voice", "expected"), [(Voice("Polly"), True), (None, False)])
def test_a_provider_speaks_the_languages_that_it_has_a_voice_for(
    monkeypatch: pytest.MonkeyPatch, voice: Voice | None, expected: bool
) -> None:
    monkeypatch.setattr(Parrot, "voice", lambda self, language: voice)
    assert speaks(Parrot(), "en") is expected


def test_a_provider_whose_settings_are_wrong_is_asked_and_says_so_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    def misconfigured(self: Parrot, language: str) -> Voice:
        raise ProviderNotConfigured("DAILYCAST_VOICES names no voice")

    monkeypatch.setattr(Parrot, "voice", misconfigured)
    assert speaks(Parrot(), "en") is True
