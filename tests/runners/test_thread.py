"""The runner `thread`."""

import time
from datetime import timedelta
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from dailycast import runners
from dailycast.jobs import queue
from dailycast.models import DailyPodcast, Reason, Status
from dailycast.runners import thread
from tests.cloud import Cloud, Fault


def test_nobody_waits_for_a_thread(writer: Cloud, alex: User, in_threads: None) -> None:
    writer.latency = {"openai": 1.0}
    start = time.monotonic()
    podcast = runners.submit(alex, "en")
    assert time.monotonic() - start < 0.6
    assert (podcast.status, row().status == Status.COMPLETED) == ("pending", False)
    assert until(is_made)
    assert row().llm_provider == "openai"


def test_a_thread_begins_after_the_commit(alex: User, in_threads: None) -> None:
    with transaction.atomic():
        runners.submit(alex, "en")
        assert not any(pool.load for pool in thread._pools.values())
    assert until(is_made)


def test_what_is_rolled_back_is_not_made(alex: User, in_threads: None, writer: Cloud) -> None:
    with transaction.atomic():
        runners.submit(alex, "en")
        transaction.set_rollback(True)
    assert not any(pool.load for pool in thread._pools.values())
    assert (DailyPodcast.objects.count(), writer.calls) == (0, [])


def test_what_is_put_back_is_tried_again_when_its_time_has_come(writer: Cloud, alex: User, in_threads: None) -> None:
    writer.fail("openai", Fault.UNAVAILABLE, times=2)
    runners.submit(alex, "en")
    assert until(is_made)
    assert (row().attempts, row().error_code) == (2, Reason.AUDIO_NOT_CONFIGURED)
    assert len(writer.calls) == 3


def test_what_fails_every_time_is_given_up(writer: Cloud, alex: User, in_threads: None, settings: Any) -> None:
    settings.DAILYCAST_MAX_ATTEMPTS = 2
    writer.fail("openai", Fault.UNAVAILABLE, times=None)
    runners.submit(alex, "en")
    assert until(lambda: row().status == Status.FAILED)
    assert (row().attempts, row().error_code, len(writer.calls)) == (2, Reason.NO_SCRIPT, 4)


def test_a_sweep_takes_up_what_a_process_that_is_gone_had_in_hand(alex: User, in_threads: None) -> None:
    queue.submit(alex, "en")
    DailyPodcast.objects.update(status=Status.RUNNING, lease_until=timezone.now() - timedelta(seconds=1), attempts=1)
    runners.sweep()
    assert until(is_made)
    assert row().attempts == 2


def test_the_next_request_takes_up_what_was_forgotten(alex: User, in_threads: None) -> None:
    forgotten = queue.submit(alex, "en")
    DailyPodcast.objects.update(updated_at=timezone.now() - timedelta(hours=1))
    runners.submit(alex, "en")
    assert until(lambda: DailyPodcast.objects.filter(status=Status.COMPLETED).count() == 2)
    assert DailyPodcast.objects.get(pk=forgotten.pk).status == "completed"
