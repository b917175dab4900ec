"""The only row, and waiting until something happens."""

import threading
import time
from collections.abc import Callable

from django.db import connection

from dailycast.jobs.job import LONG_AGO, Job, stopping
from dailycast.models import DailyPodcast, Status


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
        stopping.set()

    thread = threading.Thread(target=watch)
    thread.start()
    return thread
