"""The row is the job: submit, claim, renew, guarded write, put back, sweep. Knows rows, not steps.

A worker owns a job by the token on its row, until its lease ends. One thread of a process renews the leases of all
jobs in it; every write of a job asks for the token in the same statement, so that who lost it writes nothing.
"""

import logging
import os
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import date, datetime, timedelta
from typing import Any, TypeVar

from django.contrib.auth.base_user import AbstractBaseUser
from django.db import Error, IntegrityError, InterfaceError, OperationalError, connections, router, transaction
from django.db.models import F, Q
from django.utils import timezone

from ..conf import conf
from ..errors import ClaimLostError, CooldownError, DailycastError, InTransactionError, ReleasedError
from ..gateway.vendor import left
from ..languages.table import normalise
from ..models import DailyPodcast, Outcome, ProviderCall, Reason, Skip, Source, Status, local, lock_learner

T = TypeVar("T")
logger = logging.getLogger("dailycast")

PATIENCE = 30.0  # seconds for a database that is locked or gone
LONGEST_KEY = 100  # characters of a request_key
COOLED = (Source.PAGE, Source.API)  # what a learner asks for
NEVER = 0.0, 0.0
FREE = {"claim_token": "", "lease_until": None}

stopping = threading.Event()  # set when this process is to end: its jobs go back at their next step


class Job:
    """A claimed row, and the time it may take. `patient`: a fault that passes may put it back for later.

    Without a row it is a caller of the public functions who saves nothing: there is nothing to lose.
    """

    def __init__(self, podcast: DailyPodcast | None = None, token: str = "", patient: bool = False) -> None:
        self.podcast = podcast
        self.skipped: Skip | None = None
        self.token = token
        self.patient = patient
        self.deadline = time.monotonic() + conf.DAILYCAST_JOB_TIMEOUT
        self.fresh = time.monotonic(), _clock()  # when the lease was renewed last

    @property
    def row(self) -> DailyPodcast:
        assert self.podcast is not None, "a job without a row has nothing to write"  # noqa: S101
        return self.podcast

    def check(self) -> None:
        """Whether to go on, asked before anything is paid. Raises ClaimLostError, ReleasedError, ProviderError."""
        left(self.deadline)
        if self.podcast is None:
            return
        if self.patient and stopping.is_set():
            raise ReleasedError("This process is about to end.")
        if not self.is_fresh():
            self.renew()

    def is_fresh(self) -> bool:
        """Whether nobody else can be at it: by both clocks, for either may have been set or stood still meanwhile."""
        since = time.monotonic() - self.fresh[0], _clock() - self.fresh[1]
        return all(-1 < seconds < conf.DAILYCAST_LEASE_SECONDS for seconds in since)

    def may_call(self) -> bool:
        """Whether a call may go that was prepared a moment ago; asks no database."""
        return self.podcast is None or self.is_fresh()

    def renew(self) -> None:
        """Hold the lease for another term. Raises ClaimLostError when it is somebody else's, or nobody's any more."""
        asked = time.monotonic(), _clock()
        until = timezone.now() + timedelta(seconds=conf.DAILYCAST_LEASE_SECONDS)
        if not patiently(lambda: self._mine().update(lease_until=until)):
            self.fresh = NEVER
            raise self._lost()
        self.fresh = asked

    def write(self, **values: Any) -> None:
        """Set and save just these fields, if the claim still stands. Raises ClaimLostError if not."""
        patiently(lambda: self._write(values))

    def write_audio_name(self) -> str:
        """Choose the episode's file name and commit it, before the file is written; a second call changes nothing."""
        return patiently(self._write_audio_name)

    def script_now(self) -> str:
        """The script as it stands, which an editor may have changed since. Raises ClaimLostError."""
        found: str | None = patiently(lambda: self._mine().values_list("script_text", flat=True).first())
        if found is None:
            raise self._lost()
        return found

    def end(self, status: Status, **values: Any) -> None:
        """The last write: the row is nobody's any more."""
        self.write(status=status, **FREE, **values)

    def put_back(self, seconds: float, **values: Any) -> None:
        """For another attempt, at the earliest in `seconds`."""
        due = timezone.now() + timedelta(seconds=seconds)
        self.end(Status.PENDING, next_attempt_at=due, **values)

    def release(self) -> None:
        """For somebody else, at once: this attempt does not count."""
        self.end(Status.PENDING, attempts=self.row.attempts - 1)

    def drop(self) -> None:
        """There is to be no episode: the row goes."""
        patiently(lambda: self._mine().delete())

    def _lost(self) -> ClaimLostError:
        return ClaimLostError(f"Episode {self.row.pk} is another worker's now, or it is gone.")

    def _mine(self) -> Any:
        return DailyPodcast.objects.filter(pk=self.row.pk, claim_token=self.token, status=Status.RUNNING)

    def _write(self, values: dict[str, Any]) -> None:
        if not self._mine().update(**values, updated_at=timezone.now()):
            raise self._lost()
        for name, value in values.items():
            setattr(self.row, name, value)

    def _write_audio_name(self) -> str:
        with transaction.atomic():
            name = self.row.name_audio()
            self._write({"audio_file": name})
        return name


# Asking for an episode


def submit(user: AbstractBaseUser, language: str | None = None, **asked: Any) -> DailyPodcast:
    """A new pending row for `user`, or the one that this `request_key` has made before.

    `language` is BCP-47, by default the learner's own; `asked` is what the door knows (source, requested_by,
    request_key, minutes, with_audio, edition_date, context). Raises LanguageError; CooldownError for a learner who
    asks too soon; DailycastError for an unknown source, or a key that is too long or another learner's.
    """
    asked["language"] = normalise(language) if language else ""
    key, source = asked.get("request_key") or None, asked.get("source", "")
    if source and source not in Source.values:
        raise DailycastError(f"{source!r} is no source: use one of {', '.join(Source.values)}.")
    if key and len(key) > LONGEST_KEY:
        raise DailycastError(f"The request_key has {len(key)} characters, and {LONGEST_KEY} is the most.")
    if standing := _asked_before(user, key):
        return standing
    try:
        with transaction.atomic():
            if source in COOLED:
                lock_learner(user.pk)
                if standing := _asked_before(user, key):  # while we waited
                    return standing
                _cool(user)
            return DailyPodcast.objects.create(user=user, **asked)  # type: ignore[misc]  # any user model
    except IntegrityError:
        standing = _asked_before(user, key)  # somebody was quicker
        if not standing:
            raise
        return standing


def _asked_before(user: AbstractBaseUser, key: str | None) -> DailyPodcast | None:
    """The row of `key`, also one that was committed after our transaction began, where a database would not show it."""
    if not key:
        return None
    with transaction.atomic():
        row = DailyPodcast.objects.select_for_update().filter(request_key=key).first()
    if row and row.user_id != user.pk:
        raise DailycastError("This request_key was used for another learner: put the learner's id into it.")
    return row


def cooldown(user: AbstractBaseUser, sure: bool = False) -> datetime | None:
    """Until when `user` may not ask for another episode; None when they may.

    `sure`, in a transaction: by a locking read, which sees also what others have committed since it began.
    """
    hours = timedelta(hours=conf.DAILYCAST_COOLDOWN_HOURS)
    asked = DailyPodcast.objects.filter(user_id=user.pk, source__in=COOLED).exclude(status=Status.FAILED)
    recent = asked.filter(created_at__gt=timezone.now() - hours).order_by("-created_at")
    last = (recent.select_for_update() if sure else recent).first()
    return last.created_at + hours if last else None


def _cool(user: AbstractBaseUser) -> None:
    if until := cooldown(user, sure=True):
        told = local(until).isoformat(sep=" ", timespec="minutes")
        raise CooldownError(f"The next episode can be asked for from {told} on.", until)


def reopen(pk: int) -> bool:
    """A person says: try again. Makes a row without audio a pending one that is due, as if nothing had been tried.

    False for a row that has its audio, or is running.
    """
    silent = Q(status=Status.COMPLETED) & (Q(audio_file=None) | Q(audio_file="") | Q(error_code=Reason.MISSING))
    values = {"attempts": 0, "next_attempt_at": None, "error_code": "", "error_message": ""}
    rows, now = DailyPodcast.objects.filter(pk=pk), timezone.now()
    with transaction.atomic():
        reopened = rows.filter(status=Status.PENDING).update(**values, updated_at=now) or rows.filter(
            silent | Q(status=Status.FAILED)
        ).update(**values, status=Status.PENDING, with_audio=True, updated_at=now)
        if reopened:
            _calls(pk, Outcome.LOST).update(outcome=Outcome.WRITTEN_OFF)
    return bool(reopened)


# Working on one


def claim(pk: int, patient: bool = False) -> Job | None:
    """The job of a row that is due, or whose lease has run out; None when there is nothing to do, or no such row."""
    token, now = secrets.token_hex(16), timezone.now()
    values = {"status": Status.RUNNING, "claim_token": token, "attempts": F("attempts") + 1, "next_attempt_at": None}
    lease = now + timedelta(seconds=conf.DAILYCAST_LEASE_SECONDS)
    rows = DailyPodcast.objects.filter(_due(now) | _expired(now), pk=pk)
    with transaction.atomic():
        if not rows.update(**values, lease_until=lease, error_code="", error_message="", updated_at=now):
            return None
        _calls(pk, Outcome.UNKNOWN).update(outcome=Outcome.LOST)  # whoever had it took them to the grave
        podcast = DailyPodcast.objects.select_related("user").filter(pk=pk, claim_token=token).first()
    return Job(podcast, token, patient) if podcast else None


@contextmanager
def kept(job: Job) -> Iterator[None]:
    """Keep the lease of `job` renewed while it is worked on, but not past its deadline."""
    heart.add(job)
    try:
        yield
    finally:
        heart.remove(job)


def sweep() -> int:
    """Take back every job whose worker is gone, and say how many those were. May run anywhere, any number of times."""
    now = timezone.now()
    gone = DailyPodcast.objects.filter(_expired(now))
    if not gone.exists():  # which takes no lock
        return 0
    taken = gone.update(status=Status.PENDING, next_attempt_at=now, **FREE, updated_at=now)
    logger.warning("Dailycast: %s episodes were taken back from workers that are gone", taken)
    return taken


def due(most: int) -> list[int]:
    """The keys of pending rows that may be claimed now, oldest first."""
    return list(DailyPodcast.objects.filter(_due(timezone.now())).order_by("pk").values_list("pk", flat=True)[:most])


def forgotten(most: int, but: date | None = None) -> list[int]:
    """The keys of due rows that nobody seems to have in hand: put back, taken back, or waiting for a whole lease.

    Each is given to one caller, who has a lease's time to begin. `but` is an edition to be left alone.
    """
    now = timezone.now()
    waited = Q(next_attempt_at=None) & Q(updated_at__lt=now - timedelta(seconds=conf.DAILYCAST_LEASE_SECONDS))
    rows = DailyPodcast.objects.filter(Q(status=Status.PENDING) & (waited | Q(next_attempt_at__lte=now)))
    rows = rows.exclude(edition_date=but) if but else rows
    found = list(rows.order_by("pk").values_list("pk", flat=True)[:most])
    return [pk for pk in found if rows.filter(pk=pk).update(next_attempt_at=None, updated_at=now)]


def _due(now: datetime) -> Q:
    return Q(status=Status.PENDING) & (Q(next_attempt_at=None) | Q(next_attempt_at__lte=now))


def _expired(now: datetime) -> Q:
    """Leases that ended, and those that no clock of today can have written."""
    longest = now + timedelta(seconds=2 * conf.DAILYCAST_LEASE_SECONDS)
    ended = Q(lease_until=None) | Q(lease_until__lt=now) | Q(lease_until__gt=longest)
    return Q(status=Status.RUNNING) & ended


def _calls(pk: int, outcome: Outcome) -> Any:
    return ProviderCall.objects.filter(podcast_id=pk, outcome=outcome)


# The heart


class Heart:
    """One thread, while there are jobs, that renews the leases of all jobs of this process."""

    def __init__(self) -> None:
        self.lock = threading.Condition()
        self.jobs: list[Job] = []
        self.pid = 0
        self.thread: threading.Thread | None = None

    def add(self, job: Job) -> None:
        with self.lock:
            self.jobs.append(job)
            if self.pid != os.getpid() or self.thread is None or not self.thread.is_alive():
                self.jobs, self.pid = [job], os.getpid()
                self.thread = threading.Thread(target=self.beat, daemon=True, name="dailycast-heart")
                self.thread.start()

    def remove(self, job: Job) -> None:
        with self.lock:
            self.jobs.remove(job)
            self.lock.notify()

    def beat(self) -> None:
        while self.wait():
            for job in [job for job in self.jobs if time.monotonic() < job.deadline]:
                try:
                    job.renew()
                except ClaimLostError:
                    pass  # the job itself finds out before it pays or writes
                except Error as error:
                    logger.warning("Dailycast: the lease of episode %s was not renewed: %s", job.row.pk, error)
            _connection().close()

    def wait(self) -> bool:
        """Until the next beat; False when there has been no job for that long, and the thread may end."""
        with self.lock:
            self.lock.wait_for(lambda: not self.jobs, conf.DAILYCAST_LEASE_SECONDS / 3)
            if not self.jobs:
                self.thread = None
            return bool(self.jobs)


heart = Heart()


# The database


def patiently(write: Callable[[], T]) -> T:
    """`write()`, again while the database is locked or gone, for PATIENCE seconds; at once inside a transaction."""
    until = time.monotonic() + PATIENCE
    while True:
        try:
            with _one_writer():
                return write()
        except (OperationalError, InterfaceError) as error:
            if _connection().in_atomic_block or time.monotonic() > until:
                raise
            logger.warning("Dailycast: the database does not answer, trying again: %s", error)
        _connection().close()
        time.sleep(0.2)


_writing = threading.RLock()


def _one_writer() -> AbstractContextManager[object]:
    """SQLite has one writer, and who finds it busy sleeps: in one process a lock wakes the next one at once."""
    connection = _connection()
    return _writing if connection.vendor == "sqlite" and not connection.in_atomic_block else nullcontext()


def outside_transaction() -> None:
    """Raises InTransactionError inside a transaction of the caller's: a rollback would forget what has been paid."""
    if not _connection().in_atomic_block:
        return
    try:
        with transaction.atomic(durable=True):  # which allows for the transaction around a TestCase
            pass
    except RuntimeError as error:
        raise InTransactionError(
            "An episode cannot be made inside a transaction, which would lose what was paid if it is rolled back. "
            "Call it after the commit (transaction.on_commit), or ask for it by dailycast.runners.submit() with "
            "another DAILYCAST_RUNNER than inline."
        ) from error


def _clock() -> float:
    """Seconds since the epoch, by the clock that leases are written by."""
    return timezone.now().timestamp()


def _connection() -> Any:
    return connections[router.db_for_write(DailyPodcast)]
