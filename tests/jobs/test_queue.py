"""The row is the job: asked for once, claimed by one, renewed, and given back, whatever happens to its worker."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import InterfaceError, OperationalError, connection, transaction
from django.utils import timezone

from dailycast import services
from dailycast.errors import (
    ClaimLostError,
    CooldownError,
    DailycastError,
    InTransactionError,
    LanguageError,
    ProviderError,
    ReleasedError,
)
from dailycast.jobs import cooldown, database, heartbeat
from dailycast.jobs import job as job_
from dailycast.jobs import queue as jobs
from dailycast.jobs.job import Job
from dailycast.models import DailyPodcast, Kind, Outcome, ProviderCall, Reason, Source, Status, lock_learner


def now(seconds: float = 0) -> Any:
    return timezone.now() + timedelta(seconds=seconds)


def claimed(user: User, **flags: Any) -> Job:
    job = jobs.claim(jobs.submit(user, "en").pk, **flags)
    assert job is not None
    return job


def row(**values: Any) -> DailyPodcast:
    """The only row, changed behind everybody's back."""
    DailyPodcast.objects.update(**values)
    return DailyPodcast.objects.get()


def together(call: Callable[[int], Any], number: int = 8, patient: bool = True) -> list[Any]:
    """`call` from so many threads at once, each on a connection of its own."""
    gate = threading.Barrier(number)

    def one(place: int) -> Any:
        gate.wait(5)
        try:
            return database.retry_database(lambda: call(place)) if patient else call(place)
        finally:
            connection.close()

    with ThreadPoolExecutor(number) as pool:
        return list(pool.map(one, range(number)))


# Asking for an episode


def test_an_episode_is_asked_for(alex: User) -> None:
    podcast = jobs.submit(alex, "en_gb", source=Source.ADMIN, minutes=2.5, with_audio=False, request_key="k")
    found = DailyPodcast.objects.get()
    assert podcast == found
    assert (found.user, found.language, found.status, found.source) == (alex, "en-GB", "pending", "admin")
    assert (found.minutes, found.with_audio, found.request_key, found.attempts) == (2.5, False, "k", 0)


def test_asking_twice_with_one_key_is_asking_once(alex: User) -> None:
    first, second = (jobs.submit(alex, "en", request_key="k") for _ in range(2))
    assert (first.pk, DailyPodcast.objects.count()) == (second.pk, 1)
    assert jobs.submit(alex, "en", request_key="other").pk != first.pk


def test_without_a_key_each_request_is_one(alex: User) -> None:
    assert len({jobs.submit(alex, "en", request_key=key).pk for key in (None, None)}) == 2


def quicker(user: User, monkeypatch: pytest.MonkeyPatch, place: int) -> None:
    """Let somebody insert the key for `user` at the beginning of the request's transaction of that place."""
    real, begun = transaction.atomic, list[int]()

    def late(*args: Any, **flags: Any) -> Any:
        begun.append(1)
        if len(begun) == place:
            monkeypatch.setattr("dailycast.jobs.queue.transaction.atomic", real)
            DailyPodcast.objects.create(user=user, request_key="k", title="the other's")
        return real(*args, **flags)

    monkeypatch.setattr("dailycast.jobs.queue.transaction.atomic", late)


@pytest.mark.parametrize("place", [1, 2])  # before the look for the key, and after it
def test_who_was_slower_with_the_same_key_gets_the_others_row(
    alex: User, monkeypatch: pytest.MonkeyPatch, place: int
) -> None:
    quicker(alex, monkeypatch, place)
    assert jobs.submit(alex, "en", request_key="k").title == "the other's"
    assert DailyPodcast.objects.count() == 1


@pytest.mark.parametrize("place", [1, 2])
def test_who_was_slower_with_another_learners_key_is_told(
    alex: User, monkeypatch: pytest.MonkeyPatch, place: int
) -> None:
    quicker(User.objects.create_user("kim"), monkeypatch, place)
    with pytest.raises(DailycastError, match="This request_key was used for another learner"):
        jobs.submit(alex, "en", request_key="k")


@pytest.mark.parametrize("source", ["", Source.PAGE])
def test_another_learners_key_is_refused_and_nothing_of_that_learner_is_shown(alex: User, source: str) -> None:
    jobs.submit(User.objects.create_user("kim"), "en", request_key="k")
    with pytest.raises(DailycastError, match="put the learner's id into it"):
        jobs.submit(alex, "en", request_key="k", source=source)
    assert DailyPodcast.objects.get().user.username == "kim"


def test_an_unknown_source_is_refused_by_name_before_there_is_a_row(alex: User) -> None:
    with pytest.raises(DailycastError, match="'pager' is no source: use one of admin, command, daily, page, api"):
        jobs.submit(alex, "en", source="pager")
    assert not DailyPodcast.objects.exists()
    assert jobs.submit(alex, "en", source="page").source == Source.PAGE


def test_a_key_that_is_too_long_for_the_column_is_refused_before_there_is_a_row(alex: User) -> None:
    with pytest.raises(DailycastError, match="The request_key has 101 characters, and 100 is the most"):
        jobs.submit(alex, "en", request_key="k" * 101)
    assert not DailyPodcast.objects.exists()
    assert len(jobs.submit(alex, "en", request_key="k" * 100).request_key or "") == 100


@pytest.mark.django_db(transaction=True)
def test_eight_requests_with_one_key_at_once_are_one() -> None:
    alex = User.objects.create_user("alex")
    assert len(set(together(lambda _: jobs.submit(alex, "en", request_key="k").pk))) == 1
    assert DailyPodcast.objects.count() == 1


def test_an_unknown_language_is_refused_before_there_is_a_row(alex: User) -> None:
    with pytest.raises(LanguageError):
        jobs.submit(alex, "klingon")
    assert not DailyPodcast.objects.exists()


# The cooldown


@pytest.mark.parametrize(
    ("source", "age", "status", "may"),
    [
        (Source.PAGE, 1, Status.COMPLETED, False),
        (Source.API, 23.9, Status.PENDING, False),
        (Source.PAGE, 24.1, Status.COMPLETED, True),
        (Source.PAGE, 1, Status.FAILED, True),
        (Source.DAILY, 1, Status.COMPLETED, True),
        (Source.ADMIN, 1, Status.COMPLETED, True),
    ],
)
def test_a_learner_asks_once_a_day(alex: User, source: Source, age: float, status: Status, may: bool) -> None:
    jobs.submit(alex, "en", source=source)
    asked = row(created_at=now(-age * 3600), status=status).created_at
    if may:
        assert cooldown.cooldown_until(alex) is None
        jobs.submit(alex, "en", source=Source.PAGE)
    else:
        with pytest.raises(CooldownError, match="The next episode can be asked for from") as caught:
            jobs.submit(alex, "en", source=Source.PAGE)
        assert caught.value.until == cooldown.cooldown_until(alex) == asked + timedelta(hours=24)


def test_the_cooldown_is_each_learners_own_and_stops_no_other_door(alex: User, settings: Any) -> None:
    jobs.submit(alex, "en", source=Source.PAGE)
    jobs.submit(User.objects.create_user("kim"), "en", source=Source.PAGE)
    jobs.submit(alex, "en", source=Source.ADMIN)
    settings.DAILYCAST_COOLDOWN_HOURS = 0.5
    DailyPodcast.objects.update(created_at=now(-1801))
    jobs.submit(alex, "en", source=Source.API)


def test_a_request_that_is_sent_again_meets_no_cooldown(alex: User) -> None:
    first = jobs.submit(alex, "en", source=Source.API, request_key="k")
    assert jobs.submit(alex, "en", source=Source.API, request_key="k") == first


@pytest.mark.django_db(transaction=True)
def test_eight_requests_of_one_learner_at_once_are_one_episode() -> None:
    alex = User.objects.create_user("alex")

    def ask(place: int) -> bool:
        try:
            return bool(jobs.submit(alex, "en", source=Source.PAGE, request_key=f"k{place}"))
        except CooldownError:
            return False

    assert together(ask).count(True) == DailyPodcast.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_one_click_that_comes_eight_times_at_once_is_one_episode_and_meets_no_cooldown() -> None:
    alex = User.objects.create_user("alex")
    pks = together(lambda _: jobs.submit(alex, "en", source=Source.PAGE, request_key="k").pk, patient=False)
    assert set(pks) == {DailyPodcast.objects.get().pk}


def test_who_waited_while_the_same_click_was_served_gets_its_row(alex: User, monkeypatch: pytest.MonkeyPatch) -> None:
    real = lock_learner

    def waits(pk: int) -> None:
        real(pk)
        DailyPodcast.objects.create(user=alex, source=Source.PAGE, request_key="k")

    monkeypatch.setattr("dailycast.jobs.queue.lock_learner", waits)
    assert jobs.submit(alex, "en", source=Source.PAGE, request_key="k") == DailyPodcast.objects.get()


def test_the_hour_from_which_one_may_ask_again_is_told_in_local_time(alex: User, settings: Any) -> None:
    settings.TIME_ZONE = "Asia/Tokyo"
    jobs.submit(alex, "en", source=Source.PAGE)
    moment = now(-3600).replace(microsecond=0)
    row(created_at=moment)
    there = (moment + timedelta(hours=24, minutes=9 * 60)).strftime("%Y-%m-%d %H:%M+09:00")
    with pytest.raises(CooldownError) as caught:
        jobs.submit(alex, "en", source=Source.PAGE)
    assert str(caught.value) == f"The next episode can be asked for from {there} on."


# The claim


def test_a_claim(alex: User) -> None:
    job = claimed(alex)
    found = DailyPodcast.objects.get()
    assert (found.status, found.claim_token, found.attempts) == ("running", job.token, 1)
    assert len(job.token) == 32
    assert found.lease_until is not None
    assert 55 < (found.lease_until - now()).total_seconds() <= 60
    assert jobs.claim(found.pk) is None


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
    pk = jobs.submit(alex, "en").pk
    row(**{name: now(value) if isinstance(value, int) else value for name, value in values.items()})
    assert (jobs.claim(pk) is not None) is may


def test_a_row_that_is_gone_cannot_be_claimed(db: None) -> None:
    assert jobs.claim(999) is None


@pytest.mark.django_db(transaction=True)
def test_of_eight_workers_one_gets_the_job() -> None:
    pk = jobs.submit(User.objects.create_user("alex"), "en").pk
    claims = [job for job in together(lambda _: jobs.claim(pk)) if job]
    assert len(claims) == 1
    assert claims[0].token == DailyPodcast.objects.get().claim_token
    assert DailyPodcast.objects.get().attempts == 1


def test_what_was_in_flight_when_a_worker_died_is_lost(alex: User) -> None:
    job = claimed(alex)
    call = {"podcast": job.podcast, "day": "2026-11-23", "provider": "shop", "kind": Kind.SPEECH}
    for outcome in (Outcome.UNKNOWN, Outcome.OK):
        ProviderCall.objects.create(**call, outcome=outcome)
    ProviderCall.objects.create(**{**call, "podcast": None}, outcome=Outcome.UNKNOWN)
    row(lease_until=now(-1))
    jobs.claim(job.row.pk)
    assert list(ProviderCall.objects.order_by("pk").values_list("outcome", flat=True)) == ["lost", "ok", "unknown"]


# Writing


def test_a_write_saves_these_fields_alone(alex: User) -> None:
    job = claimed(alex)
    job.row.title = "not yet"
    job.write(script_text="Hello.")
    found = DailyPodcast.objects.get()
    assert (found.script_text, found.title, job.row.script_text) == ("Hello.", "", "Hello.")


LOST: dict[str, Callable[[], object]] = {
    "another's": lambda: DailyPodcast.objects.update(claim_token="another"),
    "taken back": lambda: DailyPodcast.objects.update(status=Status.PENDING),
    "gone": lambda: DailyPodcast.objects.all().delete(),
}
WRITES: dict[str, Callable[[Job], object]] = {
    "write": lambda job: job.write(title="Mine"),
    "name": lambda job: job.write_audio_name(),
    "end": lambda job: job.finish(Status.COMPLETED, title="Mine"),
    "put back": lambda job: job.reschedule(5, title="Mine"),
    "release": lambda job: job.release(),
    "renew": lambda job: job.renew(),
    "read": lambda job: job.current_script(),
}


@pytest.mark.parametrize("lost", LOST)
@pytest.mark.parametrize("write", WRITES)
def test_who_lost_the_job_writes_nothing(alex: User, lost: str, write: str) -> None:
    job = claimed(alex)
    LOST[lost]()
    before = list(DailyPodcast.objects.values())
    with pytest.raises(ClaimLostError, match="another worker's now, or it is gone"):
        WRITES[write](job)
    assert list(DailyPodcast.objects.values()) == before


def test_who_lost_the_job_does_not_delete_the_row(alex: User) -> None:
    job = claimed(alex)
    row(claim_token="another")
    job.delete_row()
    assert DailyPodcast.objects.exists()
    row(claim_token=job.token)
    job.delete_row()
    assert not DailyPodcast.objects.exists()


def test_the_file_name_is_chosen_once(alex: User) -> None:
    job = claimed(alex)
    name = job.write_audio_name()
    assert name == DailyPodcast.objects.get().audio_file.name == job.row.audio_file.name
    assert job.write_audio_name() == name


def test_the_script_is_read_as_it_stands(alex: User) -> None:
    job = claimed(alex)
    row(script_text="Edited.")
    assert job.current_script() == "Edited."


# The end of an attempt


def test_the_last_write_frees_the_row(alex: User) -> None:
    claimed(alex).finish(Status.COMPLETED, title="Done")
    found = DailyPodcast.objects.get()
    assert (found.status, found.title, found.claim_token, found.lease_until) == ("completed", "Done", "", None)


def test_a_job_that_is_put_back_is_due_later(alex: User) -> None:
    job = claimed(alex)
    job.reschedule(30, error_code=Reason.NO_SCRIPT)
    found = DailyPodcast.objects.get()
    assert (found.status, found.claim_token, found.attempts, found.error_code) == ("pending", "", 1, "no_script")
    assert found.next_attempt_at is not None
    assert 25 < (found.next_attempt_at - now()).total_seconds() <= 30
    assert jobs.claim(found.pk) is None
    row(next_attempt_at=now(-1))
    again = jobs.claim(found.pk)
    assert again is not None
    assert (again.row.attempts, again.row.error_code, again.row.next_attempt_at) == (2, "", None)


def test_a_job_that_is_released_is_due_at_once_and_does_not_count_as_an_attempt(alex: User) -> None:
    job = claimed(alex)
    job.release()
    found = DailyPodcast.objects.get()
    assert (found.status, found.attempts, found.next_attempt_at) == ("pending", 0, None)
    assert jobs.claim(found.pk) is not None


# Whether to go on


def test_a_job_out_of_time_does_not_go_on(alex: User) -> None:
    job = claimed(alex)
    job.check()
    job.deadline = time.monotonic()
    with pytest.raises(ProviderError, match="DAILYCAST_JOB_TIMEOUT"):
        job.check()


@pytest.mark.parametrize("patient", [True, False])
def test_only_a_job_that_somebody_comes_back_to_is_given_back_when_the_process_ends(alex: User, patient: bool) -> None:
    job = claimed(alex, can_reschedule=patient)
    job_.stopping.set()
    try:
        if patient:
            with pytest.raises(ReleasedError):
                job.check()
        else:
            job.check()
    finally:
        job_.stopping.clear()


def test_who_slept_past_the_lease_asks_before_going_on(alex: User) -> None:
    job = claimed(alex)
    row(lease_until=now(-5))
    job.renewed_at = job_.LONG_AGO
    job.check()
    assert job.holds_lease()
    assert (DailyPodcast.objects.get().lease_until or now()) > now(55)
    row(claim_token="another")
    job.check()
    job.renewed_at = job_.LONG_AGO
    with pytest.raises(ClaimLostError):
        job.check()


def test_without_a_row_only_the_time_matters() -> None:
    job = Job()
    job.renewed_at = job_.LONG_AGO
    job.check()
    with pytest.raises(AssertionError, match="nothing to write"):
        job.write(title="x")


# Back to the queue


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
def test_what_a_person_may_have_tried_again(alex: User, values: dict[str, Any], may: bool) -> None:
    pk = jobs.submit(alex, "en").pk
    tried = {"attempts": 3, "error_code": Reason.NEEDS_PERSON, "error_message": "told", "with_audio": False}
    before = row(**tried, **values)
    assert jobs.reopen(pk) is may
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


def test_a_person_writes_off_what_was_lost(alex: User) -> None:
    podcast = jobs.submit(alex, "en")
    other = jobs.submit(alex, "en")
    DailyPodcast.objects.update(status=Status.FAILED)
    for each in (podcast, other):
        ProviderCall.objects.create(
            podcast=each, day="2026-11-23", provider="shop", kind=Kind.SPEECH, outcome=Outcome.LOST
        )
    jobs.reopen(podcast.pk)
    assert podcast.calls.get().outcome == "written_off"
    assert other.calls.get().outcome == "lost"


def test_a_sweep_takes_back_what_dead_workers_had(alex: User, logged: pytest.LogCaptureFixture) -> None:
    assert jobs.sweep() == 0
    leases = [now(-1), None, now(500), now(30)]
    for lease in leases:
        jobs.submit(alex, "en")
        DailyPodcast.objects.filter(pk=DailyPodcast.objects.order_by("-pk")[0].pk).update(
            status=Status.RUNNING, claim_token="x", lease_until=lease, attempts=1
        )
    assert jobs.sweep() == 3
    assert jobs.sweep() == 0
    found = DailyPodcast.objects.order_by("pk").values_list("status", "claim_token", "attempts")
    assert list(found) == [("pending", "", 1)] * 3 + [("running", "x", 1)]
    assert logged.messages == ["Dailycast: 3 episodes were taken back from workers that are gone"]
    assert len(jobs.due(9)) == 3


def test_due_rows_come_oldest_first_and_no_more_than_asked_for(alex: User) -> None:
    rows = [jobs.submit(alex, "en").pk for _ in range(4)]
    DailyPodcast.objects.filter(pk=rows[0]).update(next_attempt_at=now(30))
    DailyPodcast.objects.filter(pk=rows[1]).update(next_attempt_at=now(-30))
    assert jobs.due(2) == rows[1:3]
    assert jobs.due(0) == []


def test_what_nobody_has_in_hand(alex: User) -> None:
    new, waiting, old, put_back = (jobs.submit(alex, "en").pk for _ in range(4))
    DailyPodcast.objects.filter(pk=waiting).update(next_attempt_at=now(30))
    DailyPodcast.objects.filter(pk=old).update(updated_at=now(-61))
    DailyPodcast.objects.filter(pk=put_back).update(next_attempt_at=now(-1))
    assert jobs.adopt_stale(9) == [old, put_back]
    assert jobs.adopt_stale(9) == []
    assert new in jobs.due(9)


@pytest.mark.django_db(transaction=True)
def test_each_forgotten_row_is_given_to_one_caller() -> None:
    alex = User.objects.create_user("alex")
    rows = [jobs.submit(alex, "en").pk for _ in range(5)]
    DailyPodcast.objects.update(next_attempt_at=now(-1))
    assert sorted(pk for given in together(lambda _: jobs.adopt_stale(9)) for pk in given) == rows


# The heart


@pytest.fixture
def lease(settings: Any) -> Iterator[float]:
    settings.DAILYCAST_LEASE_SECONDS = 0.6
    yield 0.6
    thread = heartbeat.heartbeat.thread
    if thread:
        thread.join(5)


@pytest.mark.django_db(transaction=True)
def test_the_lease_is_renewed_while_the_job_is_worked_on(lease: float) -> None:
    job = claimed(User.objects.create_user("alex"))
    with heartbeat.keep_lease(job):
        time.sleep(3 * lease)
        assert jobs.sweep() == 0
    time.sleep(1.2 * lease)
    assert jobs.sweep() == 1


@pytest.mark.django_db(transaction=True)
def test_the_lease_is_not_renewed_past_the_deadline(lease: float) -> None:
    job = claimed(User.objects.create_user("alex"))
    job.deadline = time.monotonic()
    with heartbeat.keep_lease(job):
        time.sleep(2 * lease)
        assert jobs.sweep() == 1


@pytest.mark.django_db(transaction=True)
def test_one_heart_beats_for_all_jobs_and_ends_with_the_last(lease: float) -> None:
    alex = User.objects.create_user("alex")
    one, two = claimed(alex), claimed(alex)
    with heartbeat.keep_lease(one):
        DailyPodcast.objects.filter(pk=one.row.pk).update(claim_token="another")
        with heartbeat.keep_lease(two):
            time.sleep(2 * lease)
            hearts = [thread for thread in threading.enumerate() if thread.name == "dailycast-heartbeat"]
            assert len(hearts) == 1
            assert DailyPodcast.objects.get(pk=two.row.pk).lease_until > now()
            assert DailyPodcast.objects.get(pk=one.row.pk).lease_until < now()
    hearts[0].join(5)
    assert not hearts[0].is_alive()


# The database


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
def test_but_not_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "RETRY_FOR", 0.3)
    start, tries = time.monotonic(), list[int]()

    def write() -> None:
        tries.append(1)
        raise OperationalError("the server has gone away")

    with pytest.raises(OperationalError):
        database.retry_database(write)
    assert len(tries) >= 2
    assert time.monotonic() - start < 2


@pytest.mark.django_db(transaction=True)
def test_inside_a_transaction_nothing_is_tried_again() -> None:
    tries: list[int] = []

    def write() -> None:
        tries.append(1)
        raise OperationalError("deadlock")

    with pytest.raises(OperationalError), transaction.atomic():
        database.retry_database(write)
    assert tries == [1]


@pytest.mark.django_db(transaction=True)
def test_no_episode_is_made_inside_a_transaction(settings: Any) -> None:
    settings.DAILYCAST_LEARNER_CONTEXT = ""
    alex = User.objects.create_user("alex")
    doors: list[Callable[[], object]] = [
        lambda: services.create_podcast_for_user(alex, "en"),
        lambda: services.generate_podcast_script(alex, "en"),
        lambda: services.synthesize_audio("Hello.", "en"),
        lambda: services.retry_now(DailyPodcast(user=alex)),
    ]
    for door in doors:
        with pytest.raises(InTransactionError, match="would lose what was paid"), transaction.atomic():
            door()
    assert not DailyPodcast.objects.exists()
    database.require_no_transaction()


def test_the_transaction_around_a_test_is_none(db: None) -> None:
    database.require_no_transaction()
    with pytest.raises(InTransactionError), transaction.atomic():
        database.require_no_transaction()
