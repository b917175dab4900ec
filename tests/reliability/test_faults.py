"""Every fault of the vendors, the disk, the database, the clock and the people, on one learner of five."""

import errno
import os
import re
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from django.contrib.auth.models import User
from django.core.files.storage import default_storage
from django.core.management import CommandError
from django.db import OperationalError, connection
from django.db.backends.utils import CursorWrapper
from django.utils import timezone

from dailycast import services
from dailycast.audio import clips, storage
from dailycast.jobs import job as job_
from dailycast.jobs import queue as jobs
from dailycast.jobs.job import Job
from dailycast.models import DailyPodcast, ProviderCall, Reason, Status
from dailycast.purchases import attempts
from dailycast.runners import nightly
from dailycast.studio import estimate, voices
from dailycast.tts import polly
from dailycast.tts.base import Voice
from tests.cloud import Cloud, Fault

from .matrix import (
    MOST_THROTTLED,
    MOST_TRIES,
    NAMES,
    SECOND,
    UNLUCKY,
    Ended,
    covered,
    edition,
    enrol,
    fired,
    heard,
    most_asked,
    nothing_left,
    of,
    readable,
    row,
    script,
    well,
    when_spoken,
)

pytestmark = [pytest.mark.reliability, pytest.mark.django_db(transaction=True)]
POINT = SECOND.format(UNLUCKY)
ATTEMPTS = 2
UNCOUNTED = (Fault.BAD_JSON, Fault.HTML)  # a page says nothing of characters, so the most stays on the ledger
SLOW = (Fault.RATE_LIMIT, Fault.HANG, Fault.DRIP)  # one attempt is enough of them

SAY_LATER = "try again later"
NETWORK = "check the network"


@dataclass(frozen=True)
class Case:
    """A fault that stays, and how the episode ends that meets it. `tries` are those of one attempt."""

    vendor: str
    fault: Fault
    told: str
    tries: int = MOST_TRIES
    lasting: bool = False  # no second attempt
    waits: bool = False  # the vendor named a time: the episode is put back till then
    stops: bool = False  # every learner would meet it
    mended: bool = False  # dailycast helps itself

    def __str__(self) -> str:
        return f"{self.vendor}-{self.fault}"

    @property
    def attempts(self) -> int:
        return 1 if self.lasting or self.waits or self.fault in SLOW else ATTEMPTS


def at_once(vendor: str, fault: Fault, told: str) -> Case:
    return Case(vendor, fault, told, tries=1, lasting=True)


def for_all(vendor: str, fault: Fault, told: str) -> Case:
    return replace(at_once(vendor, fault, told), stops=True)


def later(vendor: str, fault: Fault) -> Case:
    return Case(vendor, fault, SAY_LATER, tries=1, waits=True)


BROKEN = (Fault.RESET, Fault.CUT_LENGTH, Fault.CUT_CHUNKED)
SILENT = (Fault.HANG, Fault.DRIP)
WRITER = [
    for_all("openai", Fault.BAD_KEY, "check OPENAI_API_KEY"),
    for_all("openai", Fault.QUOTA, "add credit"),
    Case("openai", Fault.RATE_LIMIT, SAY_LATER),
    Case("openai", Fault.RATE_LIMIT_NONSENSE, SAY_LATER),
    later("openai", Fault.RATE_LIMIT_HOUR),
    later("openai", Fault.RATE_LIMIT_DATE),
    Case("openai", Fault.SERVER_ERROR, SAY_LATER),
    Case("openai", Fault.UNAVAILABLE, SAY_LATER),
    *(Case("openai", fault, NETWORK) for fault in BROKEN),
    *(Case("openai", fault, "no answer within|could not be reached") for fault in SILENT),
    *(Case("openai", fault, "check OPENAI_BASE_URL") for fault in (Fault.CUT_SILENT, Fault.BAD_JSON, Fault.HTML)),
    Case("openai", Fault.NO_CHOICES, "not a chat completion"),
    Case("openai", Fault.EMPTY, SAY_LATER),
    at_once("openai", Fault.REFUSAL, "look for what may offend"),
    at_once("openai", Fault.FILTER, "look for what may offend"),
    at_once("openai", Fault.LENGTH, "ask for fewer DAILYCAST_MINUTES"),
]
NO_MP3 = "not a whole MP3|too short"
VOICE = [
    for_all("polly", Fault.BAD_KEY, "check AWS_ACCESS_KEY_ID"),
    for_all("polly", Fault.BAD_SIGNATURE, "check AWS_ACCESS_KEY_ID"),
    for_all("polly", Fault.EXPIRED_TOKEN, "renew them and AWS_SESSION_TOKEN"),
    Case("polly", Fault.RATE_LIMIT, SAY_LATER, tries=MOST_THROTTLED),
    Case("polly", Fault.RATE_LIMIT_NONSENSE, SAY_LATER, tries=MOST_THROTTLED),
    later("polly", Fault.RATE_LIMIT_HOUR),
    later("polly", Fault.RATE_LIMIT_DATE),
    Case("polly", Fault.SERVER_ERROR, SAY_LATER),
    Case("polly", Fault.UNAVAILABLE, SAY_LATER, tries=MOST_TRIES),
    *(Case("polly", fault, NETWORK) for fault in BROKEN),
    *(Case("polly", fault, "no answer within|could not be reached") for fault in SILENT),
    *(Case("polly", fault, NO_MP3) for fault in (Fault.CUT_SILENT, Fault.NO_AUDIO, Fault.HALF_AUDIO)),
    *(Case("polly", fault, "check AWS_ENDPOINT_URL_POLLY") for fault in (Fault.BAD_JSON, Fault.HTML)),
    Case("polly", Fault.ENGINE, "", tries=1, mended=True),
    Case("polly", Fault.ENGINE_AS_VALIDATION, "", tries=1, mended=True),
    at_once("polly", Fault.TEXT_TOO_LONG, "split the clip"),
    *(
        at_once("polly", fault, "DAILYCAST_VOICES")
        for fault in (Fault.SAMPLE_RATE, Fault.LANGUAGE, Fault.VOICE, Fault.SSML)
    ),
]
MATRIX = [*WRITER, *VOICE]


@pytest.fixture(autouse=True)
def school(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Five learners, one writer and one voice; pauses that nobody waits for are short."""
    settings.DAILYCAST_LEARNER_CONTEXT = "tests.reliability.matrix.learner"
    settings.DAILYCAST_LLM_PROVIDERS = ["openai"]
    settings.DAILYCAST_MAX_ATTEMPTS = ATTEMPTS
    monkeypatch.setattr(attempts, "RETRY_DELAY", 0.0)
    monkeypatch.setattr(attempts, "FIRST_BACKOFF", 0.0002)
    monkeypatch.setattr(polly, "_engine_refusals", {})
    monkeypatch.setattr(job_, "FIRST_RETRY_DELAY", 0.05)
    monkeypatch.setattr(nightly, "LONGEST_WAIT", 5.0)
    monkeypatch.setattr(nightly, "POLL_SECONDS", 0.02)
    enrol()
    yield
    connection.close()


def faulty(cloud: Cloud, case: Case, settings: Any) -> None:
    settings.DAILYCAST_MAX_ATTEMPTS = case.attempts if case.fault in SLOW else ATTEMPTS
    if case.fault in SILENT:
        # A drip is a byte a second: with less than a second the SDK's own timeout would end it, and not ours.
        seconds = 0.3 if case.fault == Fault.HANG else 1.1
        settings.DAILYCAST_LLM_TIMEOUT = settings.DAILYCAST_SPEECH_TIMEOUT = seconds
    text = UNLUCKY if case.vendor == "openai" else POINT
    cloud.script = script
    cloud.fail(case.vendor, case.fault, times=1 if case.mended else None, matching=text)


@pytest.fixture
def vendors(cloud: Cloud, settings: Any) -> Iterator[Callable[[Fault], Cloud]]:
    """The stand-in; one of its own for a drip, whose end ends the drip."""
    with ExitStack() as stack:

        def choose(fault: Fault) -> Cloud:
            if fault != Fault.DRIP:
                return cloud
            own = stack.enter_context(Cloud())
            for name, value in own.environment.items():
                setattr(settings, name, value)
            return own

        yield choose


def judge(case: Case, cloud: Cloud, ended: Ended) -> None:
    """Everything that holds for every fault."""
    assert fired(cloud, case.vendor, case.fault) >= 1, "the fault never came, so nothing was tested"
    assert most_asked(cloud, case.vendor) <= case.tries * case.attempts
    covered(cloud, exactly=case.fault not in UNCOUNTED)
    if case.stops:
        assert (ended.status, "Stopped, " in ended.err) == (2, True)
        assert all(heard(found) for found in DailyPodcast.objects.exclude(user__first_name=UNLUCKY))
        return
    for name in NAMES:
        if name != UNLUCKY:
            well(name)


def says(found: DailyPodcast, case: Case) -> None:
    assert re.search(case.told, found.error_message), found.error_message
    if case.fault not in SILENT:  # see test_a_call_that_is_given_up_says_what_to_do
        assert readable(found.error_message) == "", found.error_message


# The vendors


@pytest.mark.parametrize("case", WRITER, ids=str)
def test_a_writers_fault_ends_one_learners_episode_and_says_so(
    case: Case, vendors: Callable[[Fault], Cloud], settings: Any, media: Path
) -> None:
    cloud = vendors(case.fault)
    faulty(cloud, case, settings)
    ended = edition()
    judge(case, cloud, ended)
    found = row()
    state = Status.PENDING if case.waits else Status.FAILED
    assert (found.status, found.error_code, found.attempts) == (state, Reason.NO_SCRIPT, case.attempts)
    assert (ended.status, of(cloud, "polly")) == (2 if case.stops else 1, [])
    assert (found.next_attempt_at is not None) == case.waits
    says(found, case)
    cloud.closing.set() if case.fault == Fault.DRIP else None
    nothing_left(media)


@pytest.mark.parametrize("case", [case for case in WRITER if case.fault != Fault.DRIP], ids=str)  # as HANG, and slow
def test_with_another_writer_behind_it_a_writers_fault_is_no_learners(
    case: Case, vendors: Callable[[Fault], Cloud], settings: Any, media: Path
) -> None:
    cloud = vendors(case.fault)
    faulty(cloud, case, settings)
    settings.DAILYCAST_LLM_PROVIDERS = ["openai", "template"]
    ended = edition()
    judge(case, cloud, ended)
    well(UNLUCKY)
    assert (row().llm_provider, row().attempts) == ("template", 1)
    assert ended.status == (2 if case.stops else 0)
    cloud.closing.set() if case.fault == Fault.DRIP else None
    nothing_left(media)


@pytest.mark.parametrize("case", VOICE, ids=str)
def test_a_voices_fault_leaves_one_learner_a_script_and_says_so(
    case: Case, vendors: Callable[[Fault], Cloud], settings: Any, media: Path
) -> None:
    cloud = vendors(case.fault)
    faulty(cloud, case, settings)
    ended = edition()
    judge(case, cloud, ended)
    found = row()
    assert len(of(cloud, "openai")) == 1
    assert found.attempts == case.attempts if not case.mended else found.attempts == 1
    if case.mended:
        well(UNLUCKY)
        assert found.tts_voice == "Joanna standard"
    else:
        state = Status.PENDING if case.waits else Status.COMPLETED
        assert (found.status, found.error_code, found.has_audio) == (state, Reason.AUDIO_FAILED, False)
        assert (found.script_text, ended.status) == (script(f'"first_name": "{UNLUCKY}"'), 2 if case.stops else 1)
        says(found, case)
    cloud.closing.set() if case.fault == Fault.DRIP else None
    nothing_left(media)


PASSING = [case for case in MATRIX if case.tries > 1 and case.fault not in SLOW]


@pytest.mark.parametrize("vendor", ["openai", "polly"])
def test_faults_that_pass_are_not_seen_at_all(vendor: str, cloud: Cloud, settings: Any, media: Path) -> None:
    """One fault for each of five learners at a time, until all have had their turn."""
    cloud.script = script
    waiting = [case.fault for case in PASSING if case.vendor == vendor]
    while waiting:
        DailyPodcast.objects.all().delete()
        ProviderCall.objects.all().delete()
        for name in NAMES:
            text = name if vendor == "openai" else SECOND.format(name)
            if waiting:
                cloud.fail(vendor, waiting.pop(), matching=text)
        for path in media.rglob("*.mp3"):
            path.unlink()
        ended = edition()
        assert (ended.status, ended.err) == (0, "")
        for name in NAMES:
            well(name)
    nothing_left(media)


def test_the_matrix_has_every_fault_that_the_stand_in_knows(cloud: Cloud) -> None:
    for vendor, cases in (("openai", WRITER), ("polly", VOICE)):
        known = next(each for each in cloud._vendors if each.name == vendor)
        listed = [case.fault for case in cases]
        assert len(listed) == len(set(listed))
        assert {fault for fault in Fault if known.knows(fault)} == set(listed)


def test_a_matrix_that_injects_nothing_is_found_out(cloud: Cloud, settings: Any) -> None:
    case = WRITER[0]
    cloud.script = script
    cloud.fail(case.vendor, case.fault, times=None, matching="a text that nobody's prompt holds")
    with pytest.raises(AssertionError, match="nothing was tested"):
        judge(case, cloud, edition())


@pytest.mark.parametrize("vendor", ["openai", "polly"])
def test_a_call_that_is_given_up_says_what_to_do(vendor: str, cloud: Cloud, settings: Any) -> None:
    faulty(cloud, Case(vendor, Fault.HANG, ""), settings)
    edition()
    assert (readable(row().error_message), NETWORK in row().error_message) == ("", True), row().error_message


# The disk


@contextmanager
def refusing(number: int, *names: str) -> Iterator[list[str]]:
    """`storage.write_atomic` fails with this errno for names that hold one of `names`."""
    real, refused = storage.write_atomic, list[str]()

    def picky(name: str, data: bytes) -> str:
        if any(part in name for part in names):
            refused.append(name)
            raise OSError(number, os.strerror(number), name)
        return real(name, data)

    with patch.object(storage, "replace", picky):
        yield refused
    assert refused, "the disk took everything, so nothing was tested"


def third_clip() -> str:
    return clips.file_name(voices.clip_key("polly", Voice("Joanna", "neural"), POINT))


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EIO], ids=errno.errorcode.__getitem__)
@pytest.mark.parametrize("what", ["clip", "episode"])
def test_a_disk_that_takes_no_more_costs_one_learner_the_audio_until_it_does(
    number: int, what: str, cloud: Cloud, media: Path
) -> None:
    cloud.script = script
    name = third_clip() if what == "clip" else f"podcast_{User.objects.get(first_name=UNLUCKY).pk}_"
    with refusing(number, name):
        ended = edition()
    found, asked = row(), len(cloud.calls)
    assert (found.status, found.error_code, found.has_audio) == (Status.COMPLETED, Reason.NOT_SAVED, False)
    assert os.strerror(number) in found.error_message
    assert ended.status == 1
    for each in set(NAMES) - {UNLUCKY}:
        well(each)
    covered(cloud)
    nothing_left(media)
    services.retry_now(found)
    well(UNLUCKY)
    assert [call.text for call in cloud.calls[asked:]] == ([POINT] if what == "clip" else [])
    covered(cloud)
    nothing_left(media)


def test_without_room_on_the_disk_no_speech_is_bought_for_that_learner(
    cloud: Cloud, media: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud.script = script
    free, real = threading.local(), estimate.bytes_needed

    def need_room(text: str) -> int:
        free.bytes = 1_000 if UNLUCKY in text else 10**12
        return real(text)

    monkeypatch.setattr(services, "bytes_needed", need_room)
    monkeypatch.setattr(storage, "free_bytes", lambda: free.bytes)
    ended, found = edition(), row()
    assert (found.status, found.error_code, of(cloud, "polly")) == (Status.COMPLETED, Reason.NOT_SAVED, [])
    assert "the disk has 0.0 MB free, and this episode may need" in found.error_message
    assert ended.status == 1
    for each in set(NAMES) - {UNLUCKY}:
        well(each)
    covered(cloud)
    nothing_left(media)


def test_a_folder_that_cannot_be_written_ends_the_edition_before_anything_is_paid(
    cloud: Cloud, media: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(CommandError, match="cannot be written by this user. Make MEDIA_ROOT writable"):
        edition()
    assert (cloud.calls, DailyPodcast.objects.count()) == ([], 0)


def test_an_episode_that_can_neither_be_saved_nor_deleted_ends_and_is_counted(
    cloud: Cloud, media: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud.script = script

    def refuse(name: str) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), name)

    monkeypatch.setattr(default_storage, "delete", refuse)
    with refusing(errno.EACCES, f"podcast_{User.objects.get(first_name=UNLUCKY).pk}_"):
        ended = edition()
    assert ended.status == 1, ended.out
    assert (row().status, row().error_code) == (Status.COMPLETED, Reason.NOT_SAVED)
    for each in set(NAMES) - {UNLUCKY}:
        well(each)
    nothing_left(media)


# The database


@pytest.mark.parametrize("patience", [20.0, 0.05], ids=["as-configured", "that-gives-up-at-once"])
def test_a_database_that_is_locked_for_a_second_is_waited_for(
    patience: float, cloud: Cloud, media: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if connection.vendor != "sqlite":
        pytest.skip("only SQLite locks the whole database")
    cloud.script = script
    monkeypatch.setitem(connection.settings_dict["OPTIONS"], "timeout", patience)
    locked = threading.Event()

    def hold() -> None:
        with closing(sqlite3.connect(connection.settings_dict["NAME"], isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            locked.set()
            time.sleep(1)
            other.execute("ROLLBACK")

    def lock() -> None:
        threading.Thread(target=hold, daemon=True).start()
        assert locked.wait(5)

    with when_spoken(cloud, POINT, lock):
        everyone_is_well(edition(), cloud, media)


def everyone_is_well(ended: Ended, cloud: Cloud, media: Path, again: int = 0) -> None:
    assert (ended.status, ended.err) == (0, ""), ended.out
    for name in NAMES:
        well(name)
    assert most_asked(cloud, "polly") <= 1 + again
    assert len(of(cloud, "openai")) <= 1
    covered(cloud)
    nothing_left(media)


@contextmanager
def gone(skip: int, times: int = 2) -> Iterator[list[str]]:
    """The database answers `skip` statements of each thread but this one, not the next `times`, then all again."""
    real, counted, lost = CursorWrapper.execute, count(), list[str]()
    here = threading.get_ident()

    def execute(self: Any, sql: str, params: Any = None) -> Any:
        if threading.get_ident() != here and threading.current_thread().name.startswith("dailycast"):
            number = next(counted)
            if skip <= number < skip + times:
                lost.append(sql)
                raise OperationalError("server closed the connection unexpectedly")
        return real(self, sql, params)

    with patch.object(CursorWrapper, "execute", execute):
        yield lost


def test_a_database_that_goes_and_comes_back_is_waited_for(cloud: Cloud, media: Path) -> None:
    cloud.script = script
    with ExitStack() as stack, when_spoken(cloud, POINT, lambda: stack.enter_context(gone(0))):
        ended = edition()
    everyone_is_well(ended, cloud, media)


def cut_all_connections() -> None:
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            return
        cursor.execute("SELECT id FROM information_schema.processlist WHERE db = database() AND id <> connection_id()")
        for (number,) in cursor.fetchall():
            cursor.execute(f"KILL {number}")


def test_connections_that_the_server_cuts_are_made_anew(cloud: Cloud, alex: User, media: Path) -> None:
    if connection.vendor == "sqlite":
        pytest.skip("SQLite has no server")
    cloud.script = script
    podcast = jobs.submit(User.objects.get(first_name=UNLUCKY), "en")
    with when_spoken(cloud, POINT, cut_all_connections):
        in_a_job(lambda: services.run(podcast.pk))
    connection.close()
    well(UNLUCKY)
    nothing_left(media)


def in_a_job(call: Callable[[], object]) -> None:
    """In a thread like a runner's."""

    def work() -> None:
        try:
            call()
        finally:
            connection.close()

    thread = threading.Thread(target=work, name="dailycast-job")
    thread.start()
    thread.join(60)
    assert not thread.is_alive()


@dataclass(frozen=True)
class Lapse:
    """What came of an episode when the database did not answer its statement of this `number`."""

    number: int
    sql: str
    at_once: str  # its state when its worker was done, empty when it was well
    later: str  # the same after the lease had run out and another had taken it up

    def __str__(self) -> str:
        return f"{self.number}: {self.at_once}: {self.sql[:60]} ... {self.sql[-80:]}"


def lapses(times: int, media: Path) -> list[Lapse]:
    """An episode for each statement of it, that one and perhaps the next unanswered."""
    learner, found = User.objects.get(first_name=UNLUCKY), list[Lapse]()
    for number in count():
        DailyPodcast.objects.all().delete()
        for path in media.rglob("*.mp3"):
            path.unlink()
        podcast = jobs.submit(learner, "en")
        with gone(number, times) as lost:
            in_a_job(lambda: services.run(podcast.pk, can_reschedule=True))  # noqa: B023
        at_once = state(row())
        DailyPodcast.objects.filter(status=Status.RUNNING).update(lease_until=timezone.now() - timedelta(seconds=1))
        jobs.sweep()
        services.run(podcast.pk, can_reschedule=True)
        if not lost:
            return found
        found.append(Lapse(number, lost[0], at_once, state(row())))
    raise AssertionError


def state(found: DailyPodcast) -> str:
    return "" if heard(found) else f"{found.status} {found.error_code} {found.error_message}".strip()


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who waits for the database looks again at once."""
    sleep = time.sleep
    monkeypatch.setattr("dailycast.jobs.queue.time.sleep", lambda seconds: sleep(min(seconds, 0.001)))


def test_an_episode_that_lost_its_database_for_two_statements_is_well_after_its_lease(
    cloud: Cloud, media: Path, hasty: None
) -> None:
    cloud.script = script
    found = lapses(2, media)
    assert len(found) > 20
    assert not [each.later for each in found if each.later], "\n".join(map(str, found))
    nothing_left(media)


def test_an_episode_does_not_even_notice_a_database_that_is_gone_for_a_moment(
    cloud: Cloud, media: Path, hasty: None
) -> None:
    cloud.script = script
    noticed = [each for each in lapses(1, media) if each.at_once]
    assert not noticed, "\n".join(map(str, noticed))


def test_an_edition_outlives_a_moment_without_its_database(cloud: Cloud, media: Path) -> None:
    cloud.script = script
    real, here, lost = CursorWrapper.execute, threading.get_ident(), list[str]()

    def execute(self: Any, sql: str, params: Any = None) -> Any:
        if threading.get_ident() == here and "dailycast_providercall" in sql and not lost:
            lost.append(sql)
            raise OperationalError("server closed the connection unexpectedly")
        return real(self, sql, params)

    with patch.object(CursorWrapper, "execute", execute):
        ended = edition()
    everyone_is_well(ended, cloud, media)


def test_an_edition_outlives_connections_that_the_server_cuts(cloud: Cloud, media: Path) -> None:
    if connection.vendor == "sqlite":
        pytest.skip("SQLite has no server")
    cloud.script = script
    cloud.latency = {"openai": 0.05}
    try:
        with when_spoken(cloud, POINT, cut_all_connections):
            ended = edition()
    finally:
        connection.close()
    everyone_is_well(ended, cloud, media)


def test_an_edition_leaves_no_thread_behind(cloud: Cloud) -> None:
    cloud.script = script
    before = jobs_threads()
    edition()
    until = time.monotonic() + 1
    while jobs_threads() > before and time.monotonic() < until:
        time.sleep(0.05)
    assert jobs_threads() <= before


def jobs_threads() -> int:
    return sum(thread.name == "dailycast-job" for thread in threading.enumerate())


# People


def deleted(what: str) -> None:
    if what == "user":
        User.objects.get(first_name=UNLUCKY).delete()
    else:
        row().delete()


@pytest.mark.parametrize("what", ["user", "podcast"])
@pytest.mark.parametrize("moment", ["written", "spoken"])
def test_what_is_deleted_midway_stays_deleted(what: str, moment: str, cloud: Cloud, media: Path) -> None:
    act = partial(deleted, what)
    with ExitStack() as stack:
        if moment == "spoken":
            stack.enter_context(when_spoken(cloud, POINT, act))
            cloud.script = script
        else:
            cloud.script = after(act)
        ended = edition()
    assert not DailyPodcast.objects.filter(user__first_name=UNLUCKY).exists()
    assert (ended.status, ended.err) == (0, ""), ended.out
    for each in set(NAMES) - {UNLUCKY}:
        well(each)
    assert len(of(cloud, "polly")) <= (polly.PARALLEL if moment == "spoken" else 0)
    covered(cloud)
    nothing_left(media)


def after(act: Callable[[], object]) -> Callable[[str], str]:
    """The writer's script, and `act` while it writes the unlucky learner's."""
    todo = [act]

    def write(prompt: str) -> str:
        if UNLUCKY in prompt and todo:
            try:
                todo.pop()()
            finally:
                connection.close()
        return script(prompt)

    return write


def test_a_script_that_is_edited_while_it_is_spoken_is_spoken_as_edited(cloud: Cloud, media: Path) -> None:
    cloud.script = script
    last, edited = f"That is all for today, {UNLUCKY}.", f"Until tomorrow, {UNLUCKY}, and well done."

    def edit() -> None:
        found = row()
        found.script_text = found.script_text.replace(last, edited)
        found.save(update_fields=["script_text"])

    with when_spoken(cloud, POINT, edit):
        ended = edition()
    assert ended.status == 0
    well(UNLUCKY)
    found = row()
    assert edited in found.script_text
    assert " ".join(cue["text"] for cue in found.cues).endswith(edited)
    assert last not in [cue["text"] for cue in found.cues]
    asked = Counter(call.text for call in of(cloud, "polly"))
    assert max(asked.values()) == 1, asked
    assert asked[edited] == 1
    covered(cloud)
    nothing_left(media)


# The clock, and two at once


@contextmanager
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[timedelta]]:
    """What is in the list is added to the time of day."""
    moved, real = [timedelta(0)], timezone.now
    with monkeypatch.context() as patched:
        patched.setattr(timezone, "now", lambda: real() + moved[-1])
        yield moved


def test_a_clock_that_is_set_back_by_an_hour_changes_nothing(
    cloud: Cloud, media: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud.script = script
    with clock(monkeypatch) as moved, when_spoken(cloud, POINT, lambda: moved.append(timedelta(hours=-1))):
        everyone_is_well(edition(), cloud, media)


def test_a_clock_that_is_set_back_gives_no_job_to_a_second_worker(
    cloud: Cloud, media: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker's next look, at most a second later, comes before the next beat of the first worker's heart."""
    cloud.script = script
    monkeypatch.setattr(polly.Provider, "parallel", 1)

    def turn_back() -> None:
        moved.append(timedelta(hours=-1))
        jobs.sweep()
        in_a_job(lambda: [services.run(pk, can_reschedule=True) for pk in jobs.due(10)])

    podcast = jobs.submit(User.objects.get(first_name=UNLUCKY), "en")
    with clock(monkeypatch) as moved, when_spoken(cloud, POINT, turn_back):
        services.run(podcast.pk)
    well(UNLUCKY)
    covered(cloud)
    nothing_left(media)
    asked = Counter(call.text for call in of(cloud, "polly"))
    assert sorted(asked.values()) in ([1, 1, 1], [1, 1, 2]), asked  # what was in flight may be lost


def test_of_two_workers_on_one_job_one_pays(cloud: Cloud, media: Path) -> None:
    cloud.script = script
    cloud.latency = {"openai": 0.1, "polly": 0.05}
    podcast = jobs.submit(User.objects.get(first_name=UNLUCKY), "en")
    gate, got = threading.Barrier(2), list[object]()

    def work() -> None:
        gate.wait(5)
        got.append(services.run(podcast.pk))
        connection.close()

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert sorted(each is None for each in got) == [False, True]
    well(UNLUCKY)
    assert (len(of(cloud, "openai")), len(of(cloud, "polly")), most_asked(cloud, "polly")) == (1, 3, 1)
    covered(cloud)
    nothing_left(media)


def everything() -> list[Any]:
    return [list(DailyPodcast.objects.order_by("pk").values()), list(ProviderCall.objects.order_by("pk").values())]


def slept(job: Job) -> None:
    """Its lease ran out, and nobody's heart beat for it."""
    DailyPodcast.objects.filter(pk=job.row.pk).update(lease_until=timezone.now() - timedelta(seconds=1))
    job.renewed_at = job_.LONG_AGO


def test_a_worker_that_slept_before_it_paid_finds_the_job_done_and_changes_nothing(cloud: Cloud, media: Path) -> None:
    cloud.script = script
    podcast = jobs.submit(User.objects.get(first_name=UNLUCKY), "en")
    sleeper = jobs.claim(podcast.pk)
    assert sleeper is not None
    slept(sleeper)
    jobs.sweep()
    services.run(podcast.pk)
    well(UNLUCKY)
    before, asked = everything(), len(cloud.calls)
    services._make(sleeper)
    assert (everything(), len(cloud.calls)) == (before, asked)
    nothing_left(media)


def test_a_worker_that_slept_in_a_call_loses_what_was_in_flight_and_changes_nothing(
    cloud: Cloud, media: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud.script = script
    monkeypatch.setattr(polly.Provider, "parallel", 1)
    podcast = jobs.submit(User.objects.get(first_name=UNLUCKY), "en")
    sleeper = jobs.claim(podcast.pk)
    assert sleeper is not None
    done: list[Any] = []

    def another_finishes() -> None:
        slept(sleeper)
        jobs.sweep()
        in_a_job(lambda: services.run(podcast.pk))
        well(UNLUCKY)
        done.extend(everything()[0])

    with when_spoken(cloud, POINT, another_finishes):
        services._make(sleeper)
    assert everything()[0] == done
    asked = Counter(call.text for call in of(cloud, "polly"))
    assert sorted(asked.values()) == [1, 1, 2], asked
    assert (asked[POINT], len(of(cloud, "openai"))) == (2, 1)
    covered(cloud)
    nothing_left(media)
