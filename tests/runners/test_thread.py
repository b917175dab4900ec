"""The runner `thread`."""

import time
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from dailycast import runners
from dailycast.jobs import queue
from dailycast.models import DailyPodcast, Reason, Status
from dailycast.runners import thread
from tests.cloud import Cloud, Fault
from tests.runners.helpers import is_completed, row, wait_until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("quick_retries", "no_records")]


def test_a_request_does_not_wait_for_the_thread(writer: Cloud, alex: User, thread_runner: None) -> None:
    writer.latency = {"openai": 1.0}
    start = time.monotonic()
    podcast = runners.submit(alex, "en")
    assert time.monotonic() - start < 0.6
    assert (podcast.status, row().status == Status.COMPLETED) == ("pending", False)
    assert wait_until(is_completed)
    assert row().llm_provider == "openai"


def test_a_thread_begins_after_the_commit(alex: User, thread_runner: None) -> None:
    with transaction.atomic():
        runners.submit(alex, "en")
        assert not any(pool.load for pool in thread._pools.values())
    assert wait_until(is_completed)


def test_what_is_rolled_back_is_not_made(alex: User, thread_runner: None, writer: Cloud) -> None:
    with transaction.atomic():
        runners.submit(alex, "en")
        transaction.set_rollback(True)
    assert not any(pool.load for pool in thread._pools.values())
    assert (DailyPodcast.objects.count(), writer.calls) == (0, [])


def test_a_rescheduled_row_is_retried_when_it_is_due(writer: Cloud, alex: User, thread_runner: None) -> None:
    writer.fail("openai", Fault.UNAVAILABLE, times=2)
    runners.submit(alex, "en")
    assert wait_until(is_completed)
    assert (row().attempts, row().error_code) == (2, Reason.AUDIO_NOT_CONFIGURED)
    assert len(writer.calls) == 3


def test_what_fails_every_time_is_given_up(writer: Cloud, alex: User, thread_runner: None, settings: Any) -> None:
    settings.DAILYCAST_MAX_ATTEMPTS = 2
    writer.fail("openai", Fault.UNAVAILABLE, times=None)
    runners.submit(alex, "en")
    assert wait_until(lambda: row().status == Status.FAILED)
    assert (row().attempts, row().error_code, len(writer.calls)) == (2, Reason.NO_SCRIPT, 4)


def test_a_sweep_takes_up_the_row_of_a_process_that_is_gone(alex: User, thread_runner: None) -> None:
    queue.submit(alex, "en")
    DailyPodcast.objects.update(status=Status.RUNNING, lease_until=timezone.now() - timedelta(seconds=1), attempts=1)
    runners.sweep()
    assert wait_until(is_completed)
    assert row().attempts == 2


def test_the_next_request_adopts_a_stale_row(alex: User, thread_runner: None) -> None:
    stale = queue.submit(alex, "en")
    DailyPodcast.objects.update(updated_at=timezone.now() - timedelta(hours=1))
    runners.submit(alex, "en")
    assert wait_until(lambda: DailyPodcast.objects.filter(status=Status.COMPLETED).count() == 2)
    assert DailyPodcast.objects.get(pk=stale.pk).status == "completed"
