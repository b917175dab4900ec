"""The runner `thread`."""

import json
import subprocess
import sys
import threading
import time
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.utils import timezone

from dailycast import runners, services
from dailycast.jobs import queue
from dailycast.jobs.stopping import stopping
from dailycast.models import DailyPodcast, Outcome, ProviderCall, Reason, Status
from dailycast.purchases.slots import WEB_PROCESS_CALLS, slots
from dailycast.runners import pool, thread
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
        assert thread.pool().load == 0
    assert wait_until(is_completed)


def test_what_is_rolled_back_is_not_made(alex: User, thread_runner: None, writer: Cloud) -> None:
    with transaction.atomic():
        runners.submit(alex, "en")
        transaction.set_rollback(True)
    assert thread.pool().load == 0
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


def test_one_thread_waits_for_all_rescheduled_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    started, delayed = list[int](), thread.DelayedStarts()
    monkeypatch.setattr(thread, "start", started.append)
    others = set(threading.enumerate())
    for pk in range(50):
        delayed.add(pk, 1.0 if pk else 2.0)
    assert own_threads(others) == ["dailycast-delayed"]
    assert wait_until(lambda: len(started) == 50)
    assert (sorted(started), started[-1]) == (list(range(50)), 0)
    assert wait_until(lambda: not own_threads(others))
    delayed.add(51, 0)
    assert wait_until(lambda: started[-1] == 51)


def own_threads(others: set[threading.Thread]) -> list[str]:
    """The names of our threads, without `others`: an earlier test's idle workers may still be there."""
    return [each.name for each in threading.enumerate() if each.name.startswith("dailycast") and each not in others]


@pytest.mark.parametrize("fault", [None, Fault.HANG, Fault.UNAVAILABLE])
def test_a_web_process_has_at_most_forty_threads_of_ours_and_none_when_it_is_idle(
    cloud: Cloud, thread_runner: None, settings: Any, monkeypatch: pytest.MonkeyPatch, fault: Fault | None
) -> None:
    others = set(threading.enumerate())
    monkeypatch.setattr(pool, "IDLE_SECONDS", 0.5)
    monkeypatch.setattr(slots, "limit", WEB_PROCESS_CALLS)  # which a test of a worker process may have raised
    settings.DAILYCAST_RATE_LIMITS, settings.DAILYCAST_SPEECH_TIMEOUT = {"polly/neural": "0"}, 1.0
    cloud.script = lambda prompt: "# Many\n" + "\n\n".join(f"Sentence {n} of {uuid4().hex}." for n in range(9))
    cloud.latency = {"polly": 0.3}
    if fault:
        cloud.fail("polly", fault, times=None)
    for number in range(6):
        runners.submit(User.objects.create_user(f"learner{number}"), "en")
    peaks = [0]

    def is_idle() -> bool:
        peaks.append(len(own_threads(others)))
        if fault and DailyPodcast.objects.filter(status=Status.PENDING, next_attempt_at=None).exists() is False:
            cloud.clear_faults()
        return not own_threads(others)

    assert wait_until(is_idle, 60)
    assert DailyPodcast.objects.filter(status=Status.COMPLETED).count() == 6
    assert cloud.peak("polly") <= WEB_PROCESS_CALLS
    # With jobs, heartbeat and delayed starts 30; a call's thread may be seen once more after its slot is free.
    assert 20 < max(peaks) <= 40


# The orderly stop of a process

WEB_PROCESS = """
import json, sys, time
from tests import settings
name, values, calls, seconds = json.loads(sys.argv[1])
settings.DATABASES["default"]["NAME"] = name
vars(settings).update(values, DAILYCAST_RUNNER="thread")
import django; django.setup()
from django.contrib.auth.models import User
from django.db import connections
from dailycast import runners, services
from dailycast.models import ProviderCall
from dailycast.purchases.slots import WEB_PROCESS_CALLS, slots
from dailycast.runners import pool, thread
thread.STOP_SECONDS = seconds
runners.submit(User.objects.get(), "en", request_key="k")
runners.sweep()
while ProviderCall.objects.filter(kind="speech").count() < calls:
    time.sleep(0.02)
time.sleep(0.2)
connections.close_all()
sys.exit(3)
"""


def run_web_process(cloud: Cloud, media: Path, calls: int, seconds: float) -> float:
    """A web process makes an episode and is asked to stop after so many calls for speech; how long it took to stop."""
    values = {**cloud.environment, "MEDIA_ROOT": str(media), "DAILYCAST_LEARNER_CONTEXT": ""}
    settings = json.dumps([connection.settings_dict["NAME"], values, calls, seconds])
    done = subprocess.Popen([sys.executable, "-c", WEB_PROCESS, settings], cwd=Path(__file__).parents[2])
    while ProviderCall.objects.filter(kind="speech").count() < calls:
        assert done.poll() is None
        time.sleep(0.02)
    start = time.monotonic()
    assert done.wait(30) == 3
    return time.monotonic() - start


def spoken(cloud: Cloud) -> list[str]:
    return [call.text for call in cloud.calls if call.vendor == "polly"]


def test_a_process_that_ends_stores_what_is_in_flight_and_puts_its_job_back(
    cloud: Cloud, alex: User, media: Path
) -> None:
    cloud.latency = {"polly": 1.0}
    run_web_process(cloud, media, 8, seconds=5)
    assert (row().status, row().attempts, row().claim_token, row().error_code) == ("pending", 0, "", "")
    assert set(ProviderCall.objects.values_list("outcome", flat=True)) <= {Outcome.OK, Outcome.REFUSED}
    cloud.latency = {}
    assert services.run(row().pk)
    assert row().has_audio
    assert len(spoken(cloud)) == len(set(spoken(cloud)))
    assert sum(call.vendor == "openai" for call in cloud.calls) == 1


def test_a_process_that_ends_waits_a_few_seconds_for_a_slow_vendor_and_counts_no_crash(
    cloud: Cloud, alex: User, media: Path
) -> None:
    cloud.latency = {"polly": 20.0}
    assert run_web_process(cloud, media, 8, seconds=0.5) < 10
    assert (row().status, row().attempts, row().claim_token) == ("pending", 0, "")
    outcomes = set(ProviderCall.objects.filter(kind="speech").values_list("outcome", flat=True))
    assert Outcome.UNANSWERED in outcomes <= {Outcome.UNANSWERED, Outcome.REFUSED}


def test_what_a_process_cannot_start_any_more_is_for_the_next_visitor(alex: User, thread_runner: None) -> None:
    podcast = queue.submit(alex, "en")
    stopping.set()
    thread.start(podcast.pk)
    assert thread.pool().wait(0, 10)
    assert (row().status, row().attempts) == ("pending", 0)
    assert queue.adopt_stale(1) == [podcast.pk]
