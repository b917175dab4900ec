"""A worker pool: how many threads it has, how it waits, and what it leaves open."""

import threading
import time
from functools import partial

import pytest
from django.db import OperationalError, connection

from dailycast.models import DailyPodcast
from dailycast.runners import pool as pool_module
from dailycast.runners.pool import WorkerPool

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_pool_runs_all_tasks_and_no_more_at_once_than_it_has_threads() -> None:
    pool, lock, running, peaks, done = WorkerPool(3), threading.Lock(), set[int](), list[int](), list[int]()

    def task(number: int) -> None:
        with lock:
            running.add(number)
            peaks.append(len(running))
        time.sleep(0.02)
        with lock:
            running.remove(number)
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


def test_a_task_that_fails_does_not_end_the_pool(logged: pytest.LogCaptureFixture) -> None:
    pool, done = WorkerPool(1), list[str]()

    def fail() -> None:
        raise OperationalError("the server has gone away")

    pool.submit(fail)
    pool.submit(lambda: done.append("next"))
    assert pool.wait(0, 5)
    assert done == ["next"]
    assert logged.messages == ["Dailycast: a sweep will take this up again"]


def test_an_idle_pool_has_no_open_connection() -> None:
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


def job_threads() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name == "dailycast-job"}


def test_a_thread_that_has_nothing_to_do_ends_and_another_one_takes_the_next_task(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pool_module, "IDLE_SECONDS", 0.05)
    others, pool, done = job_threads(), WorkerPool(3), list[int]()  # others: of an earlier test, which end, too
    for number in range(30):
        pool.submit(partial(done.append, number))
        time.sleep(0.05 if number % 7 == 0 else 0)
    assert pool.wait(0, 5)
    assert sorted(done) == list(range(30))
    ends = time.monotonic() + 5
    while (pool.threads or job_threads() - others) and time.monotonic() < ends:
        time.sleep(0.01)
    assert (pool.threads, job_threads() - others) == (0, set())
    pool.submit(partial(done.append, 30))
    assert pool.wait(0, 5)
    assert done[-1] == 30
