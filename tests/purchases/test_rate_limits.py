"""The vendors' rate limits: calls in any second, and calls at once, whatever the clock and other processes do."""

import threading
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import pytest
from django.db import connection

from dailycast.models import RateLimit
from dailycast.purchases import rate_limits
from dailycast.purchases.rate_limits import Limit
from tests.purchases.shop import KEY, held_permits


class Clock:
    """Seconds since the epoch and monotonic ones; `sleep` moves both, `set_back` only the first."""

    def __init__(self) -> None:
        self.now, self.monotonic = 1_800_000_000.0, 500.0

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.monotonic += seconds

    def set_back(self, seconds: float) -> None:
        self.now -= seconds


@pytest.fixture(autouse=True)
def no_local_waits() -> Iterator[None]:
    rate_limits._local_waits.clear()
    yield
    rate_limits._local_waits.clear()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch, db: None) -> Clock:
    clock = Clock()
    monkeypatch.setattr("dailycast.purchases.rate_limits.time.time", lambda: clock.now)
    monkeypatch.setattr("dailycast.purchases.rate_limits.time.monotonic", lambda: clock.monotonic)
    return clock


def seconds_to_permit(permit_id: str = "x", seconds: float = 30) -> float:
    """The seconds until one may ask again; 0.0 where the permit was given."""
    start_times, wait = rate_limits.acquire(KEY, [permit_id], seconds)
    assert start_times or wait > 0
    return 0.0 if start_times else wait


def release(permit_id: str) -> None:
    rate_limits.release(KEY, [permit_id])


def start_calls(clock: Clock, number: int) -> list[float]:
    """The start times (monotonic seconds) of so many calls, each as early as the limit allows."""
    starts: list[float] = []
    while len(starts) < number:
        start_times, wait = rate_limits.acquire(KEY, ["x"], 30)
        assert all(
            clock.monotonic <= start_time < clock.monotonic + rate_limits.LOOKAHEAD + 1e-6 for start_time in start_times
        )
        starts += start_times
        clock.sleep(wait)
    return starts


def forget_local_waits() -> None:
    """Ask as another process would, which does not know how long this one has to wait."""
    rate_limits._local_waits.clear()


# Reading


@pytest.mark.parametrize(
    ("listed", "read"),
    [
        ("8", Limit(8)),
        ("8/18", Limit(8, 18)),
        (" 8 / 18 ", Limit(8, 18)),
        ("0", None),
    ],
)
def test_how_a_limit_is_written(listed: str, read: Limit | None) -> None:
    assert rate_limits.read_limit(listed) == read


@pytest.mark.parametrize("listed", ["", "8/0", "0/8", "-8", "8.5", "8/18/2", "8/", "many"])
def test_what_cannot_be_read_as_a_limit_is_an_error(listed: str) -> None:
    with pytest.raises(ValueError):
        rate_limits.read_limit(listed)


def test_the_owners_limits_come_first_and_may_lift_a_built_in_one(settings: Any) -> None:
    settings.DAILYCAST_RATE_LIMITS = "polly/neural=2/3, polly/standard=0, openai/gpt-6-luna=5"
    assert rate_limits.limit("polly/neural") == Limit(2, 3)
    assert rate_limits.limit("polly/standard") is None
    assert rate_limits.limit("polly/generative") == Limit(8)
    assert rate_limits.limit("openai/gpt-6-luna") == Limit(5)
    assert rate_limits.limit("gemini/gemini-3.5-flash-lite") is None


@pytest.mark.parametrize(("key", "known"), [("polly/neural", (8, 18)), ("openai/gpt-6-luna", None)])
def test_a_limit_that_cannot_be_read_leaves_the_vendors_own(
    settings: Any, key: str, known: tuple[int, int] | None
) -> None:
    settings.DAILYCAST_RATE_LIMITS = {key: "eight"}
    assert rate_limits.limit(key) == (Limit(*known) if known else None)


def test_what_has_no_limit_asks_no_database() -> None:
    start_times, wait = rate_limits.acquire("shop/free", ["a", "b"], 30)
    assert (len(start_times), wait) == (2, 0.0)
    assert max(start_times) <= time.monotonic()
    rate_limits.release("shop/free", ["a", "b"])


# Calls in a second


@pytest.mark.parametrize("rate", [1, 8])
def test_never_more_than_the_rate_in_any_second(clock: Clock, settings: Any, rate: int) -> None:
    settings.DAILYCAST_RATE_LIMITS = {KEY: str(rate)}
    starts = start_calls(clock, 5 * rate)
    gaps = [later - earlier for earlier, later in zip(starts, starts[rate:], strict=False)]
    assert min(gaps) > 1.0
    assert starts[-1] - starts[0] < 5.1


def test_after_an_idle_second_calls_start_quickly_and_then_evenly(clock: Clock, settings: Any) -> None:
    settings.DAILYCAST_RATE_LIMITS = {KEY: "80"}
    starts = start_calls(clock, 400)
    assert starts[79] - starts[0] < 0.7
    gaps = [later - earlier for earlier, later in pairwise(starts[240:])]
    assert max(gaps) < 0.02 > 0.01 > 0.005 < min(gaps)


def test_few_calls_start_a_little_apart(clock: Clock, settings: Any) -> None:
    settings.DAILYCAST_RATE_LIMITS = {KEY: "8"}
    starts = start_calls(clock, 24)
    gaps = sorted(later - earlier for earlier, later in pairwise(starts[8:]))
    assert gaps[0] == pytest.approx(rate_limits.MAX_GAP, abs=1e-4)


def test_a_permit_is_given_before_its_start_time(clock: Clock, settings: Any) -> None:
    settings.DAILYCAST_RATE_LIMITS = {KEY: "2/5"}
    start_calls(clock, 2)
    release("x")
    start, wait = clock.monotonic, 0.0
    while wait := seconds_to_permit("late"):
        clock.sleep(wait)
    assert clock.monotonic - start < rate_limits.SECOND - rate_limits.LOOKAHEAD / 2
    state = RateLimit.objects.get().state
    assert state["starts"][-1] == pytest.approx(state["starts"][0] + rate_limits.SECOND)
    assert state["flying"]["late"] == pytest.approx(state["starts"][-1] + 30 + rate_limits.HOLD_MARGIN)


def test_the_calls_of_a_second_do_not_all_come_at_its_beginning(clock: Clock, settings: Any) -> None:
    settings.DAILYCAST_RATE_LIMITS = {KEY: "8"}
    starts = start_calls(clock, 24)
    assert min(later - earlier for earlier, later in zip(starts, starts[2:], strict=False)) > 0.12


def test_of_many_that_ask_together_as_many_get_a_permit_as_the_limit_allows(clock: Clock, settings: Any) -> None:
    settings.DAILYCAST_RATE_LIMITS = {KEY: "40/7"}
    permit_ids = [f"t{number}" for number in range(9)]
    start_times, wait = rate_limits.acquire(KEY, permit_ids, 30)
    assert (len(start_times), wait > 0) == (7, True)
    assert held_permits() == set(permit_ids[:7])
    rate_limits.release(KEY, permit_ids[:3])
    clock.sleep(1)
    start_times, wait = rate_limits.acquire(KEY, permit_ids[7:], 30)
    assert (len(start_times), wait) == (2, 0.0)


def test_the_rate_holds_for_all_processes_together(clock: Clock, settings: Any) -> None:
    settings.DAILYCAST_RATE_LIMITS = {KEY: "3"}
    first, waits = clock.monotonic, []
    for _ in range(4):
        forget_local_waits()
        waits.append(seconds_to_permit())
        clock.sleep(0.2)
    assert waits[:3] == [0.0] * 3
    assert waits[3] > 0
    forget_local_waits()
    assert start_calls(clock, 1) == [pytest.approx(first + rate_limits.SECOND)]


def test_threads_of_one_process_share_the_answer_that_one_of_them_got(
    clock: Clock, settings: Any, django_assert_num_queries: Any
) -> None:
    settings.DAILYCAST_RATE_LIMITS = {KEY: "1"}
    seconds_to_permit()
    first = seconds_to_permit()
    with django_assert_num_queries(0):
        assert seconds_to_permit() == pytest.approx(first)
    clock.sleep(first)
    assert seconds_to_permit() == 0.0


@pytest.mark.parametrize("back", [3.0, 3600.0])
def test_a_clock_that_is_set_back_stops_nobody_for_long(clock: Clock, settings: Any, back: float) -> None:
    settings.DAILYCAST_RATE_LIMITS = {KEY: "1/1"}
    assert seconds_to_permit("a") == 0.0
    release("a")
    clock.set_back(back)
    waited = 0.0
    while wait := seconds_to_permit("b"):
        clock.sleep(wait)
        waited += wait
    assert waited < rate_limits.CLOCK_SKEW + 1.1


def test_a_clock_that_is_set_back_while_the_permit_is_written_delays_nobody(
    clock: Clock, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.DAILYCAST_RATE_LIMITS = {KEY: "8"}
    change = rate_limits._change

    def slow(*args: Any) -> rate_limits.Permits:
        found = change(*args)
        clock.set_back(3600)
        return found

    monkeypatch.setattr(rate_limits, "_change", slow)
    (start_time,), _ = rate_limits.acquire(KEY, ["a"], 30)
    assert start_time <= clock.monotonic + rate_limits.LOOKAHEAD


# Calls at once


def test_never_more_at_once_than_the_limit_says(clock: Clock, settings: Any) -> None:
    settings.DAILYCAST_RATE_LIMITS = {KEY: "50/2"}
    assert [seconds_to_permit("a"), seconds_to_permit("b")] == [0.0, 0.0]
    wait = seconds_to_permit("c")
    assert 0 < wait < 0.1
    release("a")
    clock.sleep(wait)
    assert seconds_to_permit("c") == 0.0
    assert held_permits() == {"b", "c"}


def test_a_permit_that_was_written_and_whose_answer_was_lost_is_not_waited_for(clock: Clock, settings: Any) -> None:
    settings.DAILYCAST_RATE_LIMITS = {KEY: "50/1"}
    seconds_to_permit("a")
    clock.sleep(rate_limits.BURST_SECONDS)
    assert seconds_to_permit("a") == 0.0


def test_a_call_that_has_to_wait_holds_no_permit(clock: Clock, settings: Any) -> None:
    settings.DAILYCAST_RATE_LIMITS = {KEY: "50/1"}
    seconds_to_permit("a")
    before = RateLimit.objects.get().state
    seconds_to_permit("b")
    assert RateLimit.objects.get().state == before


def assert_next_permit_in(seconds: float, clock: Clock) -> None:
    """Another call waits for its permit until just before that, and no longer than a moment after it."""
    clock.sleep(seconds - 1)
    assert seconds_to_permit("b") > 0
    clock.sleep(1.1)
    assert seconds_to_permit("b") == 0.0


def test_the_permit_of_a_dead_process_is_free_when_its_time_is_up(clock: Clock, settings: Any) -> None:
    settings.DAILYCAST_RATE_LIMITS = {KEY: "50/1"}
    assert seconds_to_permit("a", seconds=30) == 0.0
    assert_next_permit_in(30 + rate_limits.HOLD_MARGIN, clock)


# A call that was given up


def test_a_call_that_was_given_up_holds_its_permit_until_it_is_released(clock: Clock, settings: Any) -> None:
    settings.DAILYCAST_RATE_LIMITS = {KEY: "50/1"}
    seconds_to_permit("a", seconds=30)
    clock.sleep(30)
    rate_limits.extend(KEY, "a")
    clock.sleep(rate_limits.HOLD_MARGIN + 60)
    assert seconds_to_permit("b") > 0
    release("a")
    clock.sleep(rate_limits.RECHECK_DELAY)
    assert seconds_to_permit("b") == 0.0


def test_a_call_that_was_given_up_does_not_hold_its_permit_for_ever(clock: Clock, settings: Any) -> None:
    settings.DAILYCAST_RATE_LIMITS = {KEY: "50/1"}
    seconds_to_permit("a")
    rate_limits.extend(KEY, "a")
    assert_next_permit_in(rate_limits.LONGEST_HOLD, clock)


@pytest.mark.parametrize(
    "change", [release, lambda permit_id: rate_limits.extend(KEY, permit_id)], ids=["release", "extend"]
)
def test_a_permit_whose_time_was_up_is_left_to_the_call_that_has_its_place(
    clock: Clock, settings: Any, change: Callable[[str], None]
) -> None:
    settings.DAILYCAST_RATE_LIMITS = {KEY: "50/1"}
    seconds_to_permit("a", seconds=30)
    clock.sleep(60)
    seconds_to_permit("b")
    change("a")
    assert held_permits() == {"b"}


def test_where_calls_at_once_are_not_limited_nothing_is_held(settings: Any) -> None:
    settings.DAILYCAST_RATE_LIMITS = {KEY: "50"}
    for key in (KEY, "shop/free"):
        rate_limits.extend(key, "a")  # asks no database


# Really at once


@pytest.mark.django_db(transaction=True)
def test_eight_threads_keep_to_both_limits(settings: Any) -> None:
    settings.DAILYCAST_RATE_LIMITS = {KEY: "10/3"}
    lock, starts, in_flight, peaks = threading.Lock(), list[float](), set[str](), list[int]()

    def work(name: str) -> None:
        try:
            for number in range(2):
                permit_id = f"{name}{number}"
                start_times = list[float]()
                while not start_times:
                    start_times, wait = rate_limits.acquire(KEY, [permit_id], 30)
                    time.sleep(wait)
                time.sleep(max(start_times[0] - time.monotonic(), 0))
                with lock:
                    starts.append(time.time())
                    in_flight.add(permit_id)
                    peaks.append(len(in_flight))
                time.sleep(0.02)
                with lock:
                    in_flight.remove(permit_id)
                release(permit_id)
        finally:
            connection.close()

    threads = [threading.Thread(target=work, args=(name,)) for name in "abcdefgh"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(starts) == 16
    assert max(peaks) <= 3
    starts.sort()
    assert starts[-1] - starts[0] > 1.0
    assert RateLimit.objects.get().state["flying"] == {}
    assert RateLimit.objects.get().version == 32
