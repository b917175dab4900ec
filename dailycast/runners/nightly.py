"""The nightly edition: one episode for each active learner and local day. Safe to run twice, also at once."""

import gc
import logging
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from functools import partial
from typing import Any

from django.contrib.auth.base_user import AbstractBaseUser
from django.db.models import Max, QuerySet
from django.utils import timezone

from .. import services
from ..conf import conf
from ..errors import CapturedError
from ..jobs import queue
from ..jobs.database import retry_database
from ..jobs.job import stopping
from ..jobs.logs import AboutEpisode
from ..learner import choose_language, get_learner_context
from ..models import DailyPodcast, Kind, Outcome, ProviderCall, Reason, Skip, Source, Status, active_users
from ..models.choices import SYSTEMIC, UNINTENDED
from ..purchases import prices
from ..purchases.slots import slots
from ..studio.estimate import estimate
from ..studio.providers import voices
from .pool import WorkerPool

logger = logging.getLogger("dailycast")
MOST_FAILURES = 3  # in a row, before a voice has spoken
POLL_SECONDS = 0.05  # between two looks at the first episode
ADOPTED_AT_END = 100  # stale episodes of others, taken up at the end
LONGEST_WAIT = 120.0  # seconds, at the end, for an episode that was put back


COUNTED_AS = {
    Status.COMPLETED: "made",
    Status.PENDING: "put_back",
    Status.FAILED: "failed",
    Status.RUNNING: "put_back",  # another worker has it
}


@dataclass
class Tally:
    """The progress of an edition. `stopped` says why no more were started: a fault that would hit every learner."""

    made: int = 0
    without_audio: int = 0  # of those made: they should have it
    script_only: int = 0  # of those made: there is no voice for them
    already_made: int = 0
    skipped: dict[Skip, int] = field(default_factory=lambda: dict.fromkeys(Skip, 0))
    failed: int = 0
    put_back: int = 0
    passed_over: int = 0  # of those made: a provider had failed before the one that served
    passed_over_text: str = ""  # of the last one
    stopped: str = ""
    interrupted: bool = False

    def count(self, what: str | Skip) -> None:
        """One more of a field, or one more who was skipped."""
        if isinstance(what, Skip):
            self.skipped[what] += 1
        else:
            setattr(self, what, getattr(self, what) + 1)

    @property
    def seen(self) -> int:
        return self.made + self.already_made + sum(self.skipped.values()) + self.failed + self.put_back


@dataclass(frozen=True)
class Forecast:
    """What an edition would be. `usd` is None when a price is unknown."""

    episodes: int
    already_made: int
    skipped: dict[Skip, int]
    failed: int  # whose records cannot be read
    usd: Decimal | None


def forecast(day: date, limit: int | None = None, retry: bool = False) -> Forecast:
    """Count and price an edition without making anything."""
    skipped, already_made, failed, costs = dict.fromkeys(Skip, 0), 0, 0, list[Decimal | None]()
    for user in active_users().iterator():
        if limit is not None and len(costs) >= limit:
            break
        podcast = DailyPodcast.objects.filter(request_key=request_key(user, day)).first()
        if podcast and not (retry and is_worth_retrying(podcast)):
            already_made += 1
            continue
        reading = CapturedError()
        with reading:
            context = get_learner_context(user)
            if reason := services.skip_reason(context):
                skipped[reason] += 1
            else:
                costs.append(estimate(choose_language(None, context), conf.DAILYCAST_MINUTES))
        if reading.error is not None and not isinstance(reading.error, Exception):
            raise reading.error  # Ctrl-C
        failed += reading.error is not None
    return Forecast(len(costs), already_made, skipped, failed, prices.add(*costs))


def is_worth_retrying(podcast: DailyPodcast) -> bool:
    """Whether it lacks the audio that it should have, and no worker has it. Pruned audio is not made again."""
    waits = podcast.status == Status.PENDING and podcast.next_attempt_at is not None
    ended = podcast.status in (Status.FAILED, Status.COMPLETED) and not podcast.has_audio
    return (ended or waits) and podcast.error_code not in (Reason.PRUNED, Reason.AUDIO_NOT_ASKED)


def request_key(user: AbstractBaseUser, day: date) -> str:
    return f"daily:{user.pk}:{day.isoformat()}"


def warm_up_voices() -> None:
    """Make the SDK clients before the first clips need them, and take them out of garbage collection."""
    for provider in voices.configured():
        with CapturedError():  # its calls report what is wrong
            provider.prepare()
    gc.freeze()  # looking for garbage in the SDKs would stop every thread for a tenth of a second, now and then


def finish_stale(pool: WorkerPool, other_than: date) -> None:
    """Make the stale episodes: of other editions, or requested by a page."""
    services.announce_missed()
    for pk in retry_database(queue.adopt_stale, ADOPTED_AT_END, other_than=other_than):
        pool.submit(partial(services.run, pk, can_reschedule=True))


class CircuitBreaker:
    """Stops the run after several failures in a row: the vendor would fail for every learner.

    `is_proven`: the vendors have answered in this run; from then on more failures in a row are tolerated.
    """

    def __init__(self, pool_size: int) -> None:
        self.pool_size = pool_size
        self.failures = 0  # in a row
        self.is_proven = False

    def record(self, row: DailyPodcast) -> str:
        """Count a result; return why the run must stop, or "" to go on."""
        self.failures = self.failures + 1 if row.error_code in SYSTEMIC else 0
        most = MOST_FAILURES + (2 * self.pool_size if self.is_proven else 0)
        if self.failures < most:
            return ""
        return f"{self.failures} in a row could not be made; the last one: {row.failure_text}"


class Edition:
    """One run of the nightly edition for one day."""

    def __init__(self, day: date, limit: int | None = None, concurrency: int = 1, retry: bool = False) -> None:
        self.day, self.limit, self.retry = day, limit, retry
        self.report: Callable[[Tally], None] = lambda tally: None
        self.pool = WorkerPool(concurrency)
        slots.allow(concurrency)
        self.breaker = CircuitBreaker(concurrency)
        self.tally = Tally()
        self.lock = threading.Lock()
        self.begun: set[int] = set()  # the rows that this run worked on
        self.is_prepared = False
        self.last_call: int = retry_database(ProviderCall.objects.aggregate, last=Max("pk"))["last"] or 0
        self.learners: list[Any] = retry_database(list, active_users().values_list("pk", flat=True))
        self.due_later: dict[int, float] = {}  # row -> monotonic seconds of its next attempt

    def make(self, report: Callable[[Tally], None] | None = None) -> Tally:
        """Make it; `report` is called after each learner, from several threads but never at once."""
        self.report = report or self.report
        retry_database(queue.sweep)
        for learner in self.learners:
            self.wait_for_turn()
            if self.tally.stopped or stopping.is_set() or self.is_full():
                break
            self.pool.submit(partial(self.guard, partial(self.make_for, learner)))
        self.tally.interrupted = stopping.is_set()
        self.pool.wait(0)
        for pk in self.retries():
            self.pool.submit(partial(self.guard, partial(self.run, pk)))
            self.pool.wait(self.pool.size - 1)
        if not (self.tally.stopped or stopping.is_set() or self.limit is not None):
            finish_stale(self.pool, other_than=self.day)
        self.pool.wait(0)
        self.pool.close()
        return self.tally

    def wait_for_turn(self) -> None:
        """Block until the next learner may begin: one at a time until a voice has spoken, so a wrong key shows."""
        while not (self.breaker.is_proven or self.pool.wait(0, POLL_SECONDS)):
            calls = ProviderCall.objects.filter(podcast__edition_date=self.day, pk__gt=self.last_call)
            if not self.is_prepared and retry_database(calls.exists):  # the first script is being written
                self.is_prepared = True
                warm_up_voices()
            self.breaker.is_proven = retry_database(calls.filter(kind=Kind.SPEECH, outcome=Outcome.OK).exists)
            self.stop_if_blocked(calls)
        self.pool.wait(self.pool.size - 1 if self.breaker.is_proven else 0)

    def is_full(self) -> bool:
        if self.limit is None:
            return False
        while self.pool.load and len(self.begun) + self.pool.load >= self.limit:
            self.pool.wait(self.pool.load - 1)
        return len(self.begun) >= self.limit

    def guard(self, task: Callable[[], None]) -> None:
        """Run `task`; count and log its error, so that the other learners get their episodes."""
        captured = CapturedError()
        with captured:
            task()
        if captured.error:
            logger.error("Dailycast: a sweep will take this up again", exc_info=captured.error)
            self.count("failed")

    def make_for(self, user_pk: Any) -> None:
        user = retry_database(active_users().filter(pk=user_pk).first)
        if user is None:  # deleted meanwhile, or no longer active
            return self.count("already_made")
        key = request_key(user, self.day)
        podcast = retry_database(queue.submit, user, source=Source.DAILY, edition_date=self.day, request_key=key)
        if self.retry and is_worth_retrying(podcast):
            queue.reopen(podcast.pk)
        return self.run(podcast.pk)

    def run(self, pk: int) -> None:
        with AboutEpisode(pk):
            self.make_row(pk)

    def make_row(self, pk: int) -> None:
        job = services.run(pk, can_reschedule=True)
        if job is None:
            return self.record_others(retry_database(DailyPodcast.objects.filter(pk=pk).first))
        if job.skipped:
            return self.count(job.skipped)
        if job.row.status == Status.RUNNING:  # it was taken over meanwhile, or it is gone
            return self.make_row(pk)
        is_first_attempt = pk not in self.begun
        self.begun.add(pk)
        self.stop_if_blocked(ProviderCall.objects.filter(podcast_id=pk, pk__gt=self.last_call))
        return self.record(job.row, is_first_attempt)

    def record(self, row: DailyPodcast, is_first_attempt: bool) -> None:
        """Count an episode that this run made."""
        with self.lock:
            if is_first_attempt:
                self.stop(self.breaker.record(row))
            if row.error_code == Reason.BUDGET:
                self.stop(row.error_message)
            is_made = row.status == Status.COMPLETED
            self.breaker.is_proven = self.breaker.is_proven or (is_made and row.error_code not in SYSTEMIC)
            if is_made and row.passed_over:
                self.tally.passed_over += 1
                self.tally.passed_over_text = row.passed_over_text
            if is_made and not row.audio_file:
                self.tally.without_audio += row.error_code in UNINTENDED
                self.tally.script_only += row.error_code not in UNINTENDED
        self.count(self.tally_field(row))

    def record_others(self, row: DailyPodcast | None) -> None:
        """Count an episode that this run did not make: made before, perhaps without its audio, or by another worker."""
        if row is None or row.status == Status.COMPLETED:
            with self.lock:
                self.tally.without_audio += bool(row and row.error_code in UNINTENDED)
            return self.count("already_made")
        return self.count(self.tally_field(row))

    def stop(self, reason: str) -> None:
        """Start no more episodes; the first reason counts."""
        self.tally.stopped = self.tally.stopped or reason

    def stop_if_blocked(self, calls: QuerySet[ProviderCall]) -> None:
        """Start no more episodes if one of `calls` was refused with an error that would hit every learner."""
        blocked = retry_database(calls.filter(outcome=Outcome.BLOCKED).order_by("-pk").first)
        if blocked:
            self.stop(blocked.message)

    def tally_field(self, row: DailyPodcast) -> str:
        """The tally field that counts `row`. Also schedules a second look at a row that is pending or running."""
        due = row.next_attempt_at if row.status == Status.PENDING else row.lease_until
        if row.status in (Status.PENDING, Status.RUNNING) and due:
            wait = max((due - timezone.now()) / timedelta(seconds=1), 0) + POLL_SECONDS
            if wait <= LONGEST_WAIT:  # a worker that has it may be ready long before the lease ends
                self.due_later[row.pk] = time.monotonic() + (min(wait, 1) if row.status == Status.RUNNING else wait)
        return COUNTED_AS[Status(row.status)]

    def retries(self) -> Iterator[int]:
        """The rows that were put back for a short while, or that others had, each when it is due."""
        until = time.monotonic() + LONGEST_WAIT
        while not self.tally.stopped and time.monotonic() < until:
            if not self.due_later and self.pool.wait(0, POLL_SECONDS) and not self.due_later:
                return
            pk, due = min(list(self.due_later.items()), key=lambda item: item[1], default=(0, until))
            if pk and stopping.wait(max(due - time.monotonic(), 0)):
                return
            if pk:
                del self.due_later[pk]
                with self.lock:
                    self.tally.put_back -= 1
                yield pk

    def count(self, what: str | Skip) -> None:
        with self.lock:
            self.tally.count(what)
            self.report(self.tally)
