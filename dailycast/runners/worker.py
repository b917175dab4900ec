"""The runner `worker`: processes of their own, `manage.py dailycast_worker`, look for pending rows."""

import logging
from functools import partial

from django.db import Error as AnyDatabaseError
from django.db import connections

from .. import services
from ..jobs import queue
from ..jobs.job import stopping
from ..purchases.slots import slots
from .pool import WorkerPool

logger = logging.getLogger("dailycast")
POLL_SECONDS = 1.0  # between two looks of a worker that has nothing to do


def start(pk: int) -> None:
    """Nothing to do: a worker will find the row."""


def work(concurrency: int, poll_seconds: float = POLL_SECONDS) -> None:
    """Make what is pending until `stopping` is set; then what is begun is finished or released."""
    pool = WorkerPool(concurrency)
    slots.allow(concurrency)
    services.announce_missed()
    while not stopping.is_set():
        try:
            queue.sweep()
            for pk in queue.due(concurrency - pool.load):
                pool.submit(partial(services.run, pk, can_reschedule=True))
        except AnyDatabaseError as error:
            logger.warning("Dailycast: the database does not answer, trying again: %s", error)
            connections.close_all()
        pool.wait(concurrency - 1) if pool.load >= concurrency else stopping.wait(poll_seconds)
    pool.wait(0)
    pool.close()
