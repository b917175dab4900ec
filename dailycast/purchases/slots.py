"""Slots: how many calls this process makes at once. Each call has a thread, so this bounds the threads, too."""

import os
import threading

CALLS_PER_JOB = 8  # at once, where enough slots are free
WEB_PROCESS_CALLS = 24  # with the runner's 4 jobs, heartbeat and delayed starts: 30 threads


class CallSlots:
    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.reset()

    def reset(self) -> None:
        self.lock = threading.Lock()
        self.used = 0

    def allow(self, jobs: int) -> None:
        """Let this process make so many jobs at once without waiting for slots: it is not a web server's."""
        self.limit = max(self.limit, jobs * CALLS_PER_JOB)

    def acquire(self, wanted: int) -> int:
        """As many of the `wanted` slots as are free."""
        with self.lock:
            acquired = min(wanted, max(self.limit - self.used, 0))
            self.used += acquired
            return acquired

    def release(self, number: int = 1) -> None:
        with self.lock:
            self.used -= number


slots = CallSlots(WEB_PROCESS_CALLS)
os.register_at_fork(after_in_child=slots.reset)  # a fork has none of the threads
