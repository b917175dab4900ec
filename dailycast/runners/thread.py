"""The runner `thread`: a worker pool in the web server's own process makes the episode."""

import os
import threading
from functools import partial

from django.utils import timezone

from .. import services
from ..models import DailyPodcast, Status
from .pool import WorkerPool

THREADS = 4  # in each process
LONGEST_TIMER = 3600.0  # seconds; a row that is put back for longer is left to a sweep

_pools: dict[int, WorkerPool] = {}

ADOPTS_STALE = True  # a sweep starts stale rows again


def pool() -> WorkerPool:
    """This process's own: a fork has no threads of its parent's."""
    return _pools.setdefault(os.getpid(), WorkerPool(THREADS))


def start(pk: int) -> None:
    pool().submit(partial(_run, pk))


def _run(pk: int) -> None:
    services.run(pk, can_reschedule=True)
    row = DailyPodcast.objects.filter(pk=pk, status=Status.PENDING).only("next_attempt_at").first()
    if row and row.next_attempt_at:  # put back
        wait = (row.next_attempt_at - timezone.now()).total_seconds()
        if wait <= LONGEST_TIMER:
            timer = threading.Timer(max(wait, 0), start, (pk,))
            timer.daemon = True
            timer.start()
