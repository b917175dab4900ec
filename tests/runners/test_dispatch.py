"""Asking for an episode, and asking again."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import ImproperlyConfigured
from django.db import transaction
from django.test import Client
from django.utils import timezone

from dailycast import runners
from dailycast.errors import InTransactionError
from dailycast.jobs import queue
from dailycast.models import DailyPodcast, Reason, Source, Status
from dailycast.runners import thread
from tests.cloud import Cloud, Fault
from tests.runners.helpers import row, wait_until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("quick_retries", "no_records")]


def test_the_inline_runner_makes_it_at_once(alex: User) -> None:
    podcast = runners.submit(alex, "en", source=Source.ADMIN)
    assert (podcast.pk, row().status, row().source) == (row().pk, "completed", "admin")


def test_the_inline_runner_refuses_a_transaction_before_there_is_a_row(alex: User) -> None:
    with pytest.raises(InTransactionError), transaction.atomic():
        runners.submit(alex, "en")
    assert not DailyPodcast.objects.exists()


def test_a_row_that_the_inline_runner_left_is_made_after_the_next_visit(alex: User, client: Client) -> None:
    running = queue.submit(alex, "en")
    queue.submit(User.objects.create_user("kim"), "en")  # and never claimed
    past = timezone.now() - timedelta(hours=1)
    DailyPodcast.objects.update(updated_at=past)
    DailyPodcast.objects.filter(pk=running.pk).update(status=Status.RUNNING, attempts=1, lease_until=past)
    client.force_login(alex)
    assert client.get("/dailycast/").status_code == 200
    assert wait_until(lambda: DailyPodcast.objects.filter(status=Status.COMPLETED).count() == 2)
    assert {each.attempts for each in DailyPodcast.objects.all()} == {1, 2}


def test_a_sweep_of_the_inline_runner_leaves_alone_what_somebody_has_just_asked_for(alex: User) -> None:
    queue.submit(alex, "en")
    runners.sweep()
    assert (row().status, thread.pool().load) == ("pending", 0)


def test_an_unknown_runner_is_named(alex: User, settings: Any) -> None:
    settings.DAILYCAST_RUNNER = "walker"
    with pytest.raises(ImproperlyConfigured, match="DAILYCAST_RUNNER must be one of inline, thread, worker, celery"):
        runners.submit(alex, "en")


def test_a_person_may_retry_what_failed(writer: Cloud, alex: User) -> None:
    writer.fail("openai", Fault.BAD_KEY)
    runners.submit(alex, "en")
    assert row().status == "failed"
    assert runners.retry(row()) is True
    assert (row().status, row().error_code) == ("completed", Reason.AUDIO_NOT_CONFIGURED)


def test_what_is_being_made_is_not_retried(alex: User) -> None:
    job = queue.claim(queue.submit(alex, "en").pk)
    assert job is not None
    assert runners.retry(row()) is False
    assert (row().status, row().claim_token) == ("running", job.token)
