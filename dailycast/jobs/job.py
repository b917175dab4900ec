"""A job: an episode's row that a worker has claimed, and the time that it may take.

A worker owns the row by the token on it, until its lease ends. Every write asks for the token in the same statement,
so a worker that lost the row writes nothing. Every method tries again while the database is locked or gone.
"""

import logging
import time
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django.db import DataError, transaction
from django.db import Error as AnyDatabaseError
from django.utils import timezone

from ..audio import storage
from ..conf import conf
from ..errors import ClaimLostError, ProviderError, ReleasedError
from ..models import DailyPodcast, Kind, ProviderCall, Skip, Status
from .database import retry_database
from .stopping import stopping as stopping

FIRST_RETRY_DELAY, LONGEST_RETRY_DELAY = 30.0, 86_400.0  # seconds until the next attempt; doubled with each one
LONG_AGO = 0.0, 0.0
UNCLAIMED = {"claim_token": "", "lease_until": None}
# A write without these still says what the episode is; it is tried when the database refuses a value.
FIGURES = frozenset(
    (
        *("prompt_tokens", "completion_tokens", "tts_characters", "cost_usd", "audio_bytes", "duration_seconds"),
        *("chapters", "cues", "error_message", "passed_over"),
    )
)
VALUE_ERRORS = (DataError, ValueError, TypeError, ArithmeticError)
logger = logging.getLogger("dailycast")


class Job:
    """A claimed row. With `can_reschedule` a transient fault may put the row back for a later attempt.

    A job without a row is for callers of the public functions that save no episode.
    """

    def __init__(self, podcast: DailyPodcast | None = None, token: str = "", can_reschedule: bool = False) -> None:
        self.podcast = podcast
        self.skipped: Skip | None = None
        self.token = token
        self.can_reschedule = can_reschedule
        self.deadline = time.monotonic() + conf.DAILYCAST_JOB_TIMEOUT
        self.renewed_at = time.monotonic(), lease_clock()
        self.audio_name = ""  # of this attempt's own file
        self.reservation: ProviderCall | None = None  # of the budget, for speech that is not bought yet

    @property
    def row(self) -> DailyPodcast:
        assert self.podcast is not None, "a job without a row has nothing to write"  # noqa: S101
        return self.podcast

    def check(self) -> None:
        """Before anything is paid: raises ClaimLostError, ReleasedError or ProviderError when the job must stop."""
        if time.monotonic() >= self.deadline:
            raise ProviderError("the episode took longer than DAILYCAST_JOB_TIMEOUT", permanent=True)
        if self.podcast is None:
            return
        if self.can_reschedule and stopping.is_set():
            raise ReleasedError("This process is about to end.")
        if not self.holds_lease():
            self.renew()

    def holds_lease(self) -> bool:
        """Whether no other worker can have claimed the row. It uses two clocks, because each can be set or stopped."""
        since = time.monotonic() - self.renewed_at[0], lease_clock() - self.renewed_at[1]
        return all(-1 < seconds < conf.DAILYCAST_LEASE_SECONDS for seconds in since)

    def may_call(self) -> bool:
        """Whether a prepared call may still start: the lease holds. Does not ask the database."""
        return self.podcast is None or self.holds_lease()

    def renew(self) -> None:
        """Hold the lease for another term. Raises ClaimLostError when another worker has it, or the row is gone."""
        now = time.monotonic(), lease_clock()
        until = timezone.now() + timedelta(seconds=conf.DAILYCAST_LEASE_SECONDS)
        if not retry_database(self._claimed_rows().update, lease_until=until):
            self.renewed_at = LONG_AGO
            raise self._claim_lost()
        self.renewed_at = now

    def write(self, **values: Any) -> None:
        """Set and save just these fields, if the claim is still ours. Raises ClaimLostError if not.

        Where the database refuses a value, the figures among them are left out.
        """
        try:
            retry_database(self._write, values)
        except VALUE_ERRORS as error:
            rest = {name: value for name, value in values.items() if name not in FIGURES}
            if len(rest) == len(values):
                raise
            logger.error("Dailycast: episode %s is saved without figures: %s", self.row.pk, error)
            retry_database(self._write, rest)

    def write_passed_over(self, kind: Kind, failures: Sequence[tuple[str, Exception]]) -> None:
        """Keep on the row which providers of that kind have failed before the one that is asked next, and why."""
        if self.podcast is None:
            return
        others = [each for each in self.row.passed_over if each["kind"] != kind]
        failed = [{"kind": kind.value, "provider": name, "message": str(error)} for name, error in failures]
        if others + failed != self.row.passed_over:
            self.write(passed_over=others + failed)

    def write_audio_name(self) -> str:
        """The name of this attempt's own file, committed before the file is written; a second call changes nothing.

        A worker that lost the claim and goes on writing cannot touch the file of the worker that has it. What an
        earlier attempt has written is deleted first, while the row still names it.
        """
        if not self.audio_name:
            if self.row.audio_file:
                storage.delete_if_possible(str(self.row.audio_file.name))
            self.audio_name = retry_database(self._write_audio_name)
        return self.audio_name

    def delete_own_audio(self) -> None:
        """Delete this attempt's file, unless the row is completed with it: another attempt has another name."""
        mine = DailyPodcast.objects.filter(pk=self.row.pk, audio_file=self.audio_name, status=Status.COMPLETED)
        if self.audio_name and not retry_database(mine.exists):
            storage.delete_if_possible(self.audio_name)

    def current_script(self) -> str:
        """The script as the row has it now, which an editor may have changed since. Raises ClaimLostError."""
        scripts = self._claimed_rows().values_list("script_text", flat=True)
        script: str | None = retry_database(scripts.first)
        if script is None:
            raise self._claim_lost()
        return script

    def finish(self, status: Status, **values: Any) -> None:
        """Save the result and give up the claim, in one write."""
        self.write(status=status, **UNCLAIMED, **values)

    def reschedule(self, seconds: float, **values: Any) -> None:
        """Put the row back for another attempt, at the earliest in `seconds`."""
        due = timezone.now() + timedelta(seconds=seconds)
        self.finish(Status.PENDING, next_attempt_at=due, **values)

    def release(self) -> None:
        """Put the row back for another worker, at once: this attempt does not count."""
        self.finish(Status.PENDING, attempts=self.row.attempts - 1, next_attempt_at=timezone.now())

    def delete_row(self) -> None:
        """Delete the row, because there will be no episode."""
        retry_database(self._claimed_rows().delete)

    def retry_delay(self, error: BaseException) -> float | None:
        """The seconds until the next attempt; None if there will be none."""
        is_transient = isinstance(error, AnyDatabaseError) or (isinstance(error, ProviderError) and not error.permanent)
        attempts = self.row.attempts
        if not (self.can_reschedule and is_transient) or attempts >= conf.DAILYCAST_MAX_ATTEMPTS:
            return None
        asked = (error.retry_after if isinstance(error, ProviderError) else None) or 0.0
        return float(min(max(asked, FIRST_RETRY_DELAY * 2 ** (attempts - 1)), LONGEST_RETRY_DELAY))

    def _claim_lost(self) -> ClaimLostError:
        return ClaimLostError(f"Episode {self.row.pk} is another worker's now, or it is gone.")

    def _claimed_rows(self) -> Any:
        return DailyPodcast.objects.filter(pk=self.row.pk, claim_token=self.token, status=Status.RUNNING)

    def _write(self, values: dict[str, Any]) -> None:
        if not self._claimed_rows().update(**values, updated_at=timezone.now()):
            raise self._claim_lost()
        for name, value in values.items():
            setattr(self.row, name, value)

    def _write_audio_name(self) -> str:
        with transaction.atomic():
            name = self.row.name_audio()
            self._write({"audio_file": name})
        return name


def lease_clock() -> float:
    """Seconds since the epoch, by the clock that the leases use."""
    return timezone.now().timestamp()
