"""How many calls a process makes at once."""

import os
import threading
import time
from typing import Any

import pytest
from django.contrib.auth.models import User

from dailycast.errors import BudgetError, ProviderError
from dailycast.jobs.job import Job
from dailycast.purchases import ledger, permits, scheduler
from dailycast.purchases.slots import CALLS_PER_JOB, WEB_PROCESS_CALLS, CallSlots, slots
from tests.jobs.rows import claimed
from tests.purchases.shop import buy


def test_no_more_slots_are_given_than_there_are() -> None:
    few = CallSlots(5)
    assert [few.acquire(3), few.acquire(3), few.acquire(1)] == [3, 2, 0]
    few.release(4)
    few.release()
    assert few.acquire(9) == 5


def test_a_worker_process_has_slots_for_all_its_jobs() -> None:
    some = CallSlots(WEB_PROCESS_CALLS)
    some.allow(1)
    assert some.limit == WEB_PROCESS_CALLS
    some.allow(10)
    assert some.limit == 10 * CALLS_PER_JOB


def test_a_fork_has_all_slots() -> None:
    assert slots.acquire(2) == 2
    try:
        pid = os.fork()
        if not pid:
            os._exit(slots.used)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    finally:
        slots.release(2)


class Busy:
    """A vendor that counts the calls that it has at once."""

    def __init__(self) -> None:
        self.lock, self.now, self.most = threading.Lock(), 0, 0

    def __call__(self, timeout: float) -> str:
        with self.lock:
            self.now += 1
            self.most = max(self.most, self.now)
        time.sleep(0.05)
        with self.lock:
            self.now -= 1
        return "speech"


@pytest.fixture
def three_slots(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Slots for three calls; all are free again at the end."""
    monkeypatch.setattr(slots, "limit", 3)
    monkeypatch.setattr(scheduler, "SLOT_POLL_SECONDS", 0.01)
    yield
    assert slots.used == 0


@pytest.mark.usefixtures("shop", "three_slots")
def test_all_jobs_of_a_process_share_the_slots() -> None:
    busy, bought = Busy(), list[Any]()
    threads = [
        threading.Thread(target=lambda: bought.extend(buy(*[busy] * 6, parallel=6, job=Job()))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert (busy.most, bought) == (3, ["speech"] * 24)


@pytest.mark.usefixtures("shop", "three_slots")
def test_calls_that_fail_or_are_cancelled_give_their_slots_back() -> None:
    def fail(timeout: float) -> None:
        raise ProviderError("no", permanent=True)

    with pytest.raises(ProviderError):
        buy(fail, *[Busy()] * 6, parallel=3)


@pytest.mark.usefixtures("shop", "three_slots")
@pytest.mark.parametrize("step", ["permit", "entry"])
def test_calls_that_are_not_made_give_their_slots_back(alex: User, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    def refuse(*args: Any) -> Any:
        raise BudgetError("no more today")

    monkeypatch.setattr(*((permits, "acquire") if step == "permit" else (ledger, "open_entries")), refuse)
    with pytest.raises(BudgetError):
        buy(*[Busy()] * 3, parallel=3, job=claimed(alex), remote=True)


@pytest.mark.usefixtures("shop", "three_slots")
def test_a_call_that_is_given_up_holds_its_slot_until_its_thread_has_ended() -> None:
    release = threading.Event()

    def hang(timeout: float) -> None:
        release.wait(10)

    with pytest.raises(ProviderError):
        buy(hang, hang, seconds=0.05)
    assert slots.used > 0
    release.set()
    ends = time.monotonic() + 5
    while slots.used and time.monotonic() < ends:
        time.sleep(0.01)
