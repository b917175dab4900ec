"""Bought speech is used again, but only for what sounds the same."""

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

JOANNA = Voice("Joanna", "neural")


KEY = voices.clip_key("polly", JOANNA, "Good morning, Alex.")


def test_a_clips_key_fits_into_the_ledger_and_is_the_same_in_every_process() -> None:
    assert (len(KEY), KEY[:12]) == (64, "599619f6499b")


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
def test_what_sounds_different_is_another_clip(provider: str, voice: Voice, text: str) -> None:
    assert voices.clip_key(provider, voice, text) != KEY


SCRIPT = "# Vienna\nGood morning, Alex.\n\nWho led the Austrian side?\n\nIt was Metternich."


@pytest.fixture
def vendors(cloud: Cloud, settings: Any) -> Cloud:
    settings.DAILYCAST_LEARNER_CONTEXT = ""
    cloud.script = SCRIPT
    return cloud


def spoken(cloud: Cloud) -> list[str]:
    return sorted(call.text for call in cloud.calls if call.vendor == "polly" and call.outcome == "ok")


def test_no_text_is_bought_twice_in_two_episodes(vendors: Cloud, alex: User) -> None:
    first, second = (services.create_podcast_for_user(alex, "en") for _ in range(2))
    assert len(spoken(vendors)) == 3
    assert (first.tts_characters, second.tts_characters) == (vendors.billed("polly"), 0)
    assert second.duration_seconds == first.duration_seconds


def test_what_was_bought_before_a_failure_is_not_bought_again(vendors: Cloud, alex: User) -> None:
    vendors.latency = {"polly": 0.1}
    vendors.fail("polly", Fault.TEXT_TOO_LONG, times=None, matching="Metternich")
    assert not services.create_podcast_for_user(alex, "en").has_audio
    vendors.clear_faults()
    assert services.retry_now(DailyPodcast.objects.get()).has_audio
    assert spoken(vendors) == sorted(["Good morning, Alex.", "It was Metternich.", "Who led the Austrian side?"])


def test_a_stored_clip_that_is_damaged_is_bought_again(vendors: Cloud, alex: User, media: Path) -> None:
    services.create_podcast_for_user(alex, "en")
    (media / clips.file_name(KEY)).write_bytes(b"")
    assert services.create_podcast_for_user(alex, "en").has_audio
    assert spoken(vendors).count("Good morning, Alex.") == 2


def test_another_voice_buys_its_own_clips(vendors: Cloud, alex: User, settings: Any) -> None:
    services.create_podcast_for_user(alex, "en")
    settings.DAILYCAST_VOICES = {"en": "Matthew"}
    services.create_podcast_for_user(alex, "en")
    assert len(spoken(vendors)) == 6


def test_where_an_engine_is_refused_the_next_one_speaks_every_clip(
    vendors: Cloud, alex: User, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dailycast.tts import polly

    monkeypatch.setattr(polly, "_engine_refusals", {})
    vendors.fail("polly", Fault.ENGINE, matching="Metternich")
    row = services.create_podcast_for_user(alex, "en")
    assert row.tts_voice == "Joanna standard"
    engines = {call.text: call.kind for call in vendors.calls if call.vendor == "polly" and call.kind == "standard"}
    assert len(engines) == 3
