"""The queue: an episode is asked for once, claimed by one worker, taken back from a dead one, and announced once."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import QuerySet

from dailycast.errors import DailycastError, LanguageError
from dailycast.jobs import queue
from dailycast.models import DailyPodcast, Kind, Outcome, ProviderCall, Reason, Source, Status
from tests.jobs.rows import changed_row, claimed, from_now, in_threads

# Submit


def test_an_episode_is_asked_for(alex: User) -> None:
    podcast = queue.submit(alex, "en_gb", source=Source.ADMIN, minutes=2.5, with_audio=False, request_key="k")
    found = DailyPodcast.objects.get()
    assert podcast == found
    assert (found.user, found.language, found.status, found.source) == (alex, "en-GB", "pending", "admin")
    assert (found.minutes, found.with_audio, found.request_key, found.attempts) == (2.5, False, "k", 0)


def test_two_requests_with_one_key_are_one_episode(alex: User) -> None:
    first, second = (queue.submit(alex, "en", request_key="k") for _ in range(2))
    assert (first.pk, DailyPodcast.objects.count()) == (second.pk, 1)
    assert queue.submit(alex, "en", request_key="other").pk != first.pk


def test_without_a_key_each_request_is_an_episode(alex: User) -> None:
    assert len({queue.submit(alex, "en", request_key=key).pk for key in (None, None)}) == 2


def insert_at_transaction(user: User, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """Insert the key for `user` at the beginning of the request's transaction of that number."""
    real, transactions = transaction.atomic, list[int]()

    def insert_first(*args: Any, **flags: Any) -> Any:
        transactions.append(1)
        if len(transactions) == number:
            monkeypatch.setattr("dailycast.jobs.queue.transaction.atomic", real)
            DailyPodcast.objects.create(user=user, request_key="k", title="the quicker one")
        return real(*args, **flags)

    monkeypatch.setattr("dailycast.jobs.queue.transaction.atomic", insert_first)


@pytest.mark.parametrize("number", [1, 2])  # before the look for the key, and after it
def test_the_slower_of_two_requests_with_one_key_gets_the_row_of_the_quicker(
    alex: User, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    insert_at_transaction(alex, monkeypatch, number)
    assert queue.submit(alex, "en", request_key="k").title == "the quicker one"
    assert DailyPodcast.objects.count() == 1


@pytest.mark.parametrize("number", [1, 2])
def test_the_slower_request_with_another_learners_key_is_refused(
    alex: User, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    insert_at_transaction(User.objects.create_user("kim"), monkeypatch, number)
    with pytest.raises(DailycastError, match="This request_key was used for another learner"):
        queue.submit(alex, "en", request_key="k")


@pytest.mark.parametrize("source", ["", Source.PAGE])
def test_another_learners_key_is_refused_and_nothing_of_that_learner_is_shown(alex: User, source: str) -> None:
    queue.submit(User.objects.create_user("kim"), "en", request_key="k")
    with pytest.raises(DailycastError, match="put the learner's id into it"):
        queue.submit(alex, "en", request_key="k", source=source)
    assert DailyPodcast.objects.get().user.username == "kim"


def test_an_unknown_source_is_refused_by_name_before_there_is_a_row(alex: User) -> None:
    with pytest.raises(DailycastError, match="'pager' is no source: use one of admin, command, daily, page, api"):
        queue.submit(alex, "en", source="pager")
    assert not DailyPodcast.objects.exists()
    assert queue.submit(alex, "en", source="page").source == Source.PAGE


def test_a_key_that_is_too_long_for_the_column_is_refused_before_there_is_a_row(alex: User) -> None:
    with pytest.raises(DailycastError, match="The request_key has 101 characters, and 100 is the most"):
        queue.submit(alex, "en", request_key="k" * 101)
    assert not DailyPodcast.objects.exists()
    assert len(queue.submit(alex, "en", request_key="k" * 100).request_key or "") == 100


@pytest.mark.django_db(transaction=True)
def test_eight_requests_with_one_key_at_once_are_one_episode() -> None:
    alex = User.objects.create_user("alex")
    assert len(set(in_threads(lambda _: queue.submit(alex, "en", request_key="k").pk))) == 1
    assert DailyPodcast.objects.count() == 1


def test_an_unknown_language_is_refused_before_there_is_a_row(alex: User) -> None:
    with pytest.raises(LanguageError):
        queue.submit(alex, "klingon")
    assert not DailyPodcast.objects.exists()


# The claim


def test_a_claim(alex: User) -> None:
    job = claimed(alex)
    found = DailyPodcast.objects.get()
    assert (found.status, found.claim_token, found.attempts) == ("running", job.token, 1)
    assert len(job.token) == 32
    assert found.lease_until is not None
    assert 55 < (found.lease_until - from_now()).total_seconds() <= 60
    assert queue.claim(found.pk) is None


@pytest.mark.parametrize(
    ("values", "may"),
    [
        ({"status": "pending", "next_attempt_at": None}, True),
        ({"status": "pending", "next_attempt_at": -1}, True),
        ({"status": "pending", "next_attempt_at": 5}, False),
        ({"status": "running", "lease_until": 5}, False),
        ({"status": "running", "lease_until": -1}, True),
        ({"status": "running", "lease_until": None}, True),
        ({"status": "running", "lease_until": 119}, False),
        ({"status": "running", "lease_until": 125}, True),  # no clock of today can have written this
        ({"status": "completed"}, False),
        ({"status": "failed"}, False),
    ],
)
def test_what_may_be_claimed(alex: User, values: dict[str, Any], may: bool) -> None:
    pk = queue.submit(alex, "en").pk
    changed_row(**{name: from_now(value) if isinstance(value, int) else value for name, value in values.items()})
    assert (queue.claim(pk) is not None) is may


def test_a_row_that_is_gone_cannot_be_claimed(db: None) -> None:
    assert queue.claim(999) is None


@pytest.mark.django_db(transaction=True)
def test_of_eight_workers_one_gets_the_job() -> None:
    pk = queue.submit(User.objects.create_user("alex"), "en").pk
    claims = [job for job in in_threads(lambda _: queue.claim(pk)) if job]
    assert len(claims) == 1
    assert claims[0].token == DailyPodcast.objects.get().claim_token
    assert DailyPodcast.objects.get().attempts == 1


def test_a_claim_marks_the_open_calls_of_the_dead_worker_as_lost(alex: User) -> None:
    job = claimed(alex)
    call = {"podcast": job.podcast, "day": "2026-11-23", "provider": "shop", "kind": Kind.SPEECH}
    for outcome in (Outcome.UNKNOWN, Outcome.OK):
        ProviderCall.objects.create(**call, outcome=outcome)
    ProviderCall.objects.create(**{**call, "podcast": None}, outcome=Outcome.UNKNOWN)
    changed_row(lease_until=from_now(-1))
    queue.claim(job.row.pk)
    assert list(ProviderCall.objects.order_by("pk").values_list("outcome", flat=True)) == ["lost", "ok", "unknown"]


# Reopening, and sweeping


@pytest.mark.parametrize(
    ("values", "may"),
    [
        ({"status": "completed"}, True),
        ({"status": "completed", "audio_file": ""}, True),
        ({"status": "completed", "audio_file": "podcasts/a.mp3"}, False),
        ({"status": "failed"}, True),
        ({"status": "pending"}, True),
        ({"status": "running"}, False),
    ],
)
def test_what_may_be_reopened(alex: User, values: dict[str, Any], may: bool) -> None:
    pk = queue.submit(alex, "en").pk
    tried = {"attempts": 3, "error_code": Reason.NEEDS_PERSON, "error_message": "details", "with_audio": False}
    before = changed_row(**tried, **values)
    assert queue.reopen(pk) is may
    found = DailyPodcast.objects.get()
    if may:
        assert (found.status, found.attempts, found.failure_text) == ("pending", 0, "")
        assert found.with_audio is (values["status"] != "pending")  # what was asked for, or what a person wants now
    else:
        assert (found.status, found.attempts, found.with_audio, found.failure_text) == (
            before.status,
            3,
            False,
            before.failure_text,
        )


def test_reopening_writes_off_lost_calls(alex: User) -> None:
    podcast = queue.submit(alex, "en")
    other = queue.submit(alex, "en")
    DailyPodcast.objects.update(status=Status.FAILED)
    for each in (podcast, other):
        ProviderCall.objects.create(
            podcast=each, day="2026-11-23", provider="shop", kind=Kind.SPEECH, outcome=Outcome.LOST
        )
    queue.reopen(podcast.pk)
    assert podcast.calls.get().outcome == "written_off"
    assert other.calls.get().outcome == "lost"


def test_a_sweep_takes_back_the_rows_of_dead_workers(alex: User, logged: pytest.LogCaptureFixture) -> None:
    assert queue.sweep() == 0
    leases = [from_now(-1), None, from_now(500), from_now(30)]
    for lease in leases:
        queue.submit(alex, "en")
        DailyPodcast.objects.filter(pk=DailyPodcast.objects.order_by("-pk")[0].pk).update(
            status=Status.RUNNING, claim_token="x", lease_until=lease, attempts=1
        )
    assert queue.sweep() == 3
    assert queue.sweep() == 0
    found = DailyPodcast.objects.order_by("pk").values_list("status", "claim_token", "attempts")
    assert list(found) == [("pending", "", 1)] * 3 + [("running", "x", 1)]
    assert logged.messages == ["Dailycast: 3 episodes were taken back from workers that are gone"]
    assert len(queue.due(9)) == 3


def test_a_sweep_that_finds_another_was_quicker_says_nothing(
    alex: User, logged: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    claimed(alex)
    changed_row(lease_until=None)
    exists = QuerySet.exists

    def exists_until_now(rows: Any) -> bool:
        found = exists(rows)
        changed_row(status=Status.PENDING, claim_token="")
        return found

    monkeypatch.setattr(QuerySet, "exists", exists_until_now)
    assert (queue.sweep(), logged.messages) == (0, [])


def test_due_rows_come_oldest_first_and_no_more_than_asked_for(alex: User) -> None:
    rows = [queue.submit(alex, "en").pk for _ in range(4)]
    DailyPodcast.objects.filter(pk=rows[0]).update(next_attempt_at=from_now(30))
    DailyPodcast.objects.filter(pk=rows[1]).update(next_attempt_at=from_now(-30))
    assert queue.due(2) == rows[1:3]
    assert queue.due(0) == []


def test_stale_rows_are_adopted_once(alex: User) -> None:
    new, waiting, old, put_back = (queue.submit(alex, "en").pk for _ in range(4))
    DailyPodcast.objects.filter(pk=waiting).update(next_attempt_at=from_now(30))
    DailyPodcast.objects.filter(pk=old).update(updated_at=from_now(-61))
    DailyPodcast.objects.filter(pk=put_back).update(next_attempt_at=from_now(-1))
    assert queue.adopt_stale(9) == [old, put_back]
    assert queue.adopt_stale(9) == []
    assert new in queue.due(9)


@pytest.mark.django_db(transaction=True)
def test_each_stale_row_is_given_to_one_caller() -> None:
    alex = User.objects.create_user("alex")
    rows = [queue.submit(alex, "en").pk for _ in range(5)]
    DailyPodcast.objects.update(next_attempt_at=from_now(-1))
    assert sorted(pk for adopted in in_threads(lambda _: queue.adopt_stale(9)) for pk in adopted) == rows


# Announcing


def test_a_completed_episode_is_announced_once(alex: User) -> None:
    podcast = queue.submit(alex, "en")
    assert queue.take_announcement(podcast.pk) is None
    changed_row(status=Status.COMPLETED)
    announced = queue.take_announcement(podcast.pk)
    assert announced is not None
    assert (announced.pk, announced.announced) == (podcast.pk, True)
    assert queue.take_announcement(podcast.pk) is None


@pytest.mark.parametrize("status", [Status.PENDING, Status.RUNNING, Status.FAILED])
def test_an_episode_that_is_not_completed_stays_unannounced(alex: User, status: Status) -> None:
    podcast = queue.submit(alex, "en")
    changed_row(status=status)
    assert queue.take_announcement(podcast.pk) is None
    assert changed_row().announced is False


@pytest.mark.django_db(transaction=True)
def test_of_eight_workers_one_announces() -> None:
    podcast = queue.submit(User.objects.create_user("alex"), "en")
    changed_row(status=Status.COMPLETED)
    announced = in_threads(lambda _: queue.take_announcement(podcast.pk))
    assert [each for each in announced if each] == [podcast]


@pytest.mark.parametrize(
    ("values", "is_found"),
    [
        ({"completed_at": -61}, True),
        ({"completed_at": -3599}, True),
        ({"completed_at": -59}, False),  # its worker may be about to announce it
        ({"completed_at": -3601}, False),
        ({"completed_at": -61, "announced": True}, False),
        ({"completed_at": -61, "status": Status.FAILED}, False),
    ],
)
def test_episodes_that_their_worker_did_not_announce(alex: User, values: dict[str, Any], is_found: bool) -> None:
    pk = queue.submit(alex, "en").pk
    changed_row(**{"status": Status.COMPLETED, **values, "completed_at": from_now(values["completed_at"])})
    assert queue.unannounced(within=timedelta(hours=1)) == ([pk] if is_found else [])


def test_an_empty_request_key_is_no_key(alex: User) -> None:
    first, second = (queue.submit(alex, "en", request_key="") for _ in range(2))
    assert (first.pk != second.pk, first.request_key, second.request_key) == (True, None, None)
