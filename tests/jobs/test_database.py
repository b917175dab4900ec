"""Database errors are retried, but not inside a caller's transaction."""

import time
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import InterfaceError, OperationalError, transaction

from dailycast import services
from dailycast.errors import InTransactionError
from dailycast.jobs import database
from dailycast.models import DailyPodcast


@pytest.mark.parametrize("error", [OperationalError("database is locked"), InterfaceError("connection already closed")])
@pytest.mark.django_db(transaction=True)
def test_a_database_that_is_gone_for_a_moment_is_waited_for(error: Exception) -> None:
    errors = [error, error]

    def write() -> str:
        if errors:
            raise errors.pop()
        return "written"

    assert database.retry_database(write) == "written"


@pytest.mark.django_db(transaction=True)
def test_a_database_that_stays_gone_is_not_waited_for_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "RETRY_FOR", 0.3)
    start, attempts = time.monotonic(), list[int]()

    def write() -> None:
        attempts.append(1)
        raise OperationalError("the server has gone away")

    with pytest.raises(OperationalError):
        database.retry_database(write)
    assert len(attempts) >= 2
    assert time.monotonic() - start < 2


@pytest.mark.django_db(transaction=True)
def test_inside_a_transaction_nothing_is_retried() -> None:
    attempts: list[int] = []

    def write() -> None:
        attempts.append(1)
        raise OperationalError("deadlock")

    with pytest.raises(OperationalError), transaction.atomic():
        database.retry_database(write)
    assert attempts == [1]


@pytest.mark.django_db(transaction=True)
def test_no_episode_is_made_inside_a_transaction(settings: Any) -> None:
    settings.DAILYCAST_LEARNER_CONTEXT = ""
    alex = User.objects.create_user("alex")
    entry_points: list[Callable[[], object]] = [
        lambda: services.create_podcast_for_user(alex, "en"),
        lambda: services.generate_podcast_script(alex, "en"),
        lambda: services.synthesize_audio("Hello.", "en"),
        lambda: services.retry_now(DailyPodcast(user=alex)),
    ]
    for call in entry_points:
        with pytest.raises(InTransactionError, match="would lose what was paid"), transaction.atomic():
            call()
    assert not DailyPodcast.objects.exists()
    database.require_no_transaction()


def test_the_transaction_around_a_test_does_not_count(db: None) -> None:
    database.require_no_transaction()
    with pytest.raises(InTransactionError), transaction.atomic():
        database.require_no_transaction()
