"""What is deleted after its time, what is summed up, and what is never touched."""

import io
import os
import time
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.storage import default_storage
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.models import Sum
from django.utils import timezone

from dailycast.audio import clips, storage
from dailycast.errors import StorageError
from dailycast.models import DailyPodcast, Kind, Outcome, ProviderCall, Reason, Status, dates
from dailycast.runners.retention import GROUPED_BY, Pruned, _merge, prune
from tests.jobs.rows import in_threads

DAY = 86_400.0  # seconds


def old_file(media: Path, name: str, days: float) -> Path:
    storage.write_atomic(name, b"mp3")
    path, then = media / name, time.time() - days * DAY
    os.utime(path, (then, then))
    return path


def episode_with_audio(user: User, media: Path, days: float, **values: Any) -> DailyPodcast:
    """A completed episode with its file, so many days old."""
    podcast = DailyPodcast.objects.create(
        user=user, status=Status.COMPLETED, script_text="Hello.", audio_bytes=3, cost_usd=Decimal("0.05"),
        completed_at=timezone.now() - timedelta(days=days), **values,
    )  # fmt: skip
    podcast.audio_file = f"podcasts/podcast_1_{podcast.pk}.mp3"
    podcast.save()
    storage.write_atomic(podcast.audio_file.name, b"mp3")
    return podcast


def call(days: float = 400, **values: Any) -> ProviderCall:
    known: dict[str, Any] = {
        "day": dates.today() - timedelta(days=days), "provider": "polly", "model": "neural", "kind": Kind.SPEECH,
        "outcome": Outcome.OK, "units": 100, "cost_usd": Decimal("0.0016"),
        "created_at": timezone.now() - timedelta(days=days),
    }  # fmt: skip
    return ProviderCall.objects.create(**{**known, **values})


# Clips


def test_clips_are_stored_for_a_week(db: None, media: Path, settings: Any) -> None:
    old, young = (old_file(media, clips.file_name(name), days) for name, days in (("old", 7.1), ("young", 6.9)))
    assert prune() == Pruned(clips=1)
    assert (old.exists(), young.exists()) == (False, True)
    settings.DAILYCAST_KEEP_CLIPS_DAYS = 0.5
    assert prune() == Pruned(clips=1)
    assert not young.exists()


def test_no_other_file_is_taken_for_a_clip(db: None, media: Path) -> None:
    others = [old_file(media, name, 900) for name in ("podcasts/podcast_1_2.wav", "clips/a.mp3", "podcasts/notes.txt")]
    assert prune() == Pruned()
    assert all(path.exists() for path in others)


def test_a_clip_that_disappears_meanwhile_is_no_error(db: None, media: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "list_names", lambda folder: [folder + "gone.mp3"])
    assert prune() == Pruned()


# Audio


def test_audio_is_never_deleted_unless_the_owner_says_otherwise(alex: User, media: Path) -> None:
    podcast = episode_with_audio(alex, media, 9_000)
    assert prune() == Pruned()
    assert (media / str(podcast.audio_file)).exists()


def test_old_audio_is_deleted_and_its_script_stays(alex: User, media: Path, settings: Any) -> None:
    settings.DAILYCAST_KEEP_AUDIO_DAYS = 30
    old, young = episode_with_audio(alex, media, 30.1), episode_with_audio(alex, media, 29.9)
    assert prune() == Pruned(audio=1)
    found = DailyPodcast.objects.get(pk=old.pk)
    assert (bool(found.audio_file), found.audio_bytes, found.error_code) == (False, None, Reason.PRUNED)
    assert (found.status, found.script_text, found.cost_usd) == ("completed", "Hello.", Decimal("0.05"))
    assert not (media / str(old.audio_file)).exists()
    assert DailyPodcast.objects.get(pk=young.pk).has_audio
    assert (media / str(young.audio_file)).exists()
    assert prune() == Pruned()


def test_audio_that_is_being_made_again_is_left_alone(alex: User, media: Path, settings: Any) -> None:
    settings.DAILYCAST_KEEP_AUDIO_DAYS = 30
    podcast = episode_with_audio(alex, media, 40)
    DailyPodcast.objects.update(status=Status.RUNNING)
    assert prune() == Pruned()
    assert (media / str(podcast.audio_file)).exists()


def test_a_kill_before_the_file_is_deleted_leaves_no_address_without_a_file(
    alex: User, media: Path, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(name: str) -> None:
        raise KeyboardInterrupt

    settings.DAILYCAST_KEEP_AUDIO_DAYS = 30
    episode_with_audio(alex, media, 40)
    monkeypatch.setattr(default_storage, "delete", interrupt)
    with pytest.raises(KeyboardInterrupt):
        prune()
    assert not DailyPodcast.objects.get().audio_file


# The ledger


def test_the_calls_of_a_day_a_year_ago_become_one_row_for_each_kind(db: None) -> None:
    for units in (100, 150, 250):
        call(units=units, unit="u", message="m")
    call(outcome=Outcome.REFUSED, units=0, cost_usd=Decimal(0))
    call(days=401)
    call(provider="openai", model="gpt", kind=Kind.SCRIPT)
    call(days=364)
    call(days=364)
    before = ProviderCall.objects.aggregate(Sum("cost_usd"), Sum("units"), Sum("calls"))
    assert prune() == Pruned(calls=2)
    assert ProviderCall.objects.aggregate(Sum("cost_usd"), Sum("units"), Sum("calls")) == before
    (summed,) = ProviderCall.objects.filter(calls__gt=1)
    assert (summed.calls, summed.units, summed.cost_usd) == (3, 500, Decimal("0.0048"))
    assert (summed.day, summed.provider, summed.model) == (dates.today() - timedelta(days=400), "polly", "neural")
    assert (summed.kind, summed.outcome) == ("speech", "ok")
    assert ProviderCall.objects.count() == 6
    assert prune() == Pruned()


def test_earlier_sums_are_added_up(db: None) -> None:
    call(calls=7, units=700, cost_usd=Decimal("0.0112"))
    call()
    assert prune() == Pruned(calls=1)
    summed = ProviderCall.objects.get()
    assert (summed.calls, summed.units, summed.cost_usd) == (8, 800, Decimal("0.0128"))


def test_an_unknown_cost_does_not_make_the_known_ones_unknown(db: None) -> None:
    for usd in (Decimal("0.5"), Decimal("0.25"), None, None):
        call(cost_usd=usd)
    assert prune() == Pruned(calls=2)
    sums = ProviderCall.objects.values_list("calls", "cost_usd")
    assert set(sums) == {(2, Decimal("0.75")), (2, None)}


def test_a_year_is_counted_in_local_days(db: None, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(2):
        call(day=date(2025, 11, 23))
    monkeypatch.setattr(dates, "today", lambda: date(2026, 11, 23))
    assert prune() == Pruned()
    monkeypatch.setattr(dates, "today", lambda: date(2026, 11, 24))
    assert prune() == Pruned(calls=1)


def test_a_call_that_was_never_closed_is_lost_after_a_day(db: None) -> None:
    old = call(days=2, outcome=Outcome.UNKNOWN)
    young = call(days=0, outcome=Outcome.UNKNOWN)
    prune()
    assert ProviderCall.objects.get(pk=old.pk).outcome == "lost"
    assert ProviderCall.objects.get(pk=young.pk).outcome == "unknown"


def test_the_command_prints_what_was_deleted(alex: User, media: Path, settings: Any) -> None:
    settings.DAILYCAST_KEEP_AUDIO_DAYS = 1
    old_file(media, clips.file_name("a"), 8)
    episode_with_audio(alex, media, 2)
    call()
    call()
    out = io.StringIO()
    call_command("prune_podcasts", stdout=out)
    files = "1 clips, 1 audio files, 0 audio files that no episode has"
    assert out.getvalue() == f"Deleted: {files}. Summed up: 1 calls.\n"


# Files that no episode has


def test_audio_that_no_row_names_is_deleted_after_a_day(alex: User, media: Path) -> None:
    mine = episode_with_audio(alex, media, 0)
    then = time.time() - 2 * DAY
    os.utime(media / str(mine.audio_file), (then, then))
    kept = [
        old_file(media, name, days)
        for name, days in {
            "podcasts/podcast_1_1701920000.mp3": 0.9,
            "podcasts/podcast_1_1701920001.mp3": -3,  # of a clock that is ahead
            "podcasts/podcast_1_1701920002.MP3": 9,
            "podcasts/podcast_1_1701920003.mp3.bak": 9,
            "podcasts/lecture_1_1701920004.mp3": 9,
            "podcasts/old/podcast_1_1701920005.mp3": 9,
            "podcast_1_1701920006.mp3": 9,
        }.items()
    ]
    orphans = [old_file(media, f"podcasts/podcast_{user}_1701920007.mp3", 1.1) for user in (1, "a-b-c", 77)]
    assert prune() == Pruned(orphans=3)
    assert not any(path.exists() for path in orphans)
    assert all(path.exists() for path in [*kept, media / str(mine.audio_file)])


@pytest.mark.parametrize("status", [Status.PENDING, Status.RUNNING, Status.FAILED])
def test_audio_of_a_row_that_is_not_completed_is_no_orphan(alex: User, media: Path, status: Status) -> None:
    path = old_file(media, "podcasts/podcast_1_1701920000.mp3", 9)
    DailyPodcast.objects.create(user=alex, status=status, audio_file="podcasts/podcast_1_1701920000.mp3")
    assert prune() == Pruned()
    assert path.exists()


@pytest.fixture(params=["audio_file varchar(100)", "file varchar(100)"])
def prototype(request: pytest.FixtureRequest, transactional_db: None) -> Iterator[str]:
    """The table that an upgrade from an earlier app leaves, with its columns."""
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE TABLE dailycast_prototype (id integer, {request.param})")
        cursor.execute("INSERT INTO dailycast_prototype VALUES (1, 'podcasts/podcast_1_1701920000.mp3')")
    yield request.param
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE dailycast_prototype")


def test_audio_of_an_earlier_app_is_kept(prototype: str, media: Path) -> None:
    theirs, nobodys = (old_file(media, f"podcasts/podcast_1_170192000{number}.mp3", 900) for number in (0, 1))
    assert prune() == Pruned(orphans="audio_file" in prototype)
    assert (theirs.exists(), nobodys.exists()) == (True, "audio_file" not in prototype)


# Only saying it


def test_a_dry_run_counts_and_changes_nothing(alex: User, media: Path, settings: Any) -> None:
    settings.DAILYCAST_KEEP_AUDIO_DAYS = 1
    episode_with_audio(alex, media, 2)
    for name, days in (("podcasts/clips/a.mp3", 8), ("podcasts/podcast_9_9.mp3", 2), ("podcasts/.b.part", 9)):
        old_file(media, name, days)
    call()
    call(answer="a script")
    before = (
        [*map(str, sorted(media.rglob("*")))],
        list(DailyPodcast.objects.values()),
        list(ProviderCall.objects.values()),
    )
    out = io.StringIO()
    call_command("prune_podcasts", "--dry-run", stdout=out)
    files = "1 clips, 1 audio files, 1 audio files that no episode has"
    assert out.getvalue() == f"To delete: {files}. To sum up: 1 calls.\n"
    after = (
        [*map(str, sorted(media.rglob("*")))],
        list(DailyPodcast.objects.values()),
        list(ProviderCall.objects.values()),
    )
    assert after == before


def test_clips_may_be_kept_for_no_day(db: None, media: Path, settings: Any) -> None:
    settings.DAILYCAST_KEEP_CLIPS_DAYS = 0
    clip = old_file(media, clips.file_name("young"), 0.001)
    assert prune() == Pruned(clips=1)
    assert not clip.exists()


# Damage


def test_a_check_finds_what_has_the_right_size_and_another_content(alex: User, media: Path) -> None:
    whole, swapped, older, gone, short = (episode_with_audio(alex, media, 0) for _ in range(5))
    for podcast in (whole, swapped):
        DailyPodcast.objects.filter(pk=podcast.pk).update(audio_sha256=sha256(b"mp3").hexdigest())
    (media / str(swapped.audio_file)).write_bytes(b"MP3")
    (media / str(gone.audio_file)).unlink()
    (media / str(short.audio_file)).write_bytes(b"mp")
    out, err = io.StringIO(), io.StringIO()
    call_command("prune_podcasts", "--verify", stdout=out, stderr=err)
    damaged = {swapped.pk, gone.pk, short.pk}
    assert "Missing or damaged: 3 audio files." in out.getvalue()
    assert [int(line.split()[1].rstrip(":")) for line in err.getvalue().splitlines()] == sorted(damaged)
    assert {row.pk for row in DailyPodcast.objects.filter(error_code=Reason.MISSING)} == damaged
    assert DailyPodcast.objects.get(pk=older.pk).audio_sha256 == sha256(b"mp3").hexdigest()
    assert not DailyPodcast.objects.get(pk=short.pk).audio_sha256
    prune()  # which looks for files that are back
    assert {row.pk for row in DailyPodcast.objects.filter(error_code=Reason.MISSING)} == damaged


def test_a_storage_that_does_not_answer_is_said(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(folder: str) -> list[str]:
        raise StorageError("The storage of the files failed (ClientError): 403")

    monkeypatch.setattr(storage, "list_names", fail)
    with pytest.raises(CommandError, match="403"):
        call_command("prune_podcasts", stdout=io.StringIO())


@pytest.mark.django_db(transaction=True)
def test_four_processes_at_once_lose_nothing_and_count_nothing_twice() -> None:
    for days in (400, 401, 402):
        for _ in range(5):
            call(days=days)
        call(days=days, cost_usd=None)
        call(days=days, cost_usd=None)
    sums = Sum("cost_usd"), Sum("units"), Sum("calls")
    before = ProviderCall.objects.aggregate(*sums)
    pruned = in_threads(lambda _: prune(), number=4, retry=False)
    assert ProviderCall.objects.aggregate(*sums) == before
    assert (ProviderCall.objects.count(), sum(each.calls for each in pruned)) == (6, 15)


def test_a_second_process_finds_the_sum_and_leaves_it(db: None) -> None:
    row = call(calls=3)
    group: dict[str, object] = {name: getattr(row, name) for name in GROUPED_BY}
    assert _merge(group, unpriced=False) == 1
    assert ProviderCall.objects.get() == row
