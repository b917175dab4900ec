"""The runner `worker`, and its command."""

import io
import os
import signal
import threading
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import connection
from django.utils import timezone

from dailycast import runners, services
from dailycast.jobs.job import stopping
from dailycast.models import DailyPodcast, Status
from dailycast.runners import worker
from tests.cloud import Cloud, Fault
from tests.runners.helpers import is_completed, row, stop_when, wait_until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("quick_retries", "no_records")]

SCRIPT = "# Many\n" + "\n\n".join(f"This is the sentence with the number {number}." for number in range(12))


def test_a_request_leaves_the_row_to_a_worker(alex: User, worker_runner: None, writer: Cloud) -> None:
    runners.submit(alex, "en")
    DailyPodcast.objects.update(updated_at=timezone.now() - timedelta(hours=1))
    runners.sweep()
    assert (row().status, writer.calls) == ("pending", [])


def test_a_worker_makes_pending_rows_and_those_of_dead_workers(alex: User, worker_runner: None) -> None:
    for _ in range(5):
        runners.submit(alex, "en")
    expired = DailyPodcast.objects.order_by("pk")[0].pk
    DailyPodcast.objects.filter(pk=expired).update(
        status=Status.RUNNING, lease_until=timezone.now() - timedelta(seconds=1)
    )
    watcher = stop_when(lambda: DailyPodcast.objects.filter(status=Status.COMPLETED).count() == 5)
    worker.work(2, poll_seconds=0.05)
    watcher.join()
    assert set(DailyPodcast.objects.values_list("status", flat=True)) == {"completed"}


def test_a_worker_retries_a_rescheduled_row(writer: Cloud, alex: User, worker_runner: None) -> None:
    writer.fail("openai", Fault.UNAVAILABLE, times=2)
    runners.submit(alex, "en")
    watcher = stop_when(is_completed)
    worker.work(1, poll_seconds=0.05)
    watcher.join()
    assert (row().status, row().attempts) == ("completed", 2)


def test_a_worker_that_has_to_end_releases_its_job_and_no_text_is_paid_for_twice(
    cloud: Cloud, alex: User, worker_runner: None
) -> None:
    cloud.script, cloud.latency = SCRIPT, {"polly": 0.3}
    runners.submit(alex, "en")
    watcher = stop_when(lambda: any(call.vendor == "polly" for call in cloud.calls))
    worker.work(1, poll_seconds=0.05)
    watcher.join()
    released = row()
    assert (released.status, released.attempts, released.claim_token) == ("pending", 0, "")
    assert released.script_text == SCRIPT
    bought = len([call for call in cloud.calls if call.vendor == "polly"])
    assert 1 <= bought < 12
    stopping.clear()
    services.run(released.pk)
    assert row().has_audio
    texts = [call.text for call in cloud.calls if call.vendor == "polly"]
    assert (len(texts), len(set(texts))) == (12, 12)
    assert [call.vendor for call in cloud.calls].count("openai") == 1


def test_the_workers_command_ends_on_a_signal(alex: User, worker_runner: None) -> None:
    runners.submit(alex, "en")

    def end() -> None:
        wait_until(is_completed)
        connection.close()
        os.kill(os.getpid(), signal.SIGTERM)

    watcher, out, err = threading.Thread(target=end), io.StringIO(), io.StringIO()
    watcher.start()
    call_command("dailycast_worker", "--concurrency", "2", stdout=out, stderr=err)
    watcher.join()
    assert out.getvalue().splitlines() == [
        "Making pending episodes, 2 at a time. Ctrl-C ends it.",
        "Stopped. What was begun is finished, or pending again.",
    ]
    assert (row().status, err.getvalue()) == ("completed", "")


def test_a_worker_beside_another_runner_says_so(settings: Any) -> None:
    err = io.StringIO()
    timer = threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGTERM))
    timer.start()
    call_command("dailycast_worker", stdout=io.StringIO(), stderr=err)
    assert err.getvalue() == "DAILYCAST_RUNNER is inline: that runner makes episodes, too.\n"
