"""The heartbeat: leases are renewed while their jobs are worked on, and not longer."""

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User

from dailycast.jobs import heartbeat, queue
from dailycast.models import DailyPodcast
from tests.jobs.rows import claimed, from_now


@pytest.fixture
def lease(settings: Any) -> Iterator[float]:
    settings.DAILYCAST_LEASE_SECONDS = 0.6
    yield 0.6
    thread = heartbeat.heartbeat.thread
    if thread:
        thread.join(5)


@pytest.mark.django_db(transaction=True)
def test_the_lease_is_renewed_while_the_job_is_worked_on(lease: float) -> None:
    job = claimed(User.objects.create_user("alex"))
    with heartbeat.keep_lease(job):
        time.sleep(3 * lease)
        assert queue.sweep() == 0
    time.sleep(1.2 * lease)
    assert queue.sweep() == 1


@pytest.mark.django_db(transaction=True)
def test_the_lease_is_not_renewed_past_the_deadline(lease: float) -> None:
    job = claimed(User.objects.create_user("alex"))
    job.deadline = time.monotonic()
    with heartbeat.keep_lease(job):
        time.sleep(2 * lease)
        assert queue.sweep() == 1


@pytest.mark.django_db(transaction=True)
def test_one_thread_renews_the_leases_of_all_jobs_and_ends_with_the_last(lease: float) -> None:
    alex = User.objects.create_user("alex")
    lost, held = claimed(alex), claimed(alex)
    with heartbeat.keep_lease(lost):
        DailyPodcast.objects.filter(pk=lost.row.pk).update(claim_token="another")
        with heartbeat.keep_lease(held):
            time.sleep(2 * lease)
            threads = [thread for thread in threading.enumerate() if thread.name == "dailycast-heartbeat"]
            assert len(threads) == 1
            assert DailyPodcast.objects.get(pk=held.row.pk).lease_until > from_now()
            assert DailyPodcast.objects.get(pk=lost.row.pk).lease_until < from_now()
    threads[0].join(5)
    assert not threads[0].is_alive()


@pytest.mark.django_db(transaction=True)
def test_a_thread_that_died_is_replaced_and_loses_no_job(lease: float) -> None:
    alex = User.objects.create_user("alex")
    first, second = claimed(alex), claimed(alex)
    with heartbeat.keep_lease(first):
        dead = threading.Thread(target=str)
        dead.start()
        dead.join()
        heartbeat.heartbeat.thread = dead
        with heartbeat.keep_lease(second):
            time.sleep(2 * lease)
            assert all(row.lease_until > from_now() for row in DailyPodcast.objects.all())
