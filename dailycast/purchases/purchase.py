"""Buying: every call to a vendor goes through here, with its ledger row, budget, limit, clock and tries.

Pool threads make the HTTP calls and nothing else. The job's own thread writes the ledger, and stores each answer the
moment it arrives, so that a kill costs at most what was in flight.
"""

import json
import logging
import queue
import secrets
import threading
import time
from collections import Counter as Tally
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from random import random
from typing import Any, Generic, TypeVar

from django.db import Error as AnyDatabaseError
from django.db import IntegrityError, connections, router
from django.utils import timezone

from ..conf import conf
from ..errors import (
    ClaimLostError,
    DailycastError,
    NeedsPersonError,
    ProviderError,
    ThrottledError,
    Units,
    VendorWideError,
)
from ..gateway.vendor import BaseProvider, Caught, Flight
from ..jobs.queue import Job, patiently
from ..models import Kind, Outcome, ProviderCall
from . import money
from . import rate_limits as limits

T = TypeVar("T")
logger = logging.getLogger("dailycast")

INFINITY = float("inf")
PAUSE_BEFORE_RETRY = 0.5  # seconds, where the vendor names none
MOST_THROTTLES = 10  # of one call
FIRST_BACKOFF = 0.2  # seconds after the first of them, doubled with each, where the vendor names none
LONGEST_RETRY_AFTER = 5.0  # seconds; a vendor that asks for more is passed over, or asked in a later attempt
SILENT = "no answer within {:.1f} s: check the network, or try again later."
LATE = 0.2  # seconds after its moment in which a call may still go; doubled with each that was missed
MOST_CRASHES = 2  # of a worker during the same call; then a person decides


@dataclass(frozen=True)
class Order(Generic[T]):
    """One thing to buy. `most` are the units that it may cost; `keep` stores the answer, and says what of it the
    ledger keeps."""

    provider: BaseProvider
    kind: Kind
    model: str  # or engine: the price and the limit stand under provider/model
    unit: str  # what the ledger knows it by
    most: Units
    seconds: float  # of wall clock
    call: Callable[[float], T]
    billed: Callable[[T], Units]
    keep: Callable[[T], str | None]

    @property
    def key(self) -> str:
        return f"{self.provider.name}/{self.model}"

    def cost(self, units: Units) -> Decimal | None:
        return money.cost(self.key, *units, unbilled=self.provider.unbilled()) if units else Decimal(0)


def new_ticket() -> str:
    return secrets.token_hex(4)


@dataclass(eq=False)
class Try(Generic[T]):
    """An order on its way: when it may go, and how often it went."""

    order: Order[T]
    not_before: float = 0.0  # monotonic seconds
    failures: int = 0
    throttles: int = 0
    limit: float = 0.0  # seconds of this try
    begins: float = 0.0  # monotonic seconds, as the next
    ends: float = 0.0
    ledger: ProviderCall | None = None
    ticket: str = field(default_factory=new_ticket)  # of its place among the vendor's calls
    answer: list[T] = field(default_factory=list)


def buy(orders: Sequence[Order[T]], parallel: int, job: Job) -> list[T]:
    """The answers to `orders`, all of one provider and model, in their order; at most `parallel` at once.

    A transient fault is tried once more, a throttled call oftener: it bought nothing. The first failure stops what has
    not begun; what is in flight is waited for and kept, for it is paid for. Raises ProviderError, NeedsPersonError,
    OSError for an answer that cannot be stored, and what `job.check` raises.
    """
    for provider in {order.provider for order in orders}:
        preparing = Caught()  # what is wrong with its settings, its calls say better
        with preparing:
            provider.prepare()
        if isinstance(preparing.error, ProviderError | KeyboardInterrupt):
            raise preparing.error
    return Counter([Try(order) for order in orders], parallel, job).serve()


def kept(job: Job, kind: Kind) -> list[Any]:
    """What the ledger still holds of answers to this job's orders: bought, stored, and not yet on the row."""
    if job.podcast is None:
        return []
    rows = job.podcast.calls.filter(kind=kind, outcome=Outcome.OK).exclude(answer="").order_by("pk")
    return [json.loads(answer) for answer in patiently(lambda: list(rows.values_list("answer", flat=True)))]


def forget(job: Job) -> None:
    """The answers are on the row now, or of no use."""
    patiently(lambda: job.row.calls.exclude(answer="").update(answer=""))


def useless(job: Job, why: str) -> None:
    """The last answer was billed, and nothing can be made of it."""
    if job.podcast is not None:
        last = job.podcast.calls.filter(outcome=Outcome.OK).exclude(answer="").order_by("-pk")[:1]
        spoilt = {"outcome": Outcome.FAILED, "answer": "", "message": why}
        patiently(lambda: ProviderCall.objects.filter(pk__in=list(last.values_list("pk", flat=True))).update(**spoilt))


class Counter(Generic[T]):
    """One purchase of several things: who waits, who is under way."""

    def __init__(self, tries: list[Try[T]], parallel: int, job: Job) -> None:
        self.tries, self.parallel, self.job = tries, parallel, job
        self.waiting = list(tries)
        self.flying: dict[Flight[T], Try[T]] = {}
        self.done: queue.SimpleQueue[Flight[T]] = queue.SimpleQueue()
        self.error: BaseException | None = None
        self.crashes = crashes(job)

    def serve(self) -> list[T]:
        try:
            while self.flying or (self.waiting and self.error is None):
                pause = self.start()
                if self.error is not None:
                    self.recall()
                self.land(pause)
        finally:  # Ctrl-C, too
            self.recall()
        if self.error is not None:
            raise self.error
        return [each.answer[0] for each in self.tries]

    def recall(self) -> None:
        """What waits for its moment is not called any more."""
        for flight in self.flying:
            flight.recalled.set()

    def start(self) -> float:
        """Start what may go now; the seconds until more may, infinity when that depends on what is in flight."""
        if self.error is not None or not self.waiting or len(self.flying) >= self.parallel:
            return INFINITY
        try:
            self.job.check()
            ready, pause = self.ready()
            for each in self.open(ready):
                self.waiting.remove(each)
                self.send(each)
        except (DailycastError, OSError, AnyDatabaseError) as error:
            self.error = error
        return pause if self.error is None else INFINITY

    def ready(self) -> tuple[list[Try[T]], float]:
        """Who may go now, their places among the vendor's calls taken, and the seconds until others may."""
        now = time.monotonic()
        self.waiting.sort(key=lambda each: each.not_before)
        due = [each for each in self.waiting if each.not_before <= now][: self.parallel - len(self.flying)]
        if not due:
            return [], self.waiting[0].not_before - now
        for each in due:
            each.limit = min(each.order.seconds, self.job.deadline - now)
        moments, pause = [now] * len(due), INFINITY
        if due[0].order.provider.remote:
            reap()  # here: the places that this very purchase gave up may be what it waits for
            tickets, most = [each.ticket for each in due], max(each.limit for each in due)
            moments, pause = patiently(lambda: limits.take(due[0].order.key, tickets, most))
        for each, moment in zip(due, moments, strict=False):
            each.begins = moment
        return due[: len(moments)], pause

    def open(self, ready: list[Try[T]]) -> Iterator[Try[T]]:
        """Each of `ready` when its ledger row stands; what cannot be opened gives all the places left back."""
        try:
            while ready:
                some = ready if conf.DAILYCAST_DAILY_BUDGET_USD is None else ready[:1]
                if any(self.crashes[each.order.unit] >= MOST_CRASHES for each in some):
                    raise NeedsPersonError(
                        f"The worker died {MOST_CRASHES} times in the same call to {some[0].order.key}."
                    )
                if some[0].order.provider.remote:
                    rows = patiently(partial(opened, [each.order for each in some], self.job))
                    for each, row in zip(some, rows, strict=True):
                        each.ledger = row
                ready = ready[len(some) :]
                yield from some
        except (DailycastError, AnyDatabaseError):
            self.free(ready)
            raise

    def free(self, some: list[Try[T]]) -> None:
        if some and some[0].order.provider.remote:
            patiently(lambda: limits.free(some[0].order.key, [each.ticket for each in some]))

    def send(self, each: Try[T]) -> None:
        flight = Flight(partial(self.call, each), each.begins)
        each.ends = max(each.begins, time.monotonic()) + each.limit
        self.flying[flight] = each
        try:
            threading.Thread(target=flight.run, args=(self.done,), daemon=True, name="dailycast-call").start()
        except RuntimeError:  # this system has no thread left
            flight.error = ProviderError("the server has no thread left for a call", permanent=False, billed=())
            self.done.put(flight)

    def call(self, each: Try[T]) -> T:
        """In the flight's own thread. One that comes late, or for a job that may be another's by now, asks anew."""
        now = time.monotonic()
        if limits.limit(each.order.key) and now - each.begins > LATE * 2**each.throttles:
            raise ThrottledError("It was not called: it missed its moment.", 0.0)
        if not self.job.may_call():
            raise ThrottledError("It was not called: the job's lease has to be renewed first.", 0.0)
        if now >= self.job.deadline:
            raise ProviderError("It was not called: the job's time is up.", permanent=True, billed=())
        return each.order.call(min(each.limit, self.job.deadline - now))

    def land(self, pause: float) -> None:
        """Wait for an answer, `pause` seconds at most, and take in all that have come."""
        ends = min((each.ends for each in self.flying.values()), default=INFINITY) - time.monotonic()
        wait = min(ends, pause)
        if wait == INFINITY:
            return None
        try:
            landed = [self.done.get(timeout=max(wait, 0))]
        except queue.Empty:
            return self.give_up()
        while not self.done.empty():
            landed.append(self.done.get())
        known = [(self.flying.pop(flight), flight) for flight in landed if flight in self.flying]  # else given up
        for each, flight in known:
            self.attempt(partial(self.take, each, flight))
        return self.attempt(partial(self.free, [each for each, _ in known]))

    def attempt(self, step: Callable[[], None]) -> None:
        """A fault with one answer is no reason to lose those beside it, or those that are still in flight."""
        failed = Caught()
        with failed:
            step()
        self.error = self.error or failed.error

    def give_up(self) -> None:
        """What is out of time is left to itself: its thread is a daemon."""
        late = [flight for flight, each in self.flying.items() if each.ends <= time.monotonic()]
        for flight in late:
            self.attempt(partial(self.abandon, self.flying.pop(flight), flight))

    def abandon(self, each: Try[T], flight: Flight[T]) -> None:
        """The vendor still counts the call: its place stays taken until its thread has ended."""
        self.failed(each, ProviderError(SILENT.format(each.limit), permanent=False))
        if each.order.provider.remote:
            key, ticket = each.order.key, each.ticket
            patiently(lambda: limits.hold(key, ticket))
            with _reaping:
                _abandoned.append((flight, key, ticket))
            each.ticket = new_ticket()

    def take(self, each: Try[T], flight: Flight[T]) -> None:
        if flight.error is None:
            self.arrived(each, flight.answer)
        elif isinstance(flight.error, ProviderError):
            self.failed(each, flight.error)
        else:
            self.close(each, Outcome.UNANSWERED, None, type(flight.error).__name__)
            self.error = self.error or flight.error  # a bug: the boundary's

    def arrived(self, each: Try[T], answer: T) -> None:
        """Store the answer first; it is paid for, kept or not, and so are those beside it, which are waited for."""
        kept = Caught()
        with kept:
            told = each.order.keep(answer) if each.order.provider.remote else None
        self.close(each, Outcome.OK, each.order.billed(answer), answer="" if kept.error else told or "")
        each.answer.append(answer)
        self.error = self.error or kept.error

    def failed(self, each: Try[T], error: ProviderError) -> None:
        self.close(each, outcome(error), error.billed, str(error))
        wait = again(each, error)
        if wait is None or time.monotonic() + wait >= self.job.deadline:
            self.error = self.error or error
            return
        logger.info("Dailycast: %s; trying again in %.1f s", error, wait)
        each.not_before = time.monotonic() + wait
        self.waiting.append(each)

    def close(self, each: Try[T], outcome: Outcome, billed: Units | None, message: str = "", answer: str = "") -> None:
        if each.ledger is not None:
            row, order = each.ledger, each.order
            patiently(lambda: closed(row, order, outcome, billed, message, answer))


_abandoned: list[tuple[Flight[Any], str, str]] = []  # calls that were given up, and the places that they hold
_reaping = threading.Lock()


def reap() -> None:
    """Free the places of calls that were given up and have ended since."""
    with _reaping:
        ended = [each for each in _abandoned if each[0].ended]
        _abandoned[:] = [each for each in _abandoned if each not in ended]
    for _, key, ticket in ended:
        patiently(partial(limits.free, key, [ticket]))


def outcome(error: ProviderError) -> Outcome:
    if isinstance(error, VendorWideError):
        return Outcome.BLOCKED
    if error.billed is None:
        return Outcome.UNANSWERED
    return Outcome.FAILED if error.billed else Outcome.REFUSED


def again(each: Try[Any], error: ProviderError) -> float | None:
    """The seconds until another try, None for no other. Waits differ, or who was throttled together comes back so."""
    if isinstance(error, ThrottledError):
        each.throttles += 1
        doubled = min(FIRST_BACKOFF * 2 ** (each.throttles - 1), LONGEST_RETRY_AFTER)
        wait = (doubled if error.retry_after is None else error.retry_after) * (1 + random())  # noqa: S311  # no secret
        return wait if each.throttles <= MOST_THROTTLES and wait <= 2 * LONGEST_RETRY_AFTER else None
    each.failures += 1
    wait = PAUSE_BEFORE_RETRY if error.retry_after is None else error.retry_after
    return wait if not error.permanent and each.failures <= 1 and wait <= LONGEST_RETRY_AFTER else None


def crashes(job: Job) -> Tally[str]:
    """How often a worker of this job died during the call for each unit."""
    if job.podcast is None:
        return Tally()
    lost = job.podcast.calls.filter(outcome=Outcome.LOST)
    return patiently(lambda: Tally(lost.values_list("unit", flat=True)))


def opened(orders: Sequence[Order[Any]], job: Job) -> list[ProviderCall]:
    """The ledger rows of calls that are about to be made, their cost at the most, and that reserved in the budget."""
    rows = [_ledger_row(order, job) for order in orders]
    money.catch_up()
    try:
        with money.together():
            for order, row in zip(orders, rows, strict=True):
                money.reserve(order.key, row.cost_usd)
            return _inserted(rows)
    except IntegrityError as error:
        raise ClaimLostError("The episode is gone.") from error


def _ledger_row(order: Order[Any], job: Job) -> ProviderCall:
    return ProviderCall(
        podcast=job.podcast,
        day=money.today(),
        provider=order.provider.name,
        model=order.model,
        kind=order.kind,
        unit=order.unit,
        units=sum(filter(None, order.most)),
        cost_usd=order.cost(order.most),
    )


def _inserted(rows: list[ProviderCall]) -> list[ProviderCall]:
    """`rows` with their keys: in one statement where the database tells the keys."""
    if connections[router.db_for_write(ProviderCall)].features.can_return_rows_from_bulk_insert:
        return ProviderCall.objects.bulk_create(rows)
    for row in rows:
        row.save(force_insert=True)
    return rows


def closed(
    row: ProviderCall, order: Order[Any], outcome: Outcome, billed: Units | None, message: str, answer: str
) -> None:
    """Close a ledger row; what nobody knows stays as it was opened, and reserved."""
    values: dict[str, Any] = {"outcome": outcome, "message": message, "answer": answer, "ended_at": timezone.now()}
    if billed is not None:
        values["units"] = None if None in billed else sum(filter(None, billed))
        values["cost_usd"] = order.cost(billed)
    with money.together():
        ProviderCall.objects.filter(pk=row.pk).update(**values)
        if billed is not None:
            money.settle(row.day, row.cost_usd, values["cost_usd"])
