"""The only row, and waiting until something happens."""

import threading
import time
from collections.abc import Callable

from django.db import connection

from dailycast.jobs.job import stopping
from dailycast.models import DailyPodcast, Status


def row() -> DailyPodcast:
    return DailyPodcast.objects.get()


def is_completed() -> bool:
    return row().status == Status.COMPLETED


def wait_until(happens: Callable[[], bool], seconds: float = 10) -> bool:
    """Whether it `happens` within so many seconds."""
    ends = time.monotonic() + seconds
    while not happens() and time.monotonic() < ends:
        time.sleep(0.02)
    return happens()


def stop_when(happens: Callable[[], bool]) -> threading.Thread:
    """Ask the jobs of this process to stop as soon as it `happens`."""

    def watch() -> None:
        wait_until(happens)
        connection.close()
        stopping.set()

    thread = threading.Thread(target=watch)
    thread.start()
    return thread
