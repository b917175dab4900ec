"""A stored clip is found again, and only a complete one."""

from pathlib import Path

import pytest

from dailycast.audio import clips
from tests.cloud.speech import speak

KEY = "599619f6499b"
MP3 = speak("Good morning, Alex.", 24_000)


def test_a_clip_is_found_again(media: Path) -> None:
    assert clips.find_clip(KEY) is None
    clips.store_clip(KEY, MP3)
    assert clips.find_clip(KEY) == MP3
    assert [path.name for path in (media / "podcasts/clips").iterdir()] == [f"{KEY}.mp3"]


@pytest.mark.parametrize("stored", [b"", MP3[:-1], b"<html>"])
def test_an_incomplete_clip_is_not_found(media: Path, stored: bytes) -> None:
    clips.store_clip(KEY, MP3)
    (media / clips.file_name(KEY)).write_bytes(stored)
    assert clips.find_clip(KEY) is None
    clips.store_clip(KEY, MP3)
    assert clips.find_clip(KEY) == MP3
