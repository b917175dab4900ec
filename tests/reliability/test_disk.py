"""A disk that is really full, and one that is really read-only: a tmpfs of two megabytes is MEDIA_ROOT."""

import os
import re
import subprocess
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import connection

from dailycast import services
from dailycast.audio import mp3, storage
from dailycast.jobs import queue
from dailycast.models import DailyPodcast, Outcome, ProviderCall, Reason, Status
from dailycast.studio import estimate
from dailycast.tts import polly
from tests.cloud import Cloud

pytestmark = [pytest.mark.reliability, pytest.mark.django_db(transaction=True)]
SIZE = 2_000_000
CLIPS = 20
CLIP = "This is point {} of today, and it lasts for some four seconds of speech."  # about 30 kB


def learner(user: User) -> dict[str, str]:
    return {"language": "en"}


def script() -> str:
    return "\n\n".join(["# Today", *(CLIP.format(number) for number in range(CLIPS))])


@pytest.fixture
def disk(cloud: Cloud, settings: Any) -> Iterator[Path]:
    """The folder that the tmpfs is mounted at. It needs root, which CI has."""
    with tempfile.TemporaryDirectory() as name:
        error = mount(f"size={SIZE}", name)
        if error:
            assert not os.environ.get("CI"), f"CI must be able to mount a tmpfs: {error}"
            pytest.skip(f"no tmpfs can be mounted: {error}")
        settings.MEDIA_ROOT = Path(name)
        settings.DAILYCAST_LEARNER_CONTEXT = "tests.reliability.test_disk.learner"
        settings.DAILYCAST_MIN_FREE_MB = 0  # the whole disk has less than the usual reserve
        settings.DAILYCAST_LLM_PROVIDERS = ["openai"]
        cloud.script = script()
        try:
            yield Path(name)
        finally:
            connection.close()
            subprocess.run(["umount", name], check=True)


def mount(options: str, name: str) -> str:
    """The error of mount; empty when it worked."""
    try:
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", name], capture_output=True, text=True)
    except OSError as error:
        return str(error)
    return (done.stderr or f"status {done.returncode}") if done.returncode else ""


def fill(disk: Path, leave: int) -> Path:
    """A file that leaves only so many bytes free."""
    ballast = disk / "ballast"
    ballast.write_bytes(bytes(max(storage.free_bytes() or 0, leave) - leave))
    return ballast


def stored(disk: Path, pattern: str) -> list[Path]:
    return sorted(path for path in disk.rglob(pattern) if path.name != "ballast")


def spoken(cloud: Cloud) -> Counter[str]:
    return Counter(call.text for call in cloud.calls if call.vendor == "polly")


def assert_without_audio(podcast: DailyPodcast) -> None:
    assert (podcast.status, podcast.error_code) == (Status.COMPLETED, Reason.NOT_SAVED), podcast.failure_text
    assert (podcast.script_text, podcast.tts_provider, podcast.has_audio) == (script(), "none", False)
    assert not ProviderCall.objects.filter(outcome=Outcome.UNKNOWN).exists()


def assert_whole(podcast: DailyPodcast, disk: Path) -> None:
    assert podcast.has_audio, podcast.failure_text
    data = (disk / str(podcast.audio_file)).read_bytes()
    assert len(data) == podcast.audio_bytes
    assert mp3.duration(data) == pytest.approx(podcast.duration_seconds, abs=0.001)


def test_on_a_full_disk_no_speech_is_bought_and_the_row_says_so(disk: Path, cloud: Cloud, alex: User) -> None:
    ballast = fill(disk, leave=0)
    podcast = services.create_podcast_for_user(alex, "en")
    assert_without_audio(podcast)
    assert re.search(r"the disk has 0\.0 MB free, and this episode may need \d\.\d MB", podcast.error_message)
    assert spoken(cloud) == Counter()
    assert stored(disk, "*.*") == []
    ballast.unlink()
    needed = estimate.SPACE_FACTOR * estimate.BYTES_A_CHARACTER * len(script())
    assert needed > SIZE, "else this disk is large enough, and the next lines are not needed"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(estimate, "SPACE_FACTOR", 1)
        podcast = services.retry_now(podcast)
    assert_whole(podcast, disk)
    assert set(spoken(cloud).values()) == {1}
    assert len([call for call in cloud.calls if call.vendor == "openai"]) == 1


@pytest.mark.parametrize("space", [0, 40_000, 200_000, 450_000])
def test_a_disk_that_is_full_midway_costs_what_was_in_flight(
    space: int, disk: Path, cloud: Cloud, alex: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(estimate, "SPACE_FACTOR", 0)
    ballast = fill(disk, leave=space)
    podcast = services.retry_now(queue.submit(alex, "en"))
    assert_without_audio(podcast)
    assert "No space left on device" in podcast.error_message
    saved, paid = len(stored(disk, "*.mp3")), sum(spoken(cloud).values())
    assert paid - saved <= polly.PARALLEL, f"{paid} clips paid, {saved} stored"
    assert saved < CLIPS
    assert paid >= 1
    assert (saved > 0) == (space >= 40_000), "this much space is not what the test is about"
    assert stored(disk, ".*") == [], "a partial file is left"
    for path in stored(disk, "*.mp3"):
        assert mp3.duration(path.read_bytes()) > 3
    assert podcast.tts_characters == cloud.billed("polly")
    ballast.unlink()
    podcast = services.retry_now(podcast)
    assert_whole(podcast, disk)
    assert sum(spoken(cloud).values()) == CLIPS + paid - saved
    assert podcast.tts_characters == cloud.billed("polly")
    assert len([call for call in cloud.calls if call.vendor == "openai"]) == 1


def test_where_all_clips_fit_and_the_episode_does_not_nothing_is_bought_again(
    disk: Path, cloud: Cloud, alex: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(estimate, "SPACE_FACTOR", 0)
    needed = sum(size_of(disk, cloud, alex))
    ballast = fill(disk, leave=needed + 40_000)
    podcast = services.retry_now(queue.submit(alex, "en"))
    assert_without_audio(podcast)
    assert (len(stored(disk, "*.mp3")), stored(disk, ".*")) == (CLIPS, [])
    asked = len(cloud.calls)
    ballast.unlink()
    podcast = services.retry_now(podcast)
    assert_whole(podcast, disk)
    assert len(cloud.calls) == asked


def size_of(disk: Path, cloud: Cloud, alex: User) -> list[int]:
    """What each clip takes on the disk, in whole pages; nothing of it stays."""
    services.retry_now(queue.submit(alex, "en"))
    sizes = [path.stat().st_blocks * 512 for path in stored(disk, "clips/*.mp3")]
    assert len(sizes) == CLIPS
    for path in stored(disk, "*.mp3"):
        path.unlink()
    DailyPodcast.objects.all().delete()
    return sizes


@pytest.fixture
def read_only(disk: Path) -> Iterator[Callable[[str], None]]:
    def remount(how: str) -> None:
        subprocess.run(["mount", "-o", f"remount,{how}", str(disk)], check=True)

    yield remount
    remount("rw")


def test_on_a_read_only_disk_nothing_is_bought_and_the_row_says_so(
    disk: Path, read_only: Callable[[str], None], cloud: Cloud, alex: User
) -> None:
    read_only("ro")
    podcast = services.create_podcast_for_user(alex, "en")
    assert (podcast.status, podcast.error_code, cloud.calls) == (Status.FAILED, Reason.NOT_SAVED, [])
    assert podcast.error_message.startswith(f"{disk} cannot be written by this user: ")
    for command in ("generate_test_podcast", "generate_daily_podcasts"):
        with pytest.raises(CommandError, match="Make MEDIA_ROOT writable"):
            call_command(command)
    read_only("rw")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(estimate, "SPACE_FACTOR", 1)
        assert_whole(services.retry_now(podcast), disk)


def test_a_disk_that_becomes_read_only_midway_costs_what_was_in_flight(
    disk: Path, read_only: Callable[[str], None], cloud: Cloud, alex: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(estimate, "SPACE_FACTOR", 0)
    real = cloud.polly.answer

    def answer(request: Any) -> Any:
        if cloud.polly.text(request) == CLIP.format(CLIPS // 2):
            read_only("ro")
        return real(request)

    monkeypatch.setattr(cloud.polly, "answer", answer)
    podcast = services.retry_now(queue.submit(alex, "en"))
    assert_without_audio(podcast)
    assert "Read-only file system" in podcast.error_message
    saved, paid = len(stored(disk, "*.mp3")), sum(spoken(cloud).values())
    assert (paid - saved <= polly.PARALLEL, stored(disk, ".*")) == (True, [])
    read_only("rw")
    monkeypatch.setattr(cloud.polly, "answer", real)
    assert_whole(services.retry_now(podcast), disk)
    assert sum(spoken(cloud).values()) == CLIPS + paid - saved


def test_a_disk_that_becomes_read_only_under_an_episode_that_is_edited_ends_the_row(
    disk: Path, read_only: Callable[[str], None], cloud: Cloud, alex: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The audio of the first text is saved already, and can neither be replaced nor deleted."""
    monkeypatch.setattr(estimate, "SPACE_FACTOR", 0)
    real, edited = cloud.polly.answer, "This came from an editor, in the very last moment."

    def answer(request: Any) -> Any:
        text = cloud.polly.text(request)
        if text == CLIP.format(CLIPS // 2):
            DailyPodcast.objects.update(script_text=f"{script()}\n\n{edited}")
            connection.close()
        if text == edited:
            read_only("ro")
        return real(request)

    monkeypatch.setattr(cloud.polly, "answer", answer)
    podcast = services.retry_now(queue.submit(alex, "en"))
    assert spoken(cloud)[edited] == 1
    assert (podcast.status, podcast.error_code) == (Status.COMPLETED, Reason.NOT_SAVED)
