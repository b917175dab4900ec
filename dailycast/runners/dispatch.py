"""Submitting an episode: writes the row and passes its key to the runner that DAILYCAST_RUNNER names."""

from typing import Protocol

from django.contrib.auth.base_user import AbstractBaseUser
from django.core.exceptions import ImproperlyConfigured
from django.db import transaction

from ..conf import conf
from ..jobs import queue
from ..jobs.database import require_no_transaction
from ..models import DailyPodcast
from . import celery, inline, thread, worker


class Runner(Protocol):
    """A module of this folder: `start` makes the episode of a row, or hands the row's key on."""

    def start(self, pk: int) -> None: ...


ADOPTED_AT_ONCE = 100  # stale rows taken up by one sweep

RUNNERS: dict[str, Runner] = {"inline": inline, "thread": thread, "worker": worker, "celery": celery}

# Who makes the rows that a sweep finds stale. A visitor does not wait for an episode, which may be another learner's:
# for `inline` a thread makes it. Workers look for stale rows themselves.
ADOPTERS: dict[str, Runner] = {"inline": thread, "thread": thread, "celery": celery}


def submit(user: AbstractBaseUser, language: str | None = None, **asked: object) -> DailyPodcast:
    """Submit an episode and return its row at once: see `jobs.queue.submit`. The runner starts after the commit."""
    if conf.DAILYCAST_RUNNER == "inline":
        require_no_transaction()
    podcast = queue.submit(user, language, **asked)
    start(podcast.pk)
    sweep()
    return podcast


def retry(podcast: DailyPodcast) -> bool:
    """Retry an episode on a person's request. False when it has its audio, or is being made."""
    reopened = queue.reopen(podcast.pk)
    if reopened:
        start(podcast.pk)
    sweep()
    return reopened


def start(pk: int) -> None:
    """Hand one row to the runner. Where that fails, say because a broker is down, the row waits for a sweep."""
    runner = _runner()
    if conf.DAILYCAST_RUNNER == "inline":
        return runner.start(pk)
    return _start_after_commit(runner, pk)


def sweep() -> None:
    """Take back the rows of dead workers, and start the stale ones. Never waits for a vendor."""
    queue.sweep()
    if adopter := ADOPTERS.get(conf.DAILYCAST_RUNNER):  # system checks name a wrong one
        for pk in queue.adopt_stale(ADOPTED_AT_ONCE):
            _start_after_commit(adopter, pk)


def _start_after_commit(runner: Runner, pk: int) -> None:
    transaction.on_commit(lambda: runner.start(pk), robust=True)


def _runner() -> Runner:
    try:
        return RUNNERS[conf.DAILYCAST_RUNNER]
    except KeyError:
        raise ImproperlyConfigured(f"DAILYCAST_RUNNER must be one of {', '.join(RUNNERS)}.") from None
