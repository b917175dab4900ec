"""A worker pool: a few daemon threads that run tasks, and close their database connections when idle."""

import logging
import queue
import threading
from collections.abc import Callable

from django.db import connections

from ..errors import CapturedError

logger = logging.getLogger("dailycast")

IDLE_SECONDS = 10.0  # after which a thread without a task ends


class WorkerPool:
    """At most `size` threads, each started when a task needs it. `load` is the number of tasks waiting or running."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.tasks: queue.SimpleQueue[Callable[[], object] | None] = queue.SimpleQueue()
        self.changed = threading.Condition()
        self.load = 0
        self.threads = 0

    def submit(self, task: Callable[[], object]) -> None:
        with self.changed:
            self.load += 1
            if self.threads < min(self.size, self.load):
                self.threads += 1
                threading.Thread(target=self._work, daemon=True, name="dailycast-job").start()
            self.tasks.put(task)

    def wait(self, load: int, timeout: float | None = None) -> bool:
        """Until no more than `load` tasks are waiting or running; False if `timeout` seconds are over before."""
        with self.changed:
            return self.changed.wait_for(lambda: self.load <= load, timeout)

    def close(self) -> None:
        """Its threads end when its tasks are done."""
        with self.changed:
            for _ in range(self.threads):
                self.tasks.put(None)
            self.threads = 0

    def _next_task(self) -> Callable[[], object] | None:
        """The next task; None when there was none for IDLE_SECONDS, or the pool is closed: the thread ends."""
        while True:
            try:
                return self.tasks.get(timeout=IDLE_SECONDS)
            except queue.Empty:
                with self.changed:
                    if self.tasks.empty():
                        self.threads -= 1
                        return None

    def _work(self) -> None:
        while task := self._next_task():
            captured = CapturedError()
            with captured:
                task()
            if captured.error:
                logger.error("Dailycast: a sweep will take this up again", exc_info=captured.error)
            if self.tasks.empty():
                connections.close_all()
            with self.changed:
                self.load -= 1
                self.changed.notify_all()
