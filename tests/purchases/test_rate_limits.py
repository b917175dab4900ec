"""The vendors' limits: a rate in any second, so many at once, whatever the clock and the other processes do."""

import threading
import time
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
from django.db import connection

from dailycast.models import RateLimit
from dailycast.purchases import rate_limits
from dailycast.purchases.rate_limits import Limit

KEY = "shop/basic"


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
def fresh() -> Iterator[None]:
    rate_limits._shared.clear()
    yield
    rate_limits._shared.clear()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch, db: None) -> Clock:
    clock = Clock()
    monkeypatch.setattr("dailycast.purchases.rate_limits.time.time", lambda: clock.now)
    monkeypatch.setattr("dailycast.purchases.rate_limits.time.monotonic", lambda: clock.monotonic)
    return clock


def take(ticket: str = "x", seconds: float = 30) -> float:
    """The seconds until another try, 0.0 where the place was given."""
    moments, wait = rate_limits.acquire(KEY, [ticket], seconds)
    assert moments or wait > 0
    return 0.0 if moments else wait


def free(ticket: str) -> None:
    rate_limits.release(KEY, [ticket])


def begin(clock: Clock, number: int) -> list[float]:
    """The moments (monotonic) at which so many calls may go, each as early as it is let."""
    starts: list[float] = []
    while len(starts) < number:
        moments, wait = rate_limits.acquire(KEY, ["x"], 30)
        assert all(clock.monotonic <= moment < clock.monotonic + rate_limits.AHEAD + 1e-6 for moment in moments)
        starts += moments
        clock.sleep(wait)
    return starts


def another_process() -> None:
    """What this process knows of the limits is not known to another one."""
    rate_limits._shared.clear()


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
def test_what_is_no_limit_is_not_taken_for_none(listed: str) -> None:
    with pytest.raises(ValueError):
        rate_limits.read_limit(listed)


def test_the_owners_limits_come_first_and_may_lift_a_built_in_one(settings: Any) -> None:
    settings.DAILYCAST_RATE_LIMITS = "polly/neural=2/3, polly/standard=0, openai/gpt-6-luna=5"
    assert rate_limits.limit("polly/neural") == Limit(2, 3)
    assert rate_limits.limit("polly/standard") is None
    assert rate_limits.limit("polly/generative") == Limit(8)
    assert rate_limits.limit("openai/gpt-6-luna") == Limit(5)
    assert rate_limits.limit("gemini/gemini-3.5-flash-lite") is None


def test_what_has_no_limit_asks_no_database() -> None:
    moments, wait = rate_limits.acquire("shop/free", ["a", "b"], 30)
    assert (len(moments), wait) == (2, 0.0)
    assert max(moments) <= time.monotonic()
    rate_limits.release("shop/free", ["a", "b"])


# Calls in a second


@pytest.mark.parametrize("rate", [1, 8])
def test_never_more_than_the_rate_in_any_second(clock: Clock, settings: Any, rate: int) -> None:
    settings.DAILYCAST_RATE_LIMITS = {KEY: str(rate)}
    starts = begin(clock, 5 * rate)
    gaps = [later - earlier for earlier, later in zip(starts, starts[rate:], strict=False)]
    assert min(gaps) > 1.0
    assert starts[-1] - starts[0] < 5.1


def test_an_idle_second_is_made_good_quickly_and_a_busy_one_evenly(clock: Clock, settings: Any) -> None:
    settings.DAILYCAST_RATE_LIMITS = {KEY: "80"}
    starts = begin(clock, 400)
    assert starts[79] - starts[0] < 0.7
    gaps = [later - earlier for earlier, later in pairwise(starts[240:])]
    assert max(gaps) < 0.02 > 0.01 > 0.005 < min(gaps)


def test_calls_that_are_few_keep_a_little_apart(clock: Clock, settings: Any) -> None:
    settings.DAILYCAST_RATE_LIMITS = {KEY: "8"}
    starts = begin(clock, 24)
    gaps = sorted(later - earlier for earlier, later in pairwise(starts[8:]))
    assert gaps[0] == pytest.approx(rate_limits.CLOSEST, abs=1e-4)


def test_the_place_is_had_before_its_moment(clock: Clock, settings: Any) -> None:
    settings.DAILYCAST_RATE_LIMITS = {KEY: "2/5"}
    begin(clock, 2)
    free("x")
    began, wait = clock.monotonic, 0.0
    while wait := take("late"):
        clock.sleep(wait)
    assert clock.monotonic - began < rate_limits.SECOND - rate_limits.AHEAD / 2
    state = RateLimit.objects.get().state
    assert state["starts"][-1] == pytest.approx(state["starts"][0] + rate_limits.SECOND)
    assert state["flying"]["late"] == pytest.approx(state["starts"][-1] + 30 + rate_limits.MARGIN)


def test_the_calls_of_a_second_do_not_all_come_at_its_beginning(clock: Clock, settings: Any) -> None:
    settings.DAILYCAST_RATE_LIMITS = {KEY: "8"}
    starts = begin(clock, 24)
    assert min(later - earlier for earlier, later in zip(starts, starts[2:], strict=False)) > 0.12


def test_many_may_ask_together_and_as_many_go_as_there_are_places(clock: Clock, settings: Any) -> None:
    settings.DAILYCAST_RATE_LIMITS = {KEY: "40/7"}
    tickets = [f"t{number}" for number in range(9)]
    moments, wait = rate_limits.acquire(KEY, tickets, 30)
    assert (len(moments), wait > 0) == (7, True)
    assert set(RateLimit.objects.get().state["flying"]) == set(tickets[:7])
    rate_limits.release(KEY, tickets[:3])
    clock.sleep(1)
    moments, wait = rate_limits.acquire(KEY, tickets[7:], 30)
    assert (len(moments), wait) == (2, 0.0)


def test_the_rate_holds_for_all_processes_together(clock: Clock, settings: Any) -> None:
    settings.DAILYCAST_RATE_LIMITS = {KEY: "3"}
    first, waits = clock.monotonic, []
    for _ in range(4):
        another_process()
        waits.append(take())
        clock.sleep(0.2)
    assert waits[:3] == [0.0] * 3
    assert waits[3] > 0
    another_process()
    assert begin(clock, 1) == [pytest.approx(first + rate_limits.SECOND)]


def test_threads_of_one_process_share_what_one_of_them_was_told(
    clock: Clock, settings: Any, django_assert_num_queries: Any
) -> None:
    settings.DAILYCAST_RATE_LIMITS = {KEY: "1"}
    take()
    first = take()
    with django_assert_num_queries(0):
        assert take() == pytest.approx(first)
    clock.sleep(first)
    assert take() == 0.0


@pytest.mark.parametrize("back", [3.0, 3600.0])
def test_a_clock_that_is_set_back_stops_nobody_for_long(clock: Clock, settings: Any, back: float) -> None:
    settings.DAILYCAST_RATE_LIMITS = {KEY: "1/1"}
    assert take("a") == 0.0
    free("a")
    clock.set_back(back)
    waited = 0.0
    while wait := take("b"):
        clock.sleep(wait)
        waited += wait
    assert waited < rate_limits.SKEW + 1.1


def test_a_clock_that_is_set_back_while_the_place_is_written_delays_nobody(
    clock: Clock, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.DAILYCAST_RATE_LIMITS = {KEY: "8"}
    change = rate_limits._change

    def slow(*args: Any) -> rate_limits.Permits:
        found = change(*args)
        clock.set_back(3600)
        return found

    monkeypatch.setattr(rate_limits, "_change", slow)
    (moment,), _ = rate_limits.acquire(KEY, ["a"], 30)
    assert moment <= clock.monotonic + rate_limits.AHEAD


# Calls at once


def test_never_more_at_once_than_the_limit_says(clock: Clock, settings: Any) -> None:
    settings.DAILYCAST_RATE_LIMITS = {KEY: "50/2"}
    assert [take("a"), take("b")] == [0.0, 0.0]
    wait = take("c")
    assert 0 < wait < 0.1
    free("a")
    clock.sleep(wait)
    assert take("c") == 0.0
    assert set(RateLimit.objects.get().state["flying"]) == {"b", "c"}


def test_a_place_that_was_taken_and_not_told_is_not_waited_for(clock: Clock, settings: Any) -> None:
    settings.DAILYCAST_RATE_LIMITS = {KEY: "50/1"}
    take("a")
    clock.sleep(rate_limits.BURST_SECONDS)
    assert take("a") == 0.0


def test_who_had_to_wait_took_no_place(clock: Clock, settings: Any) -> None:
    settings.DAILYCAST_RATE_LIMITS = {KEY: "50/1"}
    take("a")
    before = RateLimit.objects.get().state
    take("b")
    assert RateLimit.objects.get().state == before


def test_a_call_that_its_process_took_to_the_grave_frees_its_place_when_its_time_is_up(
    clock: Clock, settings: Any
) -> None:
    settings.DAILYCAST_RATE_LIMITS = {KEY: "50/1"}
    assert take("a", seconds=30) == 0.0
    clock.sleep(30 + rate_limits.MARGIN - 1)
    assert take("b") > 0
    clock.sleep(1.1)
    assert take("b") == 0.0


def test_a_place_that_was_freed_by_time_may_be_given_back_once_more(clock: Clock, settings: Any) -> None:
    settings.DAILYCAST_RATE_LIMITS = {KEY: "50/1"}
    take("a")
    clock.sleep(60)
    take("b")
    free("a")
    assert set(RateLimit.objects.get().state["flying"]) == {"b"}


# A call that was given up


def test_a_call_that_was_given_up_keeps_its_place_until_it_is_freed(clock: Clock, settings: Any) -> None:
    settings.DAILYCAST_RATE_LIMITS = {KEY: "50/1"}
    take("a", seconds=30)
    clock.sleep(30)
    rate_limits.extend(KEY, "a")
    clock.sleep(rate_limits.MARGIN + 60)
    assert take("b") > 0
    free("a")
    clock.sleep(rate_limits.AGAIN)
    assert take("b") == 0.0


def test_but_not_for_ever(clock: Clock, settings: Any) -> None:
    settings.DAILYCAST_RATE_LIMITS = {KEY: "50/1"}
    take("a")
    rate_limits.extend(KEY, "a")
    clock.sleep(rate_limits.HOLD - 1)
    assert take("b") > 0
    clock.sleep(1.1)
    assert take("b") == 0.0


def test_a_place_that_another_has_by_now_is_not_taken_back(clock: Clock, settings: Any) -> None:
    settings.DAILYCAST_RATE_LIMITS = {KEY: "50/1"}
    take("a", seconds=30)
    clock.sleep(60)
    take("b")
    rate_limits.extend(KEY, "a")
    assert set(RateLimit.objects.get().state["flying"]) == {"b"}


def test_where_calls_at_once_are_not_counted_nothing_is_held(settings: Any) -> None:
    settings.DAILYCAST_RATE_LIMITS = {KEY: "50"}
    for key in (KEY, "shop/free"):
        rate_limits.extend(key, "a")  # asks no database


# Really at once


@pytest.mark.django_db(transaction=True)
def test_eight_threads_keep_to_both_limits(settings: Any) -> None:
    settings.DAILYCAST_RATE_LIMITS = {KEY: "10/3"}
    lock, starts, flying, peaks = threading.Lock(), list[float](), set[str](), list[int]()

    def work(name: str) -> None:
        try:
            for number in range(2):
                ticket = f"{name}{number}"
                moments = list[float]()
                while not moments:
                    moments, wait = rate_limits.acquire(KEY, [ticket], 30)
                    time.sleep(wait)
                time.sleep(max(moments[0] - time.monotonic(), 0))
                with lock:
                    starts.append(time.time())
                    flying.add(ticket)
                    peaks.append(len(flying))
                time.sleep(0.02)
                with lock:
                    flying.remove(ticket)
                free(ticket)
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
