"""Rows and jobs for tests, and the same call from several threads at once."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

from django.contrib.auth.models import User
from django.db import connection
from django.utils import timezone

from dailycast.jobs import database, queue
from dailycast.jobs.job import Job
from dailycast.models import DailyPodcast


def from_now(seconds: float = 0) -> Any:
    return timezone.now() + timedelta(seconds=seconds)


def claimed(user: User, **flags: Any) -> Job:
    """The job of a new row of `user`."""
    job = queue.claim(queue.submit(user, "en").pk, **flags)
    assert job is not None
    return job


def changed_row(**values: Any) -> DailyPodcast:
    """The only row, changed without any worker noticing."""
    DailyPodcast.objects.update(**values)
    return DailyPodcast.objects.get()


def in_threads(call: Callable[[int], Any], number: int = 8, retry: bool = True) -> list[Any]:
    """`call` from so many threads at once, each on a connection of its own; with `retry` through `retry_database`."""
    barrier = threading.Barrier(number)

    def call_once(place: int) -> Any:
        barrier.wait(5)
        try:
            return database.retry_database(lambda: call(place)) if retry else call(place)
        finally:
            connection.close()

    with ThreadPoolExecutor(number) as pool:
        return list(pool.map(call_once, range(number)))
