"""What an episode will need: USD by the first writer and the first voice, and space on the disk."""

from decimal import Decimal
from typing import Any

import pytest

from dailycast.studio.estimate import bytes_needed, estimate
from tests.host_providers import PARROT, SCRIBE, Parrot, Scribe

CHARACTERS = 3_552  # of four minutes of English at 14.8 a second
SCRIPT_USD = (2_500 * Decimal(2) + CHARACTERS // 4 * Decimal(10)) / 1_000_000
SPEECH_USD = CHARACTERS * Decimal(30) / 1_000_000


@pytest.fixture(autouse=True)
def host_providers(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A writer and a voice of the host's own, with prices."""
    settings.DAILYCAST_LLM_PROVIDERS, settings.DAILYCAST_TTS_PROVIDERS = [SCRIBE, "template"], [PARROT]
    settings.DAILYCAST_PRICES = {"scribe/scribe": "2/10", "parrot/": "30"}
    monkeypatch.setattr(Parrot, "missing", lambda self: "")


def test_an_episode_is_estimated_at_the_prices_of_the_first_writer_and_the_first_voice() -> None:
    assert estimate("en", 4.0) == SCRIPT_USD + SPEECH_USD


@pytest.mark.parametrize("price", ["scribe/scribe", "parrot/"])
def test_a_part_without_a_price_makes_the_estimate_unknown(settings: Any, price: str) -> None:
    settings.DAILYCAST_PRICES = {key: usd for key, usd in settings.DAILYCAST_PRICES.items() if key != price}
    assert estimate("en", 4.0) is None


def test_a_writer_that_is_not_configured_is_passed_over(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    monkeypatch.setattr(Scribe, "needs", "ink")
    settings.DAILYCAST_TTS_PROVIDERS = []
    assert estimate("en", 4.0) == 0


def test_a_language_without_a_voice_costs_the_script_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Parrot, "voice", lambda self, language: None)
    assert estimate("en", 4.0) == SCRIPT_USD


@pytest.mark.parametrize(("script", "needed"), [("", 0), ("a", 3_000), ("ä" * 3_600, 10_800_000)])
def test_the_disk_needs_three_kilobytes_for_each_character(script: str, needed: int) -> None:
    assert bytes_needed(script) == needed
