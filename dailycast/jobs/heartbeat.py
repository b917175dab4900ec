"""The heartbeat: one thread of a process renews the leases of all its jobs, while there are any."""

import logging
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import Error as AnyDatabaseError

from ..conf import conf
from ..errors import ClaimLostError
from .database import episode_connection
from .job import Job

logger = logging.getLogger("dailycast")


@contextmanager
def keep_lease(job: Job) -> Iterator[None]:
    """Keep the lease of `job` renewed while it is worked on, but not past its deadline."""
    heartbeat.add(job)
    try:
        yield
    finally:
        heartbeat.remove(job)


class LeaseHeartbeat:
    """Renews every lease of this process three times in its term."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.jobs: list[Job] = []
        self.pid = 0
        self.thread: threading.Thread | None = None

    def add(self, job: Job) -> None:
        with self.changed:
            if self.pid != os.getpid():  # a fork has neither the thread nor the jobs of its parent
                self.jobs, self.pid, self.thread = [], os.getpid(), None
            self.jobs.append(job)
            if self.thread is None or not self.thread.is_alive():
                self.thread = threading.Thread(target=self.run, daemon=True, name="dailycast-heartbeat")
                self.thread.start()

    def remove(self, job: Job) -> None:
        with self.changed:
            self.jobs.remove(job)
            self.changed.notify()

    def run(self) -> None:
        while self.wait():
            for job in [job for job in self.jobs if time.monotonic() < job.deadline]:
                try:
                    job.renew()
                except ClaimLostError:
                    pass  # the job itself finds out before it pays or writes
                except AnyDatabaseError as error:
                    logger.warning("Dailycast: the lease of episode %s was not renewed: %s", job.row.pk, error)
            episode_connection().close()

    def wait(self) -> bool:
        """Wait for a third of the lease, or until no job is left; False then: the thread ends at once."""
        with self.changed:
            self.changed.wait_for(lambda: not self.jobs, conf.DAILYCAST_LEASE_SECONDS / 3)
            if not self.jobs:
                self.thread = None
            return bool(self.jobs)


heartbeat = LeaseHeartbeat()
