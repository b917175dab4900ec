"""The runner `thread`: a worker pool in the web server's own process makes the episode.

When the process ends in good order (a reload, a restart, `--max-requests`), its jobs finish what is in flight within
STOP_SECONDS or are put back, so that another process goes on with them.
"""

import atexit
import heapq
import os
import threading
import time
from functools import partial

from django.utils import timezone

from .. import services
from ..jobs import queue
from ..jobs.logs import AboutEpisode
from ..jobs.stopping import stopping
from ..models import DailyPodcast, Status
from .pool import WorkerPool
from .shutdown import call_before_sigterm

THREADS = 4  # in each process
LONGEST_DELAY = 3600.0  # seconds; a row that is put back for longer is left to a sweep
STOP_SECONDS = 5.0  # for calls in flight; a web server waits longer for its own requests
RELEASE_SECONDS = 2.0  # for the writes that put the jobs back


class DelayedStarts:
    """One thread, while there are rows that wait, that starts each of them when it is due."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.waiting: list[tuple[float, int]] = []  # (monotonic seconds, row), a heap
        self.thread: threading.Thread | None = None

    def add(self, pk: int, delay: float) -> None:
        with self.changed:
            heapq.heappush(self.waiting, (time.monotonic() + delay, pk))
            if self.thread is None:
                self.thread = threading.Thread(target=self.run, daemon=True, name="dailycast-delayed")
                self.thread.start()
            self.changed.notify()

    def run(self) -> None:
        while (pk := self.next_due()) is not None:
            start(pk)

    def next_due(self) -> int | None:
        """Wait for the next row that is due; None when none waits any more, and the thread may end."""
        with self.changed:
            while self.waiting:
                due, pk = self.waiting[0]
                if due <= time.monotonic():
                    heapq.heappop(self.waiting)
                    return pk
                self.changed.wait(due - time.monotonic())
            self.thread = None
            return None


class ProcessState:
    """What one process has: a fork has no threads of its parent's."""

    def __init__(self) -> None:
        self.pool = WorkerPool(THREADS)
        self.delayed = DelayedStarts()


_states: dict[int, ProcessState] = {}
_states_lock = threading.Lock()


def state() -> ProcessState:
    with _states_lock:
        is_new = os.getpid() not in _states
        found = _states.setdefault(os.getpid(), ProcessState())
    if is_new:
        atexit.register(stop)
        call_before_sigterm(stop)
    return found


def pool() -> WorkerPool:
    return state().pool


def start(pk: int) -> None:
    pool().submit(partial(_run, pk))


def stop() -> None:
    """Finish or put back the jobs of this process; called when it ends."""
    running = _states.get(os.getpid())
    if running:
        stopping.set(STOP_SECONDS)
        running.pool.wait(0, STOP_SECONDS + RELEASE_SECONDS)


def _run(pk: int) -> None:
    with AboutEpisode(pk):
        if stopping.is_set():
            return queue.hand_back(pk)
        services.run(pk, can_reschedule=True)
        return _delay(pk)


def _delay(pk: int) -> None:
    """Start the row again when it is due, if it was put back."""
    row = DailyPodcast.objects.filter(pk=pk, status=Status.PENDING).only("next_attempt_at").first()
    if row and row.next_attempt_at and not stopping.is_set():
        delay = (row.next_attempt_at - timezone.now()).total_seconds()
        if delay <= LONGEST_DELAY:
            state().delayed.add(pk, max(delay, 0))
