"""A call in flight: when it starts, what becomes of it, and when it is not made after all."""

import queue
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User

from dailycast.errors import ClaimLostError, ProviderError, ReleasedError
from dailycast.gateway.connection import watch
from dailycast.jobs.job import LONG_AGO
from dailycast.jobs.stopping import stopping
from dailycast.models import DailyPodcast, ProviderCall, RateLimit
from dailycast.purchases import in_flight, ledger, rate_limits
from dailycast.purchases.in_flight import InFlightCall, InFlightCalls
from tests.jobs.rows import claimed
from tests.purchases.shop import Flaky, Stored, buy, entries, join_calls

pytestmark = pytest.mark.usefixtures("shop")


def run_in_thread(*calls: InFlightCall[Any], cancelled: bool = False) -> float:
    """Run each in a thread of its own and wait until all have ended; how many seconds that took."""
    ended: queue.SimpleQueue[InFlightCall[Any]] = queue.SimpleQueue()
    start = time.monotonic()
    for call in calls:
        threading.Thread(target=call.run, args=(ended,)).start()
        if cancelled:
            call.cancelled.set()
    assert {ended.get(timeout=5) for _ in calls} == set(calls)
    return time.monotonic() - start


def test_a_call_keeps_its_answer_or_its_error_for_the_thread_that_waits() -> None:
    answered, failed = InFlightCall(lambda: 7), InFlightCall(lambda: 1 // 0)
    run_in_thread(answered, failed)
    assert (answered.answer, answered.error) == (7, None)
    assert isinstance(failed.error, ZeroDivisionError)


def test_a_call_begins_at_its_start_time() -> None:
    starts_at = time.monotonic() + 0.1
    call = InFlightCall(time.monotonic, starts_at)
    run_in_thread(call)
    assert call.answer >= starts_at


def test_a_call_that_is_cancelled_before_its_start_time_never_begins() -> None:
    begun: list[float] = []
    call = InFlightCall(lambda: begun.append(1.0), time.monotonic() + 60)
    assert run_in_thread(call, cancelled=True) < 5
    assert isinstance(call.error, ProviderError)
    assert (begun, call.error.billed, call.error.permanent) == ([], (), True)


def test_a_call_that_is_given_up_before_its_start_time_never_begins() -> None:
    begun: list[float] = []
    call = InFlightCall(lambda: begun.append(1.0), time.monotonic() + 60)
    call.give_up()
    assert run_in_thread(call) < 5
    assert begun == []


def read_until_closed(theirs: list[socket.socket]) -> Callable[[float], bytes]:
    """A call that waits for a vendor which never answers; `theirs` gets the vendor's side."""

    def read(timeout: float) -> bytes:
        ours, other = socket.socketpair()
        theirs.append(other)
        with ours:
            watch(ours)
            ours.recv(1)
        raise ConnectionAbortedError

    return read


def assert_closed(theirs: list[socket.socket]) -> None:
    join_calls()
    assert [thread for thread in threading.enumerate() if thread.name == "dailycast-call"] == []
    for each in theirs:
        with each:
            assert each.recv(1) == b""


def test_a_call_out_of_time_closes_its_connection_and_its_thread_ends(alex: User) -> None:
    theirs: list[socket.socket] = []
    with pytest.raises(ProviderError, match="no answer within"):
        buy(read_until_closed(theirs), seconds=0.1, job=claimed(alex), remote=True)
    assert len(theirs) == 2
    assert_closed(theirs)


def test_when_the_process_cannot_wait_any_more_its_calls_close_their_connections(alex: User) -> None:
    theirs: list[socket.socket] = []
    job = claimed(alex)
    job.can_reschedule = True
    timer = threading.Timer(0.2, stopping.set, [0.1])
    timer.start()
    try:
        with pytest.raises(ReleasedError):
            buy(read_until_closed(theirs), job=job, remote=True)
    finally:
        stopping.clear()
    assert len(theirs) == 1
    assert_closed(theirs)


def test_ctrl_c_closes_the_connections_of_what_nobody_waits_for(alex: User, monkeypatch: pytest.MonkeyPatch) -> None:
    theirs: list[socket.socket] = []

    def interrupt(*args: Any) -> None:
        while not theirs:
            time.sleep(0.01)
        raise KeyboardInterrupt

    monkeypatch.setattr(InFlightCalls, "wait", interrupt)
    with pytest.raises(KeyboardInterrupt):
        buy(read_until_closed(theirs), job=claimed(alex), remote=True)
    assert_closed(theirs)


def test_an_answer_that_comes_after_its_call_was_given_up_is_not_taken_for_the_next_one() -> None:
    answers = iter([(0.3, "late"), (0.0, "in time")])

    def call(timeout: float) -> str:
        pause, answer = next(answers)
        time.sleep(pause)
        return answer

    assert buy(call, lambda timeout: time.sleep(0.15), seconds=0.2) == ["in time", None]


def test_a_hanging_call_does_not_keep_the_interpreter_from_ending() -> None:
    code = """
import django, time; django.setup()
from dailycast.purchases import attempts
from tests.purchases.shop import buy
attempts.RETRY_DELAY = 0
try: buy(lambda timeout: time.sleep(60), seconds=0.1)
except Exception as e: print(e)"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
        env={"DJANGO_SETTINGS_MODULE": "tests.settings"},
        cwd=Path(__file__).parents[2],
    )
    assert done.stdout == "no answer within 0.1 s: check the network, or try again later.\n"


def test_a_call_that_missed_its_start_time_gets_another(
    alex: User, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.DAILYCAST_RATE_LIMITS = {"shop/basic": "50/9"}
    open_entries, pauses = ledger.open_entries, iter([in_flight.MAX_START_DELAY + 0.1])

    def slow(*args: Any) -> list[ProviderCall]:
        time.sleep(next(pauses, 0))
        return open_entries(*args)

    monkeypatch.setattr(ledger, "open_entries", slow)
    flaky = Flaky()
    assert (buy(flaky, job=claimed(alex), remote=True), flaky.calls) == (["speech"], 1)
    assert entries() == [("a", "refused", 0, Decimal(0)), ("a", "ok", 10, Decimal("0.1"))]
    assert len(RateLimit.objects.get().state["starts"]) == 2


def test_without_a_rate_limit_no_call_is_late(alex: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(in_flight, "MAX_START_DELAY", -1.0)
    assert buy(Flaky(), job=claimed(alex), remote=True) == ["speech"]


def test_what_waits_for_its_start_time_is_not_called_for_a_job_that_may_be_lost(
    alex: User, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.DAILYCAST_RATE_LIMITS = {"shop/basic": "4"}
    monkeypatch.setattr(rate_limits, "BURST_SECONDS", 0.2)  # between two calls
    job, second = claimed(alex), Flaky()

    def sleep_long(timeout: float) -> str:
        """As a process that was stopped does, past its lease."""
        job.renewed_at = LONG_AGO
        return "speech"

    DailyPodcast.objects.update(claim_token="another worker's")
    with pytest.raises(ClaimLostError):
        buy(sleep_long, second, parallel=2, job=job, remote=True)
    assert second.calls == 0


def test_a_call_whose_entry_was_slow_to_write_is_not_made_past_the_deadline(
    alex: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    job, flaky, open_entries = claimed(alex), Flaky(), ledger.open_entries

    def slow(*args: Any) -> list[ProviderCall]:
        rows = open_entries(*args)
        job.deadline = time.monotonic()
        return rows

    monkeypatch.setattr(ledger, "open_entries", slow)
    with pytest.raises(ProviderError, match="the job's time is up"):
        buy(flaky, job=job, remote=True)
    assert flaky.calls == 0
    assert entries() == [("a", "refused", 0, Decimal(0))]


def test_a_server_without_another_thread_loses_nothing_that_is_in_flight(
    alex: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, started, stored = threading.Thread.start, list[str](), Stored()

    def start(self: threading.Thread) -> None:
        if self.name == "dailycast-call":
            started.append(self.name)
            if len(started) > 2:
                raise RuntimeError("can't start new thread")
        real(self)

    monkeypatch.setattr(threading.Thread, "start", start)

    def slow(timeout: float) -> str:
        time.sleep(0.2)
        return "paid for"

    with pytest.raises(ProviderError, match="no thread left"):
        buy(slow, slow, slow, parallel=3, job=claimed(alex), remote=True, store=stored.add)
    assert stored == ["paid for", "paid for"]
    assert sorted(row[:2] for row in entries()) == [("a", "ok"), ("b", "ok"), ("c", "refused"), ("c", "refused")]
