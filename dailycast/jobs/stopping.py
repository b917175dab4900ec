"""Stopping: this process is to end, so its jobs are released at their next step, for another process to go on with."""

import threading
import time

INFINITY = float("inf")


class Stopping:
    """Set when the process is to end. Calls in flight are waited for until `deadline` (monotonic seconds)."""

    def __init__(self) -> None:
        self.event = threading.Event()
        self.deadline = INFINITY

    def set(self, grace: float = INFINITY) -> None:
        """Stop, and wait for calls in flight for `grace` seconds at most."""
        self.deadline = time.monotonic() + grace
        self.event.set()

    def clear(self) -> None:
        self.event.clear()
        self.deadline = INFINITY

    def is_set(self) -> bool:
        return self.event.is_set()

    def wait(self, seconds: float) -> bool:
        return self.event.wait(seconds)


stopping = Stopping()
