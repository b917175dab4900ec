"""A job: guarded writes, the end of an attempt, and whether to go on."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.db import OperationalError

from dailycast.audio import storage
from dailycast.errors import ClaimLostError, ProviderError, ReleasedError
from dailycast.jobs import queue
from dailycast.jobs.job import LONG_AGO, Job, stopping
from dailycast.models import DailyPodcast, Reason, Status
from tests.jobs.rows import changed_row, claimed, from_now

# Writing


def test_a_write_saves_these_fields_alone(alex: User) -> None:
    job = claimed(alex)
    job.row.title = "not yet"
    job.write(script_text="Hello.")
    found = DailyPodcast.objects.get()
    assert (found.script_text, found.title, job.row.script_text) == ("Hello.", "", "Hello.")


LOST: dict[str, Callable[[], object]] = {
    "claimed by another": lambda: DailyPodcast.objects.update(claim_token="another"),
    "taken back": lambda: DailyPodcast.objects.update(status=Status.PENDING),
    "gone": lambda: DailyPodcast.objects.all().delete(),
}


WRITES: dict[str, Callable[[Job], object]] = {
    "write": lambda job: job.write(title="Mine"),
    "write_audio_name": lambda job: job.write_audio_name(),
    "finish": lambda job: job.finish(Status.COMPLETED, title="Mine"),
    "reschedule": lambda job: job.reschedule(5, title="Mine"),
    "release": lambda job: job.release(),
    "renew": lambda job: job.renew(),
    "current_script": lambda job: job.current_script(),
}


@pytest.mark.parametrize("how", LOST)
@pytest.mark.parametrize("write", WRITES)
def test_a_worker_that_lost_the_job_writes_nothing(alex: User, how: str, write: str) -> None:
    job = claimed(alex)
    LOST[how]()
    before = list(DailyPodcast.objects.values())
    with pytest.raises(ClaimLostError, match="another worker's now, or it is gone"):
        WRITES[write](job)
    assert list(DailyPodcast.objects.values()) == before


def test_a_worker_that_lost_the_job_does_not_delete_the_row(alex: User) -> None:
    job = claimed(alex)
    changed_row(claim_token="another")
    job.delete_row()
    assert DailyPodcast.objects.exists()
    changed_row(claim_token=job.token)
    job.delete_row()
    assert not DailyPodcast.objects.exists()


def test_the_file_name_is_chosen_once(alex: User) -> None:
    job = claimed(alex)
    name = job.write_audio_name()
    assert name == DailyPodcast.objects.get().audio_file.name == job.row.audio_file.name
    assert job.write_audio_name() == name


def test_the_script_is_read_as_the_row_has_it(alex: User) -> None:
    job = claimed(alex)
    changed_row(script_text="Edited.")
    assert job.current_script() == "Edited."


# The end of an attempt


def test_the_last_write_ends_the_claim(alex: User) -> None:
    claimed(alex).finish(Status.COMPLETED, title="Done")
    found = DailyPodcast.objects.get()
    assert (found.status, found.title, found.claim_token, found.lease_until) == ("completed", "Done", "", None)


def test_a_rescheduled_job_is_due_later(alex: User) -> None:
    job = claimed(alex)
    job.reschedule(30, error_code=Reason.NO_SCRIPT)
    found = DailyPodcast.objects.get()
    assert (found.status, found.claim_token, found.attempts, found.error_code) == ("pending", "", 1, "no_script")
    assert found.next_attempt_at is not None
    assert 25 < (found.next_attempt_at - from_now()).total_seconds() <= 30
    assert queue.claim(found.pk) is None
    changed_row(next_attempt_at=from_now(-1))
    next_job = queue.claim(found.pk)
    assert next_job is not None
    assert (next_job.row.attempts, next_job.row.error_code, next_job.row.next_attempt_at) == (2, "", None)


def test_a_released_job_is_due_at_once_and_does_not_count_as_an_attempt(alex: User) -> None:
    job = claimed(alex)
    job.release()
    found = DailyPodcast.objects.get()
    assert (found.status, found.attempts, found.next_attempt_at <= from_now()) == ("pending", 0, True)
    assert queue.claim(found.pk) is not None


# Whether to go on


@pytest.mark.parametrize("has_row", [True, False])
def test_a_job_past_its_deadline_does_not_go_on(alex: User, has_row: bool) -> None:
    job = claimed(alex) if has_row else Job()
    job.check()
    job.deadline = time.monotonic()
    with pytest.raises(ProviderError, match="the episode took longer than DAILYCAST_JOB_TIMEOUT") as caught:
        job.check()
    assert caught.value.permanent is True


@pytest.mark.parametrize("can_reschedule", [True, False])
def test_only_a_job_that_can_be_rescheduled_is_released_when_the_process_ends(alex: User, can_reschedule: bool) -> None:
    job = claimed(alex, can_reschedule=can_reschedule)
    stopping.set()
    try:
        if can_reschedule:
            with pytest.raises(ReleasedError):
                job.check()
        else:
            job.check()
    finally:
        stopping.clear()


def test_a_worker_that_slept_past_its_lease_renews_it_before_it_goes_on(alex: User) -> None:
    job = claimed(alex)
    changed_row(lease_until=from_now(-5))
    job.renewed_at = LONG_AGO
    job.check()
    assert job.holds_lease()
    assert (DailyPodcast.objects.get().lease_until or from_now()) > from_now(55)
    changed_row(claim_token="another")
    job.check()
    job.renewed_at = LONG_AGO
    with pytest.raises(ClaimLostError):
        job.check()


def test_a_job_without_a_row_has_no_lease_and_writes_nothing() -> None:
    job = Job()
    job.renewed_at = LONG_AGO
    job.check()
    with pytest.raises(AssertionError, match="nothing to write"):
        job.write(title="x")


@pytest.mark.parametrize(
    ("error", "attempts", "delay"),
    [
        (ProviderError("busy", permanent=False), 1, 30),
        (ProviderError("busy", permanent=False), 3, 120),
        (ProviderError("busy", permanent=False, retry_after=45), 1, 45),
        (ProviderError("busy", permanent=False, retry_after=45), 2, 60),
        (ProviderError("busy", permanent=False, retry_after=90_000), 1, 86_400),
        (OperationalError("the server has gone away"), 2, 60),
        (ProviderError("busy", permanent=False), 5, None),
        (ProviderError("wrong key", permanent=True), 1, None),
        (OSError("No space left on device"), 1, None),
    ],
)
def test_the_next_attempt_comes_later_each_time_and_as_the_vendor_asks(
    alex: User, error: Exception, attempts: int, delay: float | None
) -> None:
    job = claimed(alex, can_reschedule=True)
    job.row.attempts = attempts
    assert job.retry_delay(error) == delay
    job.can_reschedule = False
    assert job.retry_delay(error) is None


# Its file


def next_attempt() -> Job:
    """The only row's job after its worker died."""
    job = queue.claim(changed_row(lease_until=from_now(-1)).pk)
    assert job is not None
    return job


def test_an_attempt_deletes_the_file_of_the_one_before_and_writes_its_own(alex: User, media: Path) -> None:
    dead = claimed(alex)
    storage.write_atomic(dead.write_audio_name(), b"from a worker that died")
    job = next_attempt()
    name = job.write_audio_name()
    assert (name != dead.audio_name, job.write_audio_name(), DailyPodcast.objects.get().audio_file.name) == (
        True,
        name,
        name,
    )
    assert not list(media.rglob("*.mp3"))


def test_a_worker_that_lost_the_job_deletes_its_own_file_alone(alex: User, media: Path) -> None:
    suspended = claimed(alex)
    suspended.write_audio_name()
    job = next_attempt()
    storage.write_atomic(job.write_audio_name(), b"of the worker that has the job")
    job.finish(Status.COMPLETED)
    storage.write_atomic(suspended.audio_name, b"of the worker that was suspended")
    suspended.delete_own_audio()
    job.delete_own_audio()  # as after a write whose success was not reported
    assert [path.read_bytes() for path in media.rglob("*.mp3")] == [b"of the worker that has the job"]


# A value that the database refuses


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("value", [10**20, "many", {}, float("nan")])
def test_the_last_write_leaves_out_figures_that_the_database_refuses(alex: User, value: object) -> None:
    job = claimed(alex)
    job.finish(Status.COMPLETED, script_text="# Saved", tts_characters=value)
    found = DailyPodcast.objects.get()
    assert (found.status, found.script_text, found.tts_characters) == ("completed", "# Saved", None)


def test_another_value_that_the_database_refuses_is_an_error(alex: User) -> None:
    with pytest.raises((TypeError, ValueError)):
        claimed(alex).write(attempts="many")
