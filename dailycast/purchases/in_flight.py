"""Calls in flight: each in a daemon thread of its own, which makes the HTTP call and nothing else."""

import queue
import threading
import time
from collections.abc import Callable
from contextvars import copy_context
from functools import partial
from typing import Generic, TypeVar

from ..errors import CapturedError, ProviderError, ThrottledError
from ..gateway.connection import Connection
from ..jobs.job import Job
from ..jobs.stopping import stopping
from . import rate_limits
from .attempts import Attempt
from .slots import slots

A = TypeVar("A")
T = TypeVar("T")

INFINITY = float("inf")
MAX_START_DELAY = 0.2  # seconds that a call may start late, else it needs a new permit; doubled with each throttle


class InFlightCall(CapturedError, Generic[T]):  # noqa: N818  # no exception itself
    """A call made in another thread, at `starts_at` (monotonic seconds) and not before.

    When it has ended it has an `answer` or an `error`.
    """

    answer: T
    has_ended = False

    def __init__(
        self,
        call: Callable[[], T],
        starts_at: float = 0.0,
        ends_at: float = INFINITY,
        on_end: Callable[[], object] = lambda: None,
    ) -> None:
        self.call, self.starts_at, self.ends_at, self.on_end = call, starts_at, ends_at, on_end
        self.cancelled = threading.Event()
        self.connection = Connection()

    def run(self, ended: "queue.SimpleQueue[InFlightCall[T]]") -> None:
        with self, self.connection:
            if self.cancelled.wait(self.starts_at - time.monotonic()):
                raise ProviderError("It was not called: another call failed before.", permanent=True, billed=())
            self.answer = self.call()
        self.has_ended = True
        self.on_end()
        ended.put(self)

    def give_up(self) -> None:
        """End its connection, so that its thread ends, too; a call that still waits for its start time is not made."""
        self.cancelled.set()
        self.connection.close()


class InFlightCalls(Generic[A]):
    """The calls of one job that are under way, and the attempt of each."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.attempts: dict[InFlightCall[A], Attempt[A]] = {}
        self.ended: queue.SimpleQueue[InFlightCall[A]] = queue.SimpleQueue()

    def __len__(self) -> int:
        return len(self.attempts)

    def start(self, attempt: Attempt[A], starts_at: float) -> None:
        """Call the vendor at `starts_at`, in a new thread, whose end releases the slot that the caller has acquired."""
        ends_at = max(starts_at, time.monotonic()) + attempt.seconds
        call = InFlightCall(lambda: self._call(attempt, starts_at), starts_at, ends_at, slots.release)
        self.attempts[call] = attempt
        try:
            run = partial(copy_context().run, call.run, self.ended)  # its log lines have the episode's number, too
            threading.Thread(target=run, daemon=True, name="dailycast-call").start()
        except RuntimeError:  # this system has no thread left
            call.error = ProviderError("the server has no thread left for a call", permanent=False, billed=())
            slots.release()
            self.ended.put(call)

    def cancel_unstarted(self) -> None:
        """Cancel the calls that still wait for their start time."""
        for call in self.attempts:
            call.cancelled.set()

    def give_up(self) -> None:
        """Give up all that have not ended, because nobody waits for them any more."""
        for call in self.attempts:
            call.give_up()

    def next_timeout(self) -> float:
        """The seconds until the first of them is out of time; infinity when there is none."""
        return min((self._ends_at(call) for call in self.attempts), default=INFINITY) - time.monotonic()

    def wait(self, seconds: float) -> list[tuple[Attempt[A], InFlightCall[A]]]:
        """All that have ended, after at most `seconds` of waiting for the first of them."""
        try:
            ended = [self.ended.get(timeout=max(seconds, 0))]
        except queue.Empty:
            return []
        while not self.ended.empty():
            ended.append(self.ended.get())
        return [(self.attempts.pop(call), call) for call in ended if call in self.attempts]  # else it was given up

    def pop_expired(self) -> list[tuple[Attempt[A], InFlightCall[A]]]:
        """Those that are out of time. They are given up."""
        now = time.monotonic()
        expired = [call for call in self.attempts if self._ends_at(call) <= now]
        for call in expired:
            call.give_up()
        return [(self.attempts.pop(call), call) for call in expired]

    def _ends_at(self, call: InFlightCall[A]) -> float:
        """A job that can be put back waits no longer than its process may live."""
        return min(call.ends_at, stopping.deadline) if self.job.can_reschedule else call.ends_at

    def _call(self, attempt: Attempt[A], starts_at: float) -> A:
        """Runs in the call's thread. A missed start or an expired lease raises ThrottledError: it is tried again."""
        now = time.monotonic()
        if rate_limits.limit(attempt.purchase.key) and now - starts_at > MAX_START_DELAY * 2**attempt.throttles:
            raise ThrottledError("It was not called: it missed its start time.", 0.0)
        if not self.job.may_call():
            raise ThrottledError("It was not called: the job's lease has to be renewed first.", 0.0)
        if now >= self.job.deadline:
            raise ProviderError("It was not called: the job's time is up.", permanent=True, billed=())
        return attempt.purchase.call(min(attempt.seconds, self.job.deadline - now))
