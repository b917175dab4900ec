"""The MP3 as other tools read it: tag and chapters with ffprobe, loudness with ffmpeg."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command

from dailycast import services
from dailycast.models import DailyPodcast

pytestmark = [pytest.mark.services, pytest.mark.django_db]


@pytest.fixture
def episode(settings: Any, media: Path, db: None) -> tuple[DailyPodcast, Path]:
    settings.DEBUG = True  # `load_academy` needs it
    settings.DAILYCAST_TTS_PROVIDERS = ["pico"]
    settings.DAILYCAST_LEARNER_CONTEXT = "examples.academy.adapter.learner_context"
    call_command("load_academy", verbosity=0)
    podcast = services.create_podcast_for_user(User.objects.get(username="alex"), "en")
    return podcast, media / str(podcast.audio_file.name)


def probe(path: Path) -> dict[str, Any]:
    command = ["ffprobe", "-v", "error", "-show_format", "-show_chapters", "-show_streams", "-of", "json", str(path)]
    info: dict[str, Any] = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    return info


def test_ffprobe_finds_title_cover_script_and_chapters(episode: tuple[DailyPodcast, Path]) -> None:
    podcast, path = episode
    info = probe(path)
    tags = info["format"]["tags"]
    assert (tags["title"], tags["album"], tags["genre"]) == (podcast.title, "Daily podcast", "Podcast")
    assert podcast.cues[0]["text"] in " ".join(tags["lyrics-eng"].split())
    marks = info["chapters"]
    assert [mark["tags"]["title"] for mark in marks] == [mark["title"] for mark in podcast.chapters]
    starts = [float(mark["start_time"]) for mark in marks]
    assert starts == pytest.approx([mark["start"] for mark in podcast.chapters], abs=0.001)
    assert float(info["chapters"][-1]["end_time"]) == pytest.approx(podcast.duration_seconds, abs=0.01)
    cover = next(stream for stream in info["streams"] if stream["codec_type"] == "video")
    assert (cover["codec_name"], cover["width"], cover["disposition"]["attached_pic"]) == ("mjpeg", 1400, 1)


def test_the_loudness_of_the_built_in_voice_is_16_lufs_below_full_scale(episode: tuple[DailyPodcast, Path]) -> None:
    command = ["ffmpeg", "-nostats", "-i", str(episode[1]), "-map", "0:a", "-af", "ebur128=dualmono=true", "-f", "null"]
    output = subprocess.run([*command, "-"], capture_output=True, text=True, check=True).stderr
    loudness = float(re.findall(r"I:\s+(-[\d.]+) LUFS", output)[-1])
    assert loudness == pytest.approx(-16, abs=1)
