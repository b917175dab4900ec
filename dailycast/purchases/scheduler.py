"""The scheduler: buys a script or several clips from one provider. A kill costs at most the in-flight calls.

The job's own thread writes the ledger and stores each answer the moment it arrives; other threads make the calls.
"""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Generic, TypeVar

from django.db import Error as AnyDatabaseError

from ..conf import conf
from ..errors import CapturedError, DailycastError, NeedsPersonError, ProviderError, ReleasedError
from ..jobs.job import Job
from ..jobs.stopping import stopping
from ..models import Outcome
from . import ledger, permits
from .attempts import Attempt, retry_delay
from .in_flight import INFINITY, InFlightCall, InFlightCalls
from .purchase import Purchase
from .slots import slots

A = TypeVar("A")
logger = logging.getLogger("dailycast")

NO_ANSWER = "no answer within {:.1f} s: check the network, or try again later."
POLL_SECONDS = 0.5  # until a job in the middle of a long call notices that its process is to end
SLOT_POLL_SECONDS = 0.1  # until a job looks again whether this process may make another call
MOST_CRASHES = 2  # of a worker during the same call; then a person decides


def buy(purchases: Sequence[Purchase[A]], parallel: int, job: Job) -> list[A]:
    """The answers to `purchases`, all of one provider and model, in their order; at most `parallel` calls at once.

    A transient failure is retried once; a throttled call, which costs nothing, up to MOST_THROTTLES times. After the
    first final failure no call starts; those in flight are awaited and stored, because they are paid for.

    Raises ProviderError, NeedsPersonError, OSError for an answer that cannot be stored, and what `job.check` raises.
    """
    for provider in {purchase.provider for purchase in purchases}:
        preparing = CapturedError()  # any other error is ignored: the calls report it better
        with preparing:
            provider.prepare()
        if isinstance(preparing.error, ProviderError | KeyboardInterrupt):
            raise preparing.error
    return PurchaseScheduler([Attempt(purchase) for purchase in purchases], parallel, job).run()


class PurchaseScheduler(Generic[A]):
    """The attempts that wait, the calls that are in flight, and the first error."""

    def __init__(self, attempts: list[Attempt[A]], parallel: int, job: Job) -> None:
        self.attempts, self.parallel, self.job = attempts, parallel, job
        self.waiting = list(attempts)
        self.in_flight: InFlightCalls[A] = InFlightCalls(job)
        self.error: BaseException | None = None
        self.crashes = ledger.count_crashes(job)

    def run(self) -> list[A]:
        try:
            while self.in_flight or (self.waiting and self.error is None):
                pause = self.start_due()
                if self.error is not None:
                    self.in_flight.cancel_unstarted()
                self.collect_results(pause)
        finally:  # Ctrl-C, too
            self.in_flight.give_up()
        if self.error is not None:
            raise self.error
        return [attempt.answers[0] for attempt in self.attempts]

    def start_due(self) -> float:
        """Start what may start now; the seconds until more may, infinity if that depends on the calls in flight."""
        if self.error is not None or not self.waiting or len(self.in_flight) >= self.parallel:
            return INFINITY
        try:
            self.job.check()
            permitted, pause = self.permit_due()
            for attempt, starts_at in self.open_entries(permitted):
                self.waiting.remove(attempt)
                self.in_flight.start(attempt, starts_at)
        except (DailycastError, OSError, AnyDatabaseError) as error:
            self.error = error
        return pause if self.error is None else INFINITY

    def permit_due(self) -> tuple[list[tuple[Attempt[A], float]], float]:
        """The attempts that have got a permit, each with its start time, and the seconds until others may."""
        now = time.monotonic()
        self.waiting.sort(key=lambda attempt: attempt.not_before)
        due = [each for each in self.waiting if each.not_before <= now][: self.parallel - len(self.in_flight)]
        if not due:
            return [], self.waiting[0].not_before - now
        due = due[: slots.acquire(len(due))]
        if not due:
            return [], SLOT_POLL_SECONDS
        for attempt in due:
            attempt.seconds = min(attempt.purchase.seconds, self.job.deadline - now)
        starts: list[float] = []
        try:
            starts, pause = permits.acquire(due)
        finally:
            slots.release(len(due) - len(starts))
        return list(zip(due, starts, strict=False)), pause

    def open_entries(self, permitted: list[tuple[Attempt[A], float]]) -> Iterator[tuple[Attempt[A], float]]:
        """Each of `permitted` when its ledger entry is written; if one cannot be, the permits left are released."""
        at_once = 1 if conf.DAILYCAST_DAILY_BUDGET_USD is not None else len(permitted)
        try:
            while permitted:
                some = permitted[:at_once]
                self.write_entries([attempt for attempt, _ in some])
                permitted = permitted[at_once:]
                yield from some
        except (DailycastError, AnyDatabaseError):
            slots.release(len(permitted))
            permits.release([attempt for attempt, _ in permitted])
            raise

    def write_entries(self, attempts: list[Attempt[A]]) -> None:
        purchases = [attempt.purchase for attempt in attempts]
        if any(self.crashes[purchase.item_key] >= MOST_CRASHES for purchase in purchases):
            raise NeedsPersonError(f"The worker died {MOST_CRASHES} times in the same call to {purchases[0].key}.")
        if purchases[0].provider.remote:
            for attempt, entry in zip(attempts, ledger.open_entries(purchases, self.job), strict=True):
                attempt.entry = entry

    def collect_results(self, pause: float) -> None:
        """Wait for an answer, `pause` seconds at most, and record all that have come."""
        seconds = min(self.in_flight.next_timeout(), pause)
        if seconds == INFINITY:
            return
        ended = self.in_flight.wait(min(seconds, POLL_SECONDS))
        for attempt, call in ended:
            self.keep_error(partial(self.record, attempt, call))
        self.keep_error(partial(permits.release, [attempt for attempt, _ in ended]))
        if not ended:
            for attempt, call in self.in_flight.pop_expired():
                self.keep_error(partial(self.abandon, attempt, call))

    def keep_error(self, step: Callable[[], None]) -> None:
        """Run `step` and keep its error until the end, so that the other answers are still recorded."""
        captured = CapturedError()
        with captured:
            step()
        self.error = self.error or captured.error

    def record(self, attempt: Attempt[A], call: InFlightCall[A]) -> None:
        if call.error is None:
            self.record_answer(attempt, call.answer)
        elif isinstance(call.error, ProviderError):
            self.record_failure(attempt, call.error)
        else:
            ledger.close_entry(attempt, Outcome.UNANSWERED, None, type(call.error).__name__)
            self.error = self.error or call.error  # a bug: the job boundary handles it

    def record_answer(self, attempt: Attempt[A], answer: A) -> None:
        """Store the answer first. Even if that fails, it is paid for, and so are the other answers."""
        purchase, storing, ledger_answer = attempt.purchase, CapturedError(), ""
        with storing:
            ledger_answer = purchase.store(answer) if purchase.provider.remote else ""
        ledger.close_entry(attempt, Outcome.OK, purchase.billed_units(answer), answer=ledger_answer)
        attempt.answers.append(answer)
        self.error = self.error or storing.error

    def record_failure(self, attempt: Attempt[A], error: ProviderError) -> None:
        ledger.close_entry(attempt, ledger.outcome_of(error), error.billed, str(error))
        delay = retry_delay(attempt, error)
        if delay is None or time.monotonic() + delay >= self.job.deadline:
            self.error = self.error or error
            return
        logger.info("Dailycast: %s; trying again in %.1f s", error, delay)
        attempt.not_before = time.monotonic() + delay
        self.waiting.append(attempt)

    def abandon(self, attempt: Attempt[A], call: InFlightCall[A]) -> None:
        """Give up a call that is out of time, or that this process cannot wait for any more."""
        if stopping.is_set() and self.job.can_reschedule:
            self.error = self.error or ReleasedError("This process is about to end.")
        self.record_failure(attempt, ProviderError(NO_ANSWER.format(attempt.seconds), permanent=False))
        permits.hold_until_ended(attempt, call)
