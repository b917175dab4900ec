"""Bought speech is found again, whole, and only for what sounds the same."""

from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User

from dailycast import services
from dailycast.audio import clips
from dailycast.models import DailyPodcast
from dailycast.studio import voices
from dailycast.tts.base import Voice
from tests.cloud import Cloud, Fault
from tests.cloud.speech import speak as tone

JOANNA = Voice("Joanna", "neural")
MP3 = tone("Good morning, Alex.", 24_000)
UNIT = voices.clip_key("polly", JOANNA, "Good morning, Alex.")


def test_a_clip_is_found_again(media: Path) -> None:
    assert clips.find(UNIT) is None
    clips.store(UNIT, MP3)
    assert clips.find(UNIT) == MP3
    assert [path.name for path in (media / "podcasts/clips").iterdir()] == [f"{UNIT}.mp3"]


@pytest.mark.parametrize("stored", [b"", MP3[:-1], b"<html>"])
def test_a_clip_that_is_not_whole_is_none(media: Path, stored: bytes) -> None:
    clips.store(UNIT, MP3)
    (media / clips.name(UNIT)).write_bytes(stored)
    assert clips.find(UNIT) is None
    clips.store(UNIT, MP3)
    assert clips.find(UNIT) == MP3


def test_a_unit_fits_into_the_ledger_and_is_the_same_in_every_process() -> None:
    assert (len(UNIT), UNIT[:12]) == (64, "599619f6499b")


@pytest.mark.parametrize(
    ("provider", "voice", "text"),
    [
        ("pico", JOANNA, "Good morning, Alex."),
        ("polly", Voice("Matthew", "neural"), "Good morning, Alex."),
        ("polly", Voice("Joanna", "standard"), "Good morning, Alex."),
        ("polly", Voice("Joanna", "neural", "mp3-48"), "Good morning, Alex."),
        ("polly", JOANNA, "Good morning, Alex!"),
        ("polly", Voice("neural", "Joanna"), "Good morning, Alex."),
    ],
)
def test_what_sounds_otherwise_is_another_clip(provider: str, voice: Voice, text: str) -> None:
    assert voices.clip_key(provider, voice, text) != UNIT


SCRIPT = "# Vienna\nGood morning, Alex.\n\nWho led the Austrian side?\n\nIt was Metternich."


@pytest.fixture
def shop(cloud: Cloud, settings: Any) -> Cloud:
    settings.DAILYCAST_LEARNER_CONTEXT = ""
    cloud.script = SCRIPT
    return cloud


def spoken(cloud: Cloud) -> list[str]:
    return sorted(call.text for call in cloud.calls if call.vendor == "polly" and call.outcome == "ok")


def test_no_text_is_bought_twice_in_two_episodes(shop: Cloud, alex: User) -> None:
    first, second = (services.create_podcast_for_user(alex, "en") for _ in range(2))
    assert len(spoken(shop)) == 3
    assert (first.tts_characters, second.tts_characters) == (shop.billed("polly"), 0)
    assert second.duration_seconds == first.duration_seconds


def test_what_was_bought_before_a_failure_is_not_bought_again(shop: Cloud, alex: User) -> None:
    shop.latency = {"polly": 0.1}
    shop.fail("polly", Fault.TEXT_TOO_LONG, times=None, matching="Metternich")
    assert not services.create_podcast_for_user(alex, "en").has_audio
    shop.mend()
    assert services.retry_now(DailyPodcast.objects.get()).has_audio
    assert spoken(shop) == sorted(["Good morning, Alex.", "It was Metternich.", "Who led the Austrian side?"])


def test_a_clip_that_is_spoiled_in_the_store_is_bought_again(shop: Cloud, alex: User, media: Path) -> None:
    services.create_podcast_for_user(alex, "en")
    (media / clips.name(UNIT)).write_bytes(b"")
    assert services.create_podcast_for_user(alex, "en").has_audio
    assert spoken(shop).count("Good morning, Alex.") == 2


def test_another_voice_buys_its_own(shop: Cloud, alex: User, settings: Any) -> None:
    services.create_podcast_for_user(alex, "en")
    settings.DAILYCAST_VOICES = {"en": "Matthew"}
    services.create_podcast_for_user(alex, "en")
    assert len(spoken(shop)) == 6


def test_where_an_engine_is_refused_the_next_one_speaks_every_clip(
    shop: Cloud, alex: User, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dailycast.tts import polly

    monkeypatch.setattr(polly, "_refused", {})
    shop.fail("polly", Fault.ENGINE, matching="Metternich")
    row = services.create_podcast_for_user(alex, "en")
    assert row.tts_voice == "Joanna standard"
    engines = {call.text: call.kind for call in shop.calls if call.vendor == "polly" and call.kind == "standard"}
    assert len(engines) == 3
