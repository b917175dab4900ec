"""Every fault of the vendors, the disk, the database, the clock and the people, on one learner of five."""

import errno
import os
import re
import socket
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
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
from dailycast.jobs import queue
from dailycast.jobs.job import LONG_AGO, Job
from dailycast.models import DailyPodcast, Outcome, ProviderCall, Reason, Status
from dailycast.purchases import attempts, budget
from dailycast.runners import nightly
from dailycast.studio import estimate, voices
from dailycast.tts import polly
from dailycast.tts.base import Voice
from tests.cloud import Cloud, Fault
from tests.cloud.rogue import RogueServer, answer
from tests.cloud.wire import DRIPS
from tests.jobs.rows import in_threads

from .five_learners import (
    MOST_THROTTLED,
    MOST_TRIES,
    NAMES,
    SECOND,
    UNLUCKY,
    Ended,
    assert_in_ledger,
    assert_nothing_left,
    assert_well,
    calls_about,
    count_fault,
    enrol,
    episode_of,
    has_whole_audio,
    most_repeated,
    run_edition,
    script,
    unreadable_reason,
    when_spoken,
)

pytestmark = [pytest.mark.reliability, pytest.mark.django_db(transaction=True)]
POINT = SECOND.format(UNLUCKY)
ATTEMPTS = 2
UNCOUNTED = (
    Fault.BAD_JSON,
    Fault.HTML,
    Fault.BOMB,
)  # these do not say how many characters are billed, so the most stays in the ledger
SLOW = (Fault.RATE_LIMIT, Fault.HANG, *DRIPS)  # one attempt is enough of them

SAY_LATER = "try again later"
NETWORK = "check the network"


@dataclass(frozen=True)
class Case:
    """A fault that stays, and how the episode ends that meets it. `calls` are the most of one attempt."""

    vendor: str
    fault: Fault
    message: str
    calls: int = MOST_TRIES
    is_permanent: bool = False  # there is no second attempt
    is_rescheduled: bool = False  # the vendor named a time, and the episode is put back until then
    is_vendor_wide: bool = False  # every learner would meet it
    is_recovered: bool = False  # dailycast takes another engine

    def __str__(self) -> str:
        return f"{self.vendor}-{self.fault}"

    @property
    def attempts(self) -> int:
        return 1 if self.is_permanent or self.is_rescheduled or self.fault in SLOW else ATTEMPTS


def permanent(vendor: str, fault: Fault, message: str) -> Case:
    return Case(vendor, fault, message, calls=1, is_permanent=True)


def vendor_wide(vendor: str, fault: Fault, message: str) -> Case:
    return replace(permanent(vendor, fault, message), is_vendor_wide=True)


def rescheduled(vendor: str, fault: Fault) -> Case:
    return Case(vendor, fault, SAY_LATER, calls=1, is_rescheduled=True)


BROKEN = (Fault.RESET, Fault.CUT_LENGTH, Fault.CUT_CHUNKED)
UNANSWERED = (Fault.HANG, *DRIPS)
TOO_LONG = (Fault.ENDLESS, Fault.BOMB)
WRITER = [
    vendor_wide("openai", Fault.BAD_KEY, "check OPENAI_API_KEY"),
    vendor_wide("openai", Fault.QUOTA, "add credit"),
    Case("openai", Fault.RATE_LIMIT, SAY_LATER),
    Case("openai", Fault.RATE_LIMIT_NONSENSE, SAY_LATER),
    rescheduled("openai", Fault.RATE_LIMIT_HOUR),
    rescheduled("openai", Fault.RATE_LIMIT_DATE),
    Case("openai", Fault.SERVER_ERROR, SAY_LATER),
    Case("openai", Fault.UNAVAILABLE, SAY_LATER),
    Case("openai", Fault.ENDLESS_ERROR, SAY_LATER),
    *(permanent("openai", fault, "is longer than 4 MB, so it was not read") for fault in TOO_LONG),
    permanent("openai", Fault.REDIRECT, "is not followed: check OPENAI_BASE_URL"),
    *(Case("openai", fault, NETWORK) for fault in BROKEN),
    *(Case("openai", fault, "no answer within|could not be reached") for fault in UNANSWERED),
    *(Case("openai", fault, "check OPENAI_BASE_URL") for fault in (Fault.CUT_SILENT, Fault.BAD_JSON, Fault.HTML)),
    Case("openai", Fault.NO_CHOICES, "not a chat completion"),
    Case("openai", Fault.EMPTY, SAY_LATER),
    permanent("openai", Fault.REFUSAL, "look for what may offend"),
    permanent("openai", Fault.FILTER, "look for what may offend"),
    permanent("openai", Fault.LENGTH, "ask for fewer DAILYCAST_MINUTES"),
]
NO_MP3 = "not a whole MP3|too short"
VOICE = [
    vendor_wide("polly", Fault.BAD_KEY, "check AWS_ACCESS_KEY_ID"),
    vendor_wide("polly", Fault.BAD_SIGNATURE, "check AWS_ACCESS_KEY_ID"),
    vendor_wide("polly", Fault.EXPIRED_TOKEN, "renew them and AWS_SESSION_TOKEN"),
    Case("polly", Fault.RATE_LIMIT, SAY_LATER, calls=MOST_THROTTLED),
    Case("polly", Fault.RATE_LIMIT_NONSENSE, SAY_LATER, calls=MOST_THROTTLED),
    rescheduled("polly", Fault.RATE_LIMIT_HOUR),
    rescheduled("polly", Fault.RATE_LIMIT_DATE),
    Case("polly", Fault.SERVER_ERROR, SAY_LATER),
    Case("polly", Fault.UNAVAILABLE, SAY_LATER, calls=MOST_TRIES),
    Case("polly", Fault.ENDLESS_ERROR, SAY_LATER),
    *(permanent("polly", fault, "is longer than 10 MB, so it was not read") for fault in TOO_LONG),
    permanent("polly", Fault.REDIRECT, "is not followed: check AWS_ENDPOINT_URL_POLLY"),
    *(Case("polly", fault, NETWORK) for fault in BROKEN),
    *(Case("polly", fault, "no answer within|could not be reached") for fault in UNANSWERED),
    *(Case("polly", fault, NO_MP3) for fault in (Fault.CUT_SILENT, Fault.NO_AUDIO, Fault.HALF_AUDIO)),
    *(Case("polly", fault, "check AWS_ENDPOINT_URL_POLLY") for fault in (Fault.BAD_JSON, Fault.HTML)),
    Case("polly", Fault.ENGINE, "", calls=1, is_recovered=True),
    Case("polly", Fault.ENGINE_AS_VALIDATION, "", calls=1, is_recovered=True),
    permanent("polly", Fault.TEXT_TOO_LONG, "split the clip"),
    *(
        permanent("polly", fault, "DAILYCAST_VOICES")
        for fault in (Fault.SAMPLE_RATE, Fault.LANGUAGE, Fault.VOICE, Fault.SSML)
    ),
]
CASES = [*WRITER, *VOICE]


@pytest.fixture(autouse=True)
def five_learners(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Five learners, one writer and one voice; delays between attempts are short."""
    settings.DAILYCAST_LEARNER_CONTEXT = "tests.reliability.five_learners.learner"
    settings.DAILYCAST_LLM_PROVIDERS = ["openai"]
    settings.DAILYCAST_MAX_ATTEMPTS = ATTEMPTS
    monkeypatch.setattr(attempts, "RETRY_DELAY", 0.0)
    monkeypatch.setattr(attempts, "FIRST_BACKOFF", 0.0002)
    monkeypatch.setattr(polly, "_engine_refusals", {})
    monkeypatch.setattr("dailycast.jobs.job.FIRST_RETRY_DELAY", 0.05)
    monkeypatch.setattr(nightly, "LONGEST_WAIT", 5.0)
    monkeypatch.setattr(nightly, "POLL_SECONDS", 0.02)
    enrol()
    yield
    connection.close()


def inject(cloud: Cloud, case: Case, settings: Any) -> None:
    settings.DAILYCAST_MAX_ATTEMPTS = case.attempts if case.fault in SLOW else ATTEMPTS
    if case.fault in UNANSWERED:
        # A drip is a byte a second: with less than a second the SDK's own timeout would end it, and not ours.
        seconds = 0.3 if case.fault == Fault.HANG else 1.1
        settings.DAILYCAST_LLM_TIMEOUT = settings.DAILYCAST_SPEECH_TIMEOUT = seconds
    text = UNLUCKY if case.vendor == "openai" else POINT
    cloud.script = script
    cloud.fail(case.vendor, case.fault, times=1 if case.is_recovered else None, matching=text)


def judge(case: Case, cloud: Cloud, ended: Ended) -> None:
    """Everything that holds for every fault."""
    assert count_fault(cloud, case.vendor, case.fault) >= 1, "the fault never came, so nothing was tested"
    assert {call.vendor for call in cloud.calls} <= {"openai", "polly"}, "a redirect was followed"
    assert most_repeated(cloud, case.vendor) <= case.calls * case.attempts
    assert_in_ledger(cloud, exactly=case.fault not in UNCOUNTED)
    if case.is_vendor_wide:
        assert (ended.status, "Stopped, " in ended.err) == (2, True)
        assert all(has_whole_audio(found) for found in DailyPodcast.objects.exclude(user__first_name=UNLUCKY))
        return
    for name in NAMES:
        if name != UNLUCKY:
            assert_well(name)


def edition_with_fault(cloud: Cloud, case: Case, settings: Any) -> Ended:
    """Run an edition in which one learner meets the fault, and check what holds for every fault."""
    inject(cloud, case, settings)
    ended = run_edition()
    judge(case, cloud, ended)
    return ended


def assert_message(found: DailyPodcast, case: Case) -> None:
    assert re.search(case.message, found.error_message), found.error_message
    if case.fault not in UNANSWERED:  # see test_a_call_that_is_given_up_says_what_to_do
        assert unreadable_reason(found.error_message) == "", found.error_message


# The vendors


@pytest.mark.parametrize("case", WRITER, ids=str)
def test_a_writers_fault_ends_one_learners_episode_and_says_so(
    case: Case, cloud: Cloud, settings: Any, media: Path
) -> None:
    ended, found = edition_with_fault(cloud, case, settings), episode_of()
    state = Status.PENDING if case.is_rescheduled else Status.FAILED
    assert (found.status, found.error_code, found.attempts) == (state, Reason.NO_SCRIPT, case.attempts)
    assert (ended.status, calls_about(cloud, "polly")) == (2 if case.is_vendor_wide else 1, [])
    assert (found.next_attempt_at is not None) == case.is_rescheduled
    assert_message(found, case)
    assert_nothing_left(media)


@pytest.mark.parametrize("case", [case for case in WRITER if case.fault not in DRIPS], ids=str)  # as HANG, and slow
def test_with_another_writer_behind_it_a_writers_fault_reaches_no_learner(
    case: Case, cloud: Cloud, settings: Any, media: Path
) -> None:
    settings.DAILYCAST_LLM_PROVIDERS = ["openai", "template"]
    ended = edition_with_fault(cloud, case, settings)
    assert_well(UNLUCKY)
    assert (episode_of().llm_provider, episode_of().attempts) == ("template", 1)
    assert ended.status == (2 if case.is_vendor_wide else 0)
    assert_nothing_left(media)


@pytest.mark.parametrize("case", VOICE, ids=str)
def test_a_voices_fault_leaves_one_learner_a_script_and_says_so(
    case: Case, cloud: Cloud, settings: Any, media: Path
) -> None:
    ended, found = edition_with_fault(cloud, case, settings), episode_of()
    assert len(calls_about(cloud, "openai")) == 1
    assert found.attempts == case.attempts if not case.is_recovered else found.attempts == 1
    if case.is_recovered:
        assert_well(UNLUCKY)
        assert found.tts_voice == "Joanna standard"
    else:
        state = Status.PENDING if case.is_rescheduled else Status.COMPLETED
        assert (found.status, found.error_code, found.has_audio) == (state, Reason.AUDIO_FAILED, False)
        assert (found.script_text, ended.status) == (
            script(f'"first_name": "{UNLUCKY}"'),
            2 if case.is_vendor_wide else 1,
        )
        assert_message(found, case)
    assert_nothing_left(media)


PASSING = [case for case in CASES if case.calls > 1 and case.fault not in SLOW]


@pytest.mark.parametrize("vendor", ["openai", "polly"])
def test_transient_faults_reach_no_learner(vendor: str, cloud: Cloud, settings: Any, media: Path) -> None:
    """One fault for each of five learners at a time, until all had their turn."""
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
        ended = run_edition()
        assert (ended.status, ended.err) == (0, "")
        for name in NAMES:
            assert_well(name)
    assert_nothing_left(media)


def test_every_fault_of_the_stand_in_has_a_case(cloud: Cloud) -> None:
    for vendor, cases in (("openai", WRITER), ("polly", VOICE)):
        known = next(each for each in cloud._vendors if each.name == vendor)
        listed = [case.fault for case in cases]
        assert len(listed) == len(set(listed))
        assert {fault for fault in Fault if known.knows(fault)} == set(listed)


def test_a_fault_that_never_comes_fails_the_test(cloud: Cloud, settings: Any) -> None:
    case = WRITER[0]
    cloud.script = script
    cloud.fail(case.vendor, case.fault, times=None, matching="a text that nobody's prompt holds")
    with pytest.raises(AssertionError, match="nothing was tested"):
        judge(case, cloud, run_edition())


@pytest.mark.parametrize("vendor", ["openai", "polly"])
def test_a_call_that_is_given_up_says_what_to_do(vendor: str, cloud: Cloud, settings: Any) -> None:
    inject(cloud, Case(vendor, Fault.HANG, ""), settings)
    run_edition()
    message = episode_of().error_message
    assert (unreadable_reason(message), NETWORK in message) == ("", True), message


# The network


def refused() -> str:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        return f"http://127.0.0.1:{server.getsockname()[1]}"


@contextmanager
def address_of(fault: str) -> Iterator[str]:
    """An address where no connection comes about."""
    with RogueServer(answer(200, b"", b"no TLS"), before_the_request=True) as server:
        no_tls = f"https://127.0.0.1:{server.port}"
        yield {"refused": refused(), "no name": "http://nobody.invalid", "no TLS": no_tls}[fault]


@pytest.mark.parametrize("fault", ["refused", "no name", "no TLS"])
@pytest.mark.parametrize("setting", ["OPENAI_BASE_URL", "AWS_ENDPOINT_URL_POLLY"])
def test_a_vendor_that_cannot_be_reached_costs_and_reserves_nothing(
    setting: str, fault: str, cloud: Cloud, settings: Any, media: Path
) -> None:
    settings.DAILYCAST_DAILY_BUDGET_USD = "0.50"
    settings.DAILYCAST_RATE_LIMITS = {}
    cloud.script = script
    with address_of(fault) as url:
        setattr(settings, setting, url)
        ended = run_edition()
    unreached = ProviderCall.objects.exclude(outcome=Outcome.OK)
    assert ended.status == 2  # it stops when nobody's episode can be made
    assert set(unreached.values_list("outcome", "units", "cost_usd")) == {(Outcome.REFUSED, 0, Decimal(0))}
    assert (budget.left_today() or 0) > Decimal("0.4995")  # the scripts that no voice speaks cost a little
    for message in DailyPodcast.objects.values_list("error_message", flat=True):
        assert "could not be reached" in message
        assert (f"{NETWORK} and {setting}" in message, unreadable_reason(message)) == (True, ""), message
    assert_nothing_left(media)


# The disk


@contextmanager
def refusing(number: int, *names: str) -> Iterator[list[str]]:
    """`storage.write_atomic` fails with this errno for names that contain one of `names`."""
    real, refused = storage.write_atomic, list[str]()

    def refuse(name: str, data: bytes) -> str:
        if any(part in name for part in names):
            refused.append(name)
            raise OSError(number, os.strerror(number), name)
        return real(name, data)

    with patch.object(storage, "write_atomic", refuse):
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
        ended = run_edition()
    found, asked = episode_of(), len(cloud.calls)
    assert (found.status, found.error_code, found.has_audio) == (Status.COMPLETED, Reason.NOT_SAVED, False)
    assert os.strerror(number) in found.error_message
    assert ended.status == 1
    for each in set(NAMES) - {UNLUCKY}:
        assert_well(each)
    assert_in_ledger(cloud)
    assert_nothing_left(media)
    services.retry_now(found)
    assert_well(UNLUCKY)
    assert [call.text for call in cloud.calls[asked:]] == ([POINT] if what == "clip" else [])
    assert_in_ledger(cloud)
    assert_nothing_left(media)


def test_without_space_on_the_disk_no_speech_is_bought_for_that_learner(
    cloud: Cloud, media: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud.script = script
    free, real = threading.local(), estimate.bytes_needed

    def set_free_space(text: str) -> int:
        free.bytes = 1_000 if UNLUCKY in text else 10**12
        return real(text)

    monkeypatch.setattr(services, "bytes_needed", set_free_space)
    monkeypatch.setattr(storage, "free_bytes", lambda: free.bytes)
    ended, found = run_edition(), episode_of()
    assert (found.status, found.error_code, calls_about(cloud, "polly")) == (Status.COMPLETED, Reason.NOT_SAVED, [])
    assert "the disk has 0.0 MB free, and this episode may need" in found.error_message
    assert ended.status == 1
    for each in set(NAMES) - {UNLUCKY}:
        assert_well(each)
    assert_in_ledger(cloud)
    assert_nothing_left(media)


def test_a_folder_that_cannot_be_written_ends_the_edition_before_anything_is_paid(
    cloud: Cloud, media: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(CommandError, match="cannot be written by this user. Make MEDIA_ROOT writable"):
        run_edition()
    assert (cloud.calls, DailyPodcast.objects.count()) == ([], 0)


def test_an_episode_that_can_neither_be_saved_nor_deleted_ends_and_is_counted(
    cloud: Cloud, media: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud.script = script

    def refuse(name: str) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), name)

    monkeypatch.setattr(default_storage, "delete", refuse)
    with refusing(errno.EACCES, f"podcast_{User.objects.get(first_name=UNLUCKY).pk}_"):
        ended = run_edition()
    assert ended.status == 1, ended.out
    assert (episode_of().status, episode_of().error_code) == (Status.COMPLETED, Reason.NOT_SAVED)
    for each in set(NAMES) - {UNLUCKY}:
        assert_well(each)
    assert_nothing_left(media)


# The database


@pytest.mark.parametrize("timeout", [20.0, 0.05], ids=["as-configured", "that-gives-up-at-once"])
def test_a_database_that_is_locked_for_a_second_is_waited_for(
    timeout: float, cloud: Cloud, media: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if connection.vendor != "sqlite":
        pytest.skip("only SQLite locks the whole database")
    cloud.script = script
    monkeypatch.setitem(connection.settings_dict["OPTIONS"], "timeout", timeout)
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
        assert_all_well(run_edition(), cloud, media)


def assert_all_well(ended: Ended, cloud: Cloud, media: Path, again: int = 0) -> None:
    assert (ended.status, ended.err) == (0, ""), ended.out
    for name in NAMES:
        assert_well(name)
    assert most_repeated(cloud, "polly") <= 1 + again
    assert len(calls_about(cloud, "openai")) <= 1
    assert_in_ledger(cloud)
    assert_nothing_left(media)


@contextmanager
def without_database(skip: int, times: int = 2) -> Iterator[list[str]]:
    """The database answers `skip` statements of the other threads, not the next `times`, and then all again."""
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
    with ExitStack() as stack, when_spoken(cloud, POINT, lambda: stack.enter_context(without_database(0))):
        ended = run_edition()
    assert_all_well(ended, cloud, media)


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
    podcast = queue.submit(User.objects.get(first_name=UNLUCKY), "en")
    with when_spoken(cloud, POINT, cut_all_connections):
        in_a_job(lambda: services.run(podcast.pk))
    connection.close()
    assert_well(UNLUCKY)
    assert_nothing_left(media)


def in_a_job(call: Callable[[], object]) -> None:
    """In a thread as the runners have."""

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
    """How an episode ended whose statement of this `number` the database did not answer."""

    number: int
    sql: str
    after_worker: str  # its state when its worker had ended, empty when it was well
    after_lease: str  # its state when the lease had ended and another worker had finished it

    def __str__(self) -> str:
        return f"{self.number}: {self.after_worker}: {self.sql[:60]} ... {self.sql[-80:]}"


def lapses(times: int, media: Path) -> list[Lapse]:
    """An episode for each statement of it, that one and perhaps the next unanswered."""
    learner, found = User.objects.get(first_name=UNLUCKY), list[Lapse]()
    for number in count():
        DailyPodcast.objects.all().delete()
        for path in media.rglob("*.mp3"):
            path.unlink()
        podcast = queue.submit(learner, "en")
        with without_database(number, times) as lost:
            in_a_job(lambda: services.run(podcast.pk, can_reschedule=True))  # noqa: B023
        after_worker = state(episode_of())
        DailyPodcast.objects.filter(status=Status.RUNNING).update(lease_until=timezone.now() - timedelta(seconds=1))
        queue.sweep()
        services.run(podcast.pk, can_reschedule=True)
        if not lost:
            return found
        found.append(Lapse(number, lost[0], after_worker, state(episode_of())))
    raise AssertionError


def state(found: DailyPodcast) -> str:
    return "" if has_whole_audio(found) else f"{found.status} {found.error_code} {found.error_message}".strip()


@pytest.fixture
def no_retry_delay(monkeypatch: pytest.MonkeyPatch) -> None:
    """Statements are retried at once."""
    sleep = time.sleep
    monkeypatch.setattr("dailycast.jobs.database.time.sleep", lambda seconds: sleep(min(seconds, 0.001)))


def test_an_episode_whose_two_statements_failed_is_well_after_its_lease(
    cloud: Cloud, media: Path, no_retry_delay: None
) -> None:
    cloud.script = script
    found = lapses(2, media)
    assert len(found) > 20
    assert not [each.after_lease for each in found if each.after_lease], "\n".join(map(str, found))
    assert_nothing_left(media)


def test_an_episode_is_made_although_the_database_is_gone_for_a_moment(
    cloud: Cloud, media: Path, no_retry_delay: None
) -> None:
    cloud.script = script
    noticed = [each for each in lapses(1, media) if each.after_worker]
    assert not noticed, "\n".join(map(str, noticed))


def test_an_edition_survives_a_moment_without_its_database(cloud: Cloud, media: Path) -> None:
    cloud.script = script
    real, here, lost = CursorWrapper.execute, threading.get_ident(), list[str]()

    def execute(self: Any, sql: str, params: Any = None) -> Any:
        if threading.get_ident() == here and "dailycast_providercall" in sql and not lost:
            lost.append(sql)
            raise OperationalError("server closed the connection unexpectedly")
        return real(self, sql, params)

    with patch.object(CursorWrapper, "execute", execute):
        ended = run_edition()
    assert_all_well(ended, cloud, media)


def test_an_edition_survives_connections_that_the_server_cuts(cloud: Cloud, media: Path) -> None:
    if connection.vendor == "sqlite":
        pytest.skip("SQLite has no server")
    cloud.script = script
    cloud.latency = {"openai": 0.05}
    try:
        with when_spoken(cloud, POINT, cut_all_connections):
            ended = run_edition()
    finally:
        connection.close()
    assert_all_well(ended, cloud, media)


def test_an_edition_leaves_no_thread_behind(cloud: Cloud) -> None:
    cloud.script = script
    before = job_threads()
    run_edition()
    until = time.monotonic() + 1
    while job_threads() > before and time.monotonic() < until:
        time.sleep(0.05)
    assert job_threads() <= before


def job_threads() -> int:
    return sum(thread.name == "dailycast-job" for thread in threading.enumerate())


# People


def delete(what: str) -> None:
    if what == "user":
        User.objects.get(first_name=UNLUCKY).delete()
    else:
        episode_of().delete()


@pytest.mark.parametrize("what", ["user", "podcast"])
@pytest.mark.parametrize("moment", ["written", "spoken"])
def test_what_is_deleted_midway_stays_deleted(what: str, moment: str, cloud: Cloud, media: Path) -> None:
    act = partial(delete, what)
    with ExitStack() as stack:
        if moment == "spoken":
            stack.enter_context(when_spoken(cloud, POINT, act))
            cloud.script = script
        else:
            cloud.script = after(act)
        ended = run_edition()
    assert not DailyPodcast.objects.filter(user__first_name=UNLUCKY).exists()
    assert (ended.status, ended.err) == (0, ""), ended.out
    for each in set(NAMES) - {UNLUCKY}:
        assert_well(each)
    assert len(calls_about(cloud, "polly")) <= (polly.PARALLEL if moment == "spoken" else 0)
    assert_in_ledger(cloud)
    assert_nothing_left(media)


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
        found = episode_of()
        found.script_text = found.script_text.replace(last, edited)
        found.save(update_fields=["script_text"])

    with when_spoken(cloud, POINT, edit):
        ended = run_edition()
    assert ended.status == 0
    assert_well(UNLUCKY)
    found = episode_of()
    assert edited in found.script_text
    assert " ".join(cue["text"] for cue in found.cues).endswith(edited)
    assert last not in [cue["text"] for cue in found.cues]
    asked = Counter(call.text for call in calls_about(cloud, "polly"))
    assert max(asked.values()) == 1, asked
    assert asked[edited] == 1
    assert_in_ledger(cloud)
    assert_nothing_left(media)


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
        assert_all_well(run_edition(), cloud, media)


def test_a_clock_that_is_set_back_gives_no_job_to_a_second_worker(
    cloud: Cloud, media: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another worker looks for jobs within a second, which is before the first worker renews its lease."""
    cloud.script = script
    monkeypatch.setattr(polly.Provider, "parallel", 1)

    def turn_back() -> None:
        moved.append(timedelta(hours=-1))
        queue.sweep()
        in_a_job(lambda: [services.run(pk, can_reschedule=True) for pk in queue.due(10)])

    podcast = queue.submit(User.objects.get(first_name=UNLUCKY), "en")
    with clock(monkeypatch) as moved, when_spoken(cloud, POINT, turn_back):
        services.run(podcast.pk)
    assert_well(UNLUCKY)
    assert_in_ledger(cloud)
    assert_nothing_left(media)
    asked = Counter(call.text for call in calls_about(cloud, "polly"))
    assert sorted(asked.values()) in ([1, 1, 1], [1, 1, 2]), asked  # what was in flight may be lost


def test_of_two_workers_on_one_job_one_pays(cloud: Cloud, media: Path) -> None:
    cloud.script = script
    cloud.latency = {"openai": 0.1, "polly": 0.05}
    podcast = queue.submit(User.objects.get(first_name=UNLUCKY), "en")
    jobs = in_threads(lambda _: services.run(podcast.pk), number=2, retry=False)
    assert sorted(job is None for job in jobs) == [False, True]
    assert_well(UNLUCKY)
    assert (len(calls_about(cloud, "openai")), len(calls_about(cloud, "polly"))) == (1, 3)
    assert most_repeated(cloud, "polly") == 1
    assert_in_ledger(cloud)
    assert_nothing_left(media)


def all_rows() -> list[Any]:
    return [list(DailyPodcast.objects.order_by("pk").values()), list(ProviderCall.objects.order_by("pk").values())]


def let_lease_end(job: Job) -> None:
    """The lease ends, as when the whole process was suspended and no heartbeat renewed it."""
    DailyPodcast.objects.filter(pk=job.row.pk).update(lease_until=timezone.now() - timedelta(seconds=1))
    job.renewed_at = LONG_AGO


def test_a_worker_that_slept_before_it_paid_finds_the_job_done_and_changes_nothing(cloud: Cloud, media: Path) -> None:
    cloud.script = script
    podcast = queue.submit(User.objects.get(first_name=UNLUCKY), "en")
    sleeper = queue.claim(podcast.pk)
    assert sleeper is not None
    let_lease_end(sleeper)
    queue.sweep()
    services.run(podcast.pk)
    assert_well(UNLUCKY)
    before, asked = all_rows(), len(cloud.calls)
    services._make(sleeper)
    assert (all_rows(), len(cloud.calls)) == (before, asked)
    assert_nothing_left(media)


def test_a_worker_that_slept_in_a_call_loses_what_was_in_flight_and_changes_nothing(
    cloud: Cloud, media: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud.script = script
    monkeypatch.setattr(polly.Provider, "parallel", 1)
    podcast = queue.submit(User.objects.get(first_name=UNLUCKY), "en")
    sleeper = queue.claim(podcast.pk)
    assert sleeper is not None
    done: list[Any] = []

    def another_finishes() -> None:
        let_lease_end(sleeper)
        queue.sweep()
        in_a_job(lambda: services.run(podcast.pk))
        assert_well(UNLUCKY)
        done.extend(all_rows()[0])

    with when_spoken(cloud, POINT, another_finishes):
        services._make(sleeper)
    assert all_rows()[0] == done
    asked = Counter(call.text for call in calls_about(cloud, "polly"))
    assert sorted(asked.values()) == [1, 1, 2], asked
    assert (asked[POINT], len(calls_about(cloud, "openai"))) == (2, 1)
    assert_in_ledger(cloud)
    assert_nothing_left(media)
