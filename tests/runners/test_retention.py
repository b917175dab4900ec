"""What is deleted after its time, what is summed up, and what is never touched."""

import io
import os
import time
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.storage import default_storage
from django.core.management import call_command
from django.db.models import Sum
from django.utils import timezone

from dailycast.audio import clips, storage
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
    others = [old_file(media, name, 900) for name in ("podcasts/podcast_1_2.mp3", "clips/a.mp3", "podcasts/notes.txt")]
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
    assert out.getvalue() == "Deleted: 1 clips, 1 audio files. Summed up: 1 calls.\n"


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
