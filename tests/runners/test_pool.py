"""Who makes an episode that a door asks for, and what becomes of it when its process has to end."""

import io
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.db import OperationalError, connection, transaction
from django.utils import timezone

from dailycast import runners, services
from dailycast.errors import InTransactionError
from dailycast.jobs import job as job_
from dailycast.jobs import queue as jobs
from dailycast.models import DailyPodcast, Reason, Source, Status
from dailycast.purchases import attempts
from dailycast.runners import celery, shutdown, thread, worker
from dailycast.runners.pool import WorkerPool
from tests.cloud import Cloud, Fault

pytestmark = pytest.mark.django_db(transaction=True)
SCRIPT = "# Many\n" + "\n\n".join(f"This is the sentence with the number {number}." for number in range(12))


@pytest.fixture(autouse=True)
def house(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The built-in writer and no voice, where a test says nothing else; at the end all threads have done their work."""
    settings.DAILYCAST_LEARNER_CONTEXT = ""
    monkeypatch.setattr(attempts, "RETRY_DELAY", 0.0)
    monkeypatch.setattr(job_, "FIRST_RETRY_DELAY", 0.2)
    yield
    job_.stopping.clear()
    for pool in thread._pools.values():
        assert pool.wait(0, 10)
    for each in threading.enumerate():
        if each.name == "dailycast-heartbeat" or isinstance(each, threading.Timer):
            each.join(10)


@pytest.fixture
def writer(cloud: Cloud, settings: Any) -> Cloud:
    """One writer in the cloud, and no voice."""
    settings.DAILYCAST_LLM_PROVIDERS = ["openai"]
    settings.AWS_ACCESS_KEY_ID = ""
    return cloud


def until(happens: Callable[[], bool], seconds: float = 10) -> bool:
    ends = time.monotonic() + seconds
    while not happens() and time.monotonic() < ends:
        time.sleep(0.02)
    return happens()


def row() -> DailyPodcast:
    return DailyPodcast.objects.get()


def is_made() -> bool:
    return row().status == Status.COMPLETED


def stop_when(happens: Callable[[], bool]) -> threading.Thread:
    """Tell this process's jobs to stop as soon as `happens`."""

    def watch() -> None:
        until(happens)
        connection.close()
        job_.stopping.set()

    thread = threading.Thread(target=watch)
    thread.start()
    return thread


# A pool


def test_a_pool_runs_all_tasks_and_no_more_at_once_than_it_has_threads() -> None:
    pool, lock, inside, peaks, done = WorkerPool(3), threading.Lock(), set[int](), list[int](), list[int]()

    def task(number: int) -> None:
        with lock:
            inside.add(number)
            peaks.append(len(inside))
        time.sleep(0.02)
        with lock:
            inside.remove(number)
            done.append(number)

    for number in range(12):
        pool.submit(partial(task, number))
    assert pool.wait(0, 5)
    assert (sorted(done), max(peaks), pool.threads, pool.load) == (list(range(12)), 3, 3, 0)


def test_a_pool_starts_no_thread_that_it_does_not_need() -> None:
    pool = WorkerPool(8)
    for _ in range(3):
        pool.submit(lambda: None)
        assert pool.wait(0, 5)
    assert pool.threads == 1


def test_waiting_for_a_pool_ends_when_its_time_is_up() -> None:
    pool, release = WorkerPool(1), threading.Event()
    pool.submit(release.wait)
    assert not pool.wait(0, 0.05)
    assert pool.wait(1, 0)
    release.set()
    assert pool.wait(0, 5)


def test_a_database_that_fails_ends_one_task_and_not_the_pool(logged: pytest.LogCaptureFixture) -> None:
    pool, done = WorkerPool(1), list[str]()

    def fail() -> None:
        raise OperationalError("the server has gone away")

    pool.submit(fail)
    pool.submit(lambda: done.append("next"))
    assert pool.wait(0, 5)
    assert done == ["next"]
    assert logged.messages == ["Dailycast: a sweep will take this up again"]


def test_a_pool_keeps_no_connection_open_when_it_is_idle() -> None:
    pool, used = WorkerPool(1), list[bool]()

    def use() -> None:
        DailyPodcast.objects.count()
        used.append(connection.connection is not None)

    pool.submit(use)
    assert pool.wait(0, 5)
    seen: list[bool] = []
    pool.submit(lambda: seen.append(connection.connection is None))
    assert pool.wait(0, 5)
    assert (used, seen) == ([True], [True])


# Here and now


def test_inline_makes_it_at_once(alex: User) -> None:
    podcast = runners.submit(alex, "en", source=Source.ADMIN)
    assert (podcast.pk, row().status, row().source) == (row().pk, "completed", "admin")


def test_inline_is_refused_inside_a_transaction_before_there_is_a_row(alex: User) -> None:
    with pytest.raises(InTransactionError), transaction.atomic():
        runners.submit(alex, "en")
    assert not DailyPodcast.objects.exists()


def test_an_unknown_runner_is_named(alex: User, settings: Any) -> None:
    settings.DAILYCAST_RUNNER = "walker"
    with pytest.raises(ImproperlyConfigured, match="DAILYCAST_RUNNER must be one of inline, thread, worker, celery"):
        runners.submit(alex, "en")


# In a thread


@pytest.fixture
def in_threads(settings: Any) -> None:
    settings.DAILYCAST_RUNNER = "thread"


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
    jobs.submit(alex, "en")
    DailyPodcast.objects.update(status=Status.RUNNING, lease_until=timezone.now() - timedelta(seconds=1), attempts=1)
    runners.sweep()
    assert until(is_made)
    assert row().attempts == 2


def test_the_next_request_takes_up_what_was_forgotten(alex: User, in_threads: None) -> None:
    forgotten = jobs.submit(alex, "en")
    DailyPodcast.objects.update(updated_at=timezone.now() - timedelta(hours=1))
    runners.submit(alex, "en")
    assert until(lambda: DailyPodcast.objects.filter(status=Status.COMPLETED).count() == 2)
    assert DailyPodcast.objects.get(pk=forgotten.pk).status == "completed"


# Again


def test_a_person_may_have_it_tried_again(writer: Cloud, alex: User) -> None:
    writer.fail("openai", Fault.BAD_KEY)
    runners.submit(alex, "en")
    assert row().status == "failed"
    assert runners.retry(row()) is True
    assert (row().status, row().error_code) == ("completed", Reason.AUDIO_NOT_CONFIGURED)


def test_what_is_being_made_is_not_begun_again(alex: User) -> None:
    job = jobs.claim(jobs.submit(alex, "en").pk)
    assert job is not None
    assert runners.retry(row()) is False
    assert (row().status, row().claim_token) == ("running", job.token)


# A worker


@pytest.fixture
def by_worker(settings: Any) -> None:
    settings.DAILYCAST_RUNNER = "worker"


def test_for_a_worker_the_row_is_left_where_it_is(alex: User, by_worker: None, writer: Cloud) -> None:
    runners.submit(alex, "en")
    DailyPodcast.objects.update(updated_at=timezone.now() - timedelta(hours=1))
    runners.sweep()
    assert (row().status, writer.calls) == ("pending", [])


def test_a_worker_makes_what_is_pending_and_what_others_left(alex: User, by_worker: None) -> None:
    for _ in range(5):
        runners.submit(alex, "en")
    left = DailyPodcast.objects.order_by("pk")[0].pk
    DailyPodcast.objects.filter(pk=left).update(
        status=Status.RUNNING, lease_until=timezone.now() - timedelta(seconds=1)
    )
    watcher = stop_when(lambda: DailyPodcast.objects.filter(status=Status.COMPLETED).count() == 5)
    worker.work(2, poll_seconds=0.05)
    watcher.join()
    assert set(DailyPodcast.objects.values_list("status", flat=True)) == {"completed"}


def test_a_worker_tries_again_what_was_put_back(writer: Cloud, alex: User, by_worker: None) -> None:
    writer.fail("openai", Fault.UNAVAILABLE, times=2)
    runners.submit(alex, "en")
    watcher = stop_when(is_made)
    worker.work(1, poll_seconds=0.05)
    watcher.join()
    assert (row().status, row().attempts) == ("completed", 2)


def test_a_worker_that_has_to_end_gives_its_job_back_and_no_text_is_paid_for_twice(
    cloud: Cloud, alex: User, by_worker: None
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
    job_.stopping.clear()
    services.run(released.pk)
    assert row().has_audio
    texts = [call.text for call in cloud.calls if call.vendor == "polly"]
    assert (len(texts), len(set(texts))) == (12, 12)
    assert [call.vendor for call in cloud.calls].count("openai") == 1


def test_a_signal_asks_the_jobs_to_stop_and_the_next_one_ends_the_process() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with shutdown.stop_on_signals():
        assert not job_.stopping.is_set()
        os.kill(os.getpid(), signal.SIGTERM)
        assert job_.stopping.wait(5)
        assert signal.getsignal(signal.SIGTERM) == before
    assert signal.getsignal(signal.SIGTERM) == before
    assert not job_.stopping.is_set()


def test_the_workers_command_ends_on_a_signal(alex: User, by_worker: None) -> None:
    runners.submit(alex, "en")

    def end() -> None:
        until(is_made)
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


# Through Celery


def test_a_broker_that_is_down_keeps_no_page_waiting(
    alex: User, settings: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    celery = pytest.importorskip("celery")
    settings.DAILYCAST_RUNNER = "celery"
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    app = celery.Celery("school", broker=f"amqp://127.0.0.1:{port}//", set_as_current=False)
    task = app.task(services.run, name="dailycast.run")
    monkeypatch.setattr(celery, "import_string", {"dailycast.tasks.run": task}.__getitem__)
    naps: list[float] = []

    def nap(seconds: float) -> None:
        naps.append(seconds)
        raise TimeoutError

    monkeypatch.setattr("kombu.utils.functional.sleep", nap)
    podcast = runners.submit(alex, "en")
    assert (podcast.pk, row().status, naps) == (row().pk, "pending", [])
    assert any(record.exc_info and "refused" in str(record.exc_info[1]) for record in caplog.records)


def test_a_task_carries_the_key_and_is_sent_once(alex: User, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[tuple[tuple[int, ...], dict[str, object]]] = []

    class App:
        """As much of Celery's as a sender needs."""

        conf = SimpleNamespace(broker_transport_options={"region": "eu"})

        @contextmanager
        def connection_for_write(self, transport_options: dict[str, object]) -> Iterator[dict[str, object]]:
            yield transport_options

    class Task:
        app = App()

        def apply_async(self, args: tuple[int, ...], **options: object) -> None:
            sent.append((args, options))

    settings.DAILYCAST_RUNNER = "celery"
    monkeypatch.setattr(celery, "import_string", {"dailycast.tasks.run": Task()}.__getitem__)
    podcast = runners.submit(alex, "en")
    assert sent == [((podcast.pk,), {"retry": False, "connection": {"region": "eu", "max_retries": 0}})]
