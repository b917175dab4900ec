"""The queue: submit, claim, take back from dead workers, retry. There is no broker: the rows are the queue."""

import logging
import secrets
from datetime import date, datetime, timedelta
from typing import Any

from django.contrib.auth.base_user import AbstractBaseUser
from django.db import IntegrityError, transaction
from django.db.models import F, Q
from django.utils import timezone

from ..conf import conf
from ..errors import DailycastError
from ..languages.table import normalise
from ..models import DailyPodcast, Outcome, ProviderCall, Reason, Source, Status, lock_learner
from .cooldown import LEARNERS_OWN, require_cooled_down
from .database import retry_database
from .job import UNCLAIMED, Job

logger = logging.getLogger("dailycast")

LONGEST_KEY = 100  # characters of a request_key


# Submit


def submit(user: AbstractBaseUser, language: str | None = None, **asked: Any) -> DailyPodcast:
    """A new pending row for `user`, or the earlier one with this `request_key`.

    `language` is BCP-47, by default the learner's own; `asked` are fields of the row (source, requested_by,
    request_key, minutes, with_audio, edition_date, context). Raises LanguageError; CooldownError for a learner who
    asks too soon; DailycastError for an unknown source, or a key that is too long or another learner's.
    """
    asked["language"] = normalise(language) if language else ""
    key, source = asked.get("request_key") or None, asked.get("source", "")
    asked["request_key"] = key  # an empty one is no key: the column is unique
    if source and source not in Source.values:
        raise DailycastError(f"{source!r} is no source: use one of {', '.join(Source.values)}.")
    if key and len(key) > LONGEST_KEY:
        raise DailycastError(f"The request_key has {len(key)} characters, and {LONGEST_KEY} is the most.")
    if earlier := _asked_before(user, key):
        return earlier
    try:
        with transaction.atomic():
            if source in LEARNERS_OWN:
                lock_learner(user.pk)
                if earlier := _asked_before(user, key):  # while we waited
                    return earlier
                require_cooled_down(user)
            return DailyPodcast.objects.create(user=user, **asked)  # type: ignore[misc]  # any user model
    except IntegrityError:
        earlier = _asked_before(user, key)  # another request was faster
        if not earlier:
            raise
        return earlier


def _asked_before(user: AbstractBaseUser, key: str | None) -> DailyPodcast | None:
    """The row of `key`, also one that was committed after our transaction began, where a database would not show it."""
    if not key:
        return None
    with transaction.atomic():
        row = DailyPodcast.objects.select_for_update().filter(request_key=key).first()
    if row and row.user_id != user.pk:
        raise DailycastError("This request_key was used for another learner: put the learner's id into it.")
    return row


def reopen(pk: int) -> bool:
    """Reset a row without audio for a retry that a person asked for: pending, due now, no attempts counted.

    A row that had ended gets `with_audio=True`. False for a row that has its audio, or is running.
    """
    without_audio = Q(status=Status.COMPLETED) & (Q(audio_file=None) | Q(audio_file="") | Q(error_code=Reason.MISSING))
    values = {"attempts": 0, "next_attempt_at": None, "error_code": "", "error_message": ""}
    rows, now = DailyPodcast.objects.filter(pk=pk), timezone.now()
    with transaction.atomic():
        reopened = rows.filter(status=Status.PENDING).update(**values, updated_at=now) or rows.filter(
            without_audio | Q(status=Status.FAILED)
        ).update(**values, status=Status.PENDING, with_audio=True, updated_at=now)
        if reopened:
            _calls(pk, Outcome.LOST).update(outcome=Outcome.WRITTEN_OFF)
    return bool(reopened)


# Claim and sweep


def claim(pk: int, can_reschedule: bool = False) -> Job | None:
    """The job of a row that is due, or whose lease has run out; None when there is nothing to do, or no such row."""
    return retry_database(_claim, pk, can_reschedule)


def _claim(pk: int, can_reschedule: bool) -> Job | None:
    token, now = secrets.token_hex(16), timezone.now()
    values = {"status": Status.RUNNING, "claim_token": token, "attempts": F("attempts") + 1, "next_attempt_at": None}
    lease = now + timedelta(seconds=conf.DAILYCAST_LEASE_SECONDS)
    rows = DailyPodcast.objects.filter(_due(now) | _expired(now), pk=pk)
    with transaction.atomic():
        if not rows.update(**values, lease_until=lease, error_code="", error_message="", updated_at=now):
            return None
        _calls(pk, Outcome.UNKNOWN).update(outcome=Outcome.LOST)  # the worker that made them died
        podcast = DailyPodcast.objects.select_related("user").filter(pk=pk, claim_token=token).first()
    return Job(podcast, token, can_reschedule) if podcast else None


def sweep() -> int:
    """Take back every job whose worker has died, and return their number. May run in any process, at any time."""
    now = timezone.now()
    expired = DailyPodcast.objects.filter(_expired(now))
    if not expired.exists():  # which takes no lock
        return 0
    taken = expired.update(status=Status.PENDING, next_attempt_at=now, **UNCLAIMED, updated_at=now)
    if taken:  # else another sweep was quicker
        logger.warning("Dailycast: %s episodes were taken back from workers that are gone", taken)
    return taken


def due(most: int) -> list[int]:
    """The keys of pending rows that may be claimed now, oldest first."""
    return list(DailyPodcast.objects.filter(_due(timezone.now())).order_by("pk").values_list("pk", flat=True)[:most])


def adopt_stale(most: int, other_than: date | None = None) -> list[int]:
    """Reserve due rows that no worker has started for the length of a lease, and return their primary keys.

    Each row goes to one caller only, who has the length of a lease to start it. `other_than`: an edition to leave out.
    """
    now = timezone.now()
    waited = Q(next_attempt_at=None) & Q(updated_at__lt=now - timedelta(seconds=conf.DAILYCAST_LEASE_SECONDS))
    rows = DailyPodcast.objects.filter(Q(status=Status.PENDING) & (waited | Q(next_attempt_at__lte=now)))
    rows = rows.exclude(edition_date=other_than) if other_than else rows
    found = list(rows.order_by("pk").values_list("pk", flat=True)[:most])
    return [pk for pk in found if rows.filter(pk=pk).update(next_attempt_at=None, updated_at=now)]


def hand_back(pk: int) -> None:
    """Let the next sweep adopt a row that this process was to start: it need not wait for the length of a lease."""
    rows = DailyPodcast.objects.filter(pk=pk, status=Status.PENDING, next_attempt_at=None)
    retry_database(rows.update, next_attempt_at=timezone.now())


def _due(now: datetime) -> Q:
    return Q(status=Status.PENDING) & (Q(next_attempt_at=None) | Q(next_attempt_at__lte=now))


def _expired(now: datetime) -> Q:
    """Running rows whose lease has ended, is missing, or ends so late that a wrong clock must have written it."""
    longest = now + timedelta(seconds=2 * conf.DAILYCAST_LEASE_SECONDS)
    ended = Q(lease_until=None) | Q(lease_until__lt=now) | Q(lease_until__gt=longest)
    return Q(status=Status.RUNNING) & ended


def _calls(pk: int, outcome: Outcome) -> Any:
    return ProviderCall.objects.filter(podcast_id=pk, outcome=outcome)


# Announce


def take_announcement(pk: int) -> DailyPodcast | None:
    """The completed episode if it has not been announced yet; it counts as announced from now on."""
    row = DailyPodcast.objects.filter(pk=pk)
    unannounced = row.filter(status=Status.COMPLETED, announced=False)
    return retry_database(row.first) if retry_database(unannounced.update, announced=True) else None


def unannounced(within: timedelta) -> list[int]:
    """The keys of episodes completed in that time whose worker ended before it announced them."""
    now = timezone.now()
    period = now - within, now - timedelta(seconds=conf.DAILYCAST_LEASE_SECONDS)
    rows = DailyPodcast.objects.filter(status=Status.COMPLETED, announced=False, completed_at__range=period)
    return retry_database(list, rows.values_list("pk", flat=True))
