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

from django.contrib.auth import get_user_model
from django.contrib.auth.base_user import AbstractBaseUser
from django.db.models import Max, QuerySet
from django.utils import timezone

from .. import services
from ..conf import conf
from ..gateway import registry
from ..gateway.vendor import Caught
from ..jobs import queue as jobs
from ..learner import get_learner_context
from ..models import DailyPodcast, Kind, Outcome, ProviderCall, Reason, Skip, Source, Status
from ..purchases import money
from ..studio import speech as studio
from .pool import Crew

logger = logging.getLogger("dailycast")
FAULTS = (
    Reason.AUDIO_FAILED,
    Reason.NOT_SAVED,
    Reason.INTERNAL,
    Reason.BUDGET,
)  # why a made episode has no audio, where one should
MISSES = (Reason.NO_SCRIPT, Reason.AUDIO_FAILED, Reason.NOT_SAVED, Reason.INTERNAL)  # which others may meet, too
FEW = 3  # failures in a row, after which no more are begun before a voice has spoken
LOOK = 0.05  # seconds between two looks at the first episode
MOST_LEFT = 100  # episodes that others have left, taken up at the end
LONGEST_WAIT = 120.0  # seconds, at the end, for an episode that was put back


ENDED = {
    Status.COMPLETED: "made",
    Status.PENDING: "put_back",
    Status.FAILED: "failed",
    Status.RUNNING: "put_back",  # it is in other hands
}


@dataclass
class Tally:
    """How far an edition is. `stopped` says why no more were begun: a fault that every learner would meet."""

    made: int = 0
    silent: int = 0  # of those made: without the audio that they should have
    script_only: int = 0  # of those made: without audio, because there is no voice
    stood: int = 0  # made before
    skipped: dict[Skip, int] = field(default_factory=lambda: dict.fromkeys(Skip, 0))
    failed: int = 0
    put_back: int = 0
    stopped: str = ""
    interrupted: bool = False

    @property
    def seen(self) -> int:
        return self.made + self.stood + sum(self.skipped.values()) + self.failed + self.put_back


@dataclass(frozen=True)
class Forecast:
    """What an edition would be. `usd` is None when a price is unknown."""

    episodes: int
    stood: int
    skipped: dict[Skip, int]
    failed: int  # whose records cannot be read
    usd: Decimal | None


def learners() -> Any:
    """Every active user; who among them has something to hear about, their records say."""
    users = get_user_model()._default_manager.order_by("pk")
    has_flag = any(each.name == "is_active" for each in get_user_model()._meta.get_fields())
    return users.filter(is_active=True) if has_flag else users


def forecast(day: date, limit: int | None = None, retry: bool = False) -> Forecast:
    """Count and price an edition without making anything."""
    skipped, stood, failed, costs = dict.fromkeys(Skip, 0), 0, 0, list[Decimal | None]()
    for user in learners().iterator():
        if limit is not None and len(costs) >= limit:
            break
        podcast = DailyPodcast.objects.filter(request_key=request_key(user, day)).first()
        if podcast and not (retry and worth_another_try(podcast)):
            stood += 1
            continue
        reading = Caught()
        with reading:
            context = get_learner_context(user)
            if reason := services.why_not(context):
                skipped[reason] += 1
            else:
                costs.append(studio.estimate(services.choose_language(None, context), conf.DAILYCAST_MINUTES))
        if reading.error is not None and not isinstance(reading.error, Exception):
            raise reading.error  # Ctrl-C
        failed += reading.error is not None
    return Forecast(len(costs), stood, skipped, failed, money.add(*costs))


def worth_another_try(podcast: DailyPodcast) -> bool:
    """Whether it lacks the audio that it should have, and nobody is at it; audio that was pruned is not missed."""
    waits = podcast.status == Status.PENDING and podcast.next_attempt_at is not None
    ended = podcast.status in (Status.FAILED, Status.COMPLETED) and not podcast.has_audio
    return (ended or waits) and podcast.error_code not in (Reason.PRUNED, Reason.AUDIO_NOT_ASKED)


def request_key(user: AbstractBaseUser, day: date) -> str:
    return f"daily:{user.pk}:{day.isoformat()}"


def prepare_voices() -> None:
    """What their first calls would else wait for."""
    for provider in registry.tts_chain():
        with Caught():  # what is wrong with it, its calls say
            provider.prepare()
    gc.freeze()  # looking for garbage in the SDKs would stop every thread for a tenth of a second, now and then


class Edition:
    """One run."""

    def __init__(self, day: date, limit: int | None = None, concurrency: int = 1, retry: bool = False) -> None:
        self.day, self.limit, self.retry = day, limit, retry
        self.tell: Callable[[Tally], None] = lambda tally: None
        self.crew = Crew(concurrency)
        self.tally = Tally()
        self.lock = threading.Lock()
        self.begun: set[int] = set()  # the rows that this run worked on
        self.misses = 0  # in a row
        self.prepared = False
        self.known = False  # that the vendors take our calls
        self.before: int = jobs.patiently(lambda: ProviderCall.objects.aggregate(last=Max("pk"))["last"]) or 0
        self.learners: list[Any] = jobs.patiently(lambda: list(learners().values_list("pk", flat=True)))
        self.later: dict[int, float] = {}  # row -> monotonic seconds of its next attempt

    def make(self, tell: Callable[[Tally], None] | None = None) -> Tally:
        """Make it; `tell` is called after each learner, from several threads but never at once."""
        self.tell = tell or self.tell
        jobs.patiently(jobs.sweep)
        for learner in self.learners:
            self.wait()
            if self.tally.stopped or jobs.stopping.is_set() or self.full():
                break
            self.crew.do(partial(self.guarded, partial(self.one, learner)))
        self.tally.interrupted = jobs.stopping.is_set()
        self.crew.wait(0)
        for pk in self.again():
            self.crew.do(partial(self.guarded, partial(self.run, pk)))
            self.crew.wait(self.crew.size - 1)
        self.finish_others()
        self.crew.wait(0)
        self.crew.disband()
        return self.tally

    def finish_others(self) -> None:
        """What nobody has in hand, of other days, or asked for by a page; unless there is a reason to stop."""
        if self.tally.stopped or jobs.stopping.is_set():
            return
        services.announce_forgotten()
        for pk in jobs.patiently(lambda: jobs.forgotten(MOST_LEFT, but=self.day)):
            self.crew.do(partial(services.run, pk, patient=True))

    def wait(self) -> None:
        """Until the next learner may begin. The first is alone until a voice has spoken: a wrong key shows there."""
        while not (self.known or self.crew.wait(0, LOOK)):
            calls = ProviderCall.objects.filter(podcast__edition_date=self.day, pk__gt=self.before)
            if not self.prepared and jobs.patiently(calls.exists):  # the first script is being written
                self.prepared = True
                prepare_voices()
            self.known = jobs.patiently(calls.filter(kind=Kind.SPEECH, outcome=Outcome.OK).exists)
            self.stop_at(calls)
        self.crew.wait(self.crew.size - 1 if self.known else 0)

    def full(self) -> bool:
        if self.limit is None:
            return False
        while self.crew.load and len(self.begun) + self.crew.load >= self.limit:
            self.crew.wait(self.crew.load - 1)
        return len(self.begun) >= self.limit

    def guarded(self, task: Callable[[], None]) -> None:
        """One learner's fault is not another's: what ends here is counted, and in the log."""
        failed = Caught()
        with failed:
            task()
        if failed.error:
            logger.error("Dailycast: a sweep will take this up again", exc_info=failed.error)
            self.count("failed")

    def one(self, pk: Any) -> None:
        user = jobs.patiently(learners().filter(pk=pk).first)
        if user is None:  # deleted meanwhile, or no longer active
            return self.count("stood")
        key = request_key(user, self.day)
        ask = partial(jobs.submit, user, source=Source.DAILY, edition_date=self.day, request_key=key)
        podcast = jobs.patiently(ask)
        if self.retry and worth_another_try(podcast):
            jobs.reopen(podcast.pk)
        return self.run(podcast.pk)

    def run(self, pk: int) -> None:
        job = services.run(pk, patient=True)
        if job is None:
            row = jobs.patiently(DailyPodcast.objects.filter(pk=pk).first)
            return self.found(row)
        if job.skipped:
            return self.count(job.skipped)
        if job.row.status == Status.RUNNING:  # it was taken over meanwhile, or it is gone
            return self.run(pk)
        anew = pk in self.begun
        self.begun.add(pk)
        self.stop_at(ProviderCall.objects.filter(podcast_id=pk, pk__gt=self.before))
        row = job.row
        with self.lock:
            if not anew:
                self.watch(row)
            if row.error_code == Reason.BUDGET:
                self.tally.stopped = self.tally.stopped or row.error_message
            self.known = self.known or (row.status == Status.COMPLETED and row.error_code not in MISSES)
            if row.status == Status.COMPLETED and not row.audio_file:
                self.tally.silent += row.error_code in FAULTS
                self.tally.script_only += row.error_code not in FAULTS
        return self.count(self.ended(row))

    def found(self, row: DailyPodcast | None) -> None:
        """Count an episode that this run did not make: made before, without its audio perhaps, or in other hands."""
        with self.lock:
            self.tally.silent += bool(row and row.status == Status.COMPLETED and row.error_code in FAULTS)
        done = row is None or row.status == Status.COMPLETED
        self.count("stood" if done or row is None else self.ended(row))

    def watch(self, row: DailyPodcast) -> None:
        """A vendor that fails for one after the other will fail for all: no more are begun then."""
        self.misses = self.misses + 1 if row.error_code in MISSES else 0
        most = FEW if not self.known else FEW + 2 * self.crew.size
        if self.misses >= most and not self.tally.stopped:
            self.tally.stopped = f"{self.misses} in a row could not be made; the last one: {row.why}"

    def stop_at(self, calls: QuerySet[ProviderCall]) -> None:
        """No more are begun when one of these was refused as every other would be."""
        blocked = jobs.patiently(calls.filter(outcome=Outcome.BLOCKED).order_by("-pk").first)
        if blocked:
            self.tally.stopped = self.tally.stopped or blocked.message

    def ended(self, row: DailyPodcast) -> str:
        """What an episode that this run made, or found in other hands, counts as; it may be looked at again."""
        due = row.next_attempt_at if row.status == Status.PENDING else row.lease_until
        if row.status in (Status.PENDING, Status.RUNNING) and due:
            wait = max((due - timezone.now()) / timedelta(seconds=1), 0) + LOOK
            if wait <= LONGEST_WAIT:  # who has it in hand may be ready long before the lease ends
                self.later[row.pk] = time.monotonic() + (min(wait, 1) if row.status == Status.RUNNING else wait)
        return ENDED[Status(row.status)]

    def again(self) -> Iterator[int]:
        """The rows that were put back for a short while, or were in other hands, each when its time has come."""
        until = time.monotonic() + LONGEST_WAIT
        while not self.tally.stopped and time.monotonic() < until:
            if not self.later and self.crew.wait(0, LOOK) and not self.later:
                return
            pk, due = min(list(self.later.items()), key=lambda item: item[1], default=(0, until))
            if pk and jobs.stopping.wait(max(due - time.monotonic(), 0)):
                return
            if pk:
                del self.later[pk]
                with self.lock:
                    self.tally.put_back -= 1
                yield pk

    def count(self, what: str | Skip) -> None:
        with self.lock:
            if isinstance(what, Skip):
                self.tally.skipped[what] += 1
            else:
                setattr(self.tally, what, getattr(self.tally, what) + 1)
            self.tell(self.tally)
