"""Buying from a shop of our own: in which order, how often, for how long, and what is stored."""

import threading
import time
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from django.contrib.auth.models import User

from dailycast.errors import ClaimLostError, NeedsPersonError, ProviderError, ReleasedError, ThrottledError
from dailycast.jobs.job import LONG_AGO, Job, stopping
from dailycast.models import Budget, DailyPodcast, Kind, Outcome, ProviderCall, RateLimit
from dailycast.purchases import rate_limits, scheduler
from tests.jobs.rows import claimed
from tests.purchases.shop import Flaky, Shop, Stored, buy, entries, join_calls, purchase_of

pytestmark = pytest.mark.usefixtures("shop")


class ParallelCalls:
    """Calls that count how many of them run at once; the first eight wait for each other."""

    def __init__(self) -> None:
        self.barrier = threading.Barrier(8)
        self.running = self.most = 0
        self.lock = threading.Lock()

    def call(self, number: int, timeout: float) -> int:
        with self.lock:
            self.running += 1
            self.most = max(self.most, self.running)
        if number < 8:
            self.barrier.wait(5)
        time.sleep(0.01 * (3 - number % 3))
        with self.lock:
            self.running -= 1
        return number


def test_answers_keep_their_order_and_no_more_calls_are_parallel_than_allowed() -> None:
    calls = ParallelCalls()
    assert buy(*(partial(calls.call, number) for number in range(20)), parallel=8) == list(range(20))
    assert calls.most == 8


def test_nothing_to_buy_is_no_answers() -> None:
    assert buy() == []


def test_the_first_failure_stops_what_has_not_begun() -> None:
    begun: list[int] = []

    def call(number: int, timeout: float) -> int:
        begun.append(number)
        if number == 1:
            raise ProviderError("no", permanent=True)
        return number

    with pytest.raises(ProviderError, match="^no$"):
        buy(*(partial(call, number) for number in range(9)))
    assert begun == [0, 1]


def test_what_is_in_flight_at_a_failure_is_waited_for_and_stored(alex: User) -> None:
    failed, stored, begun = threading.Event(), Stored(), list[str]()

    def fail(timeout: float) -> str:
        begun.append("fail")
        failed.set()
        raise ProviderError("no", permanent=True, billed=())

    def slow(timeout: float) -> str:
        begun.append("slow")
        failed.wait(5)
        time.sleep(0.2)
        return "paid for"

    with pytest.raises(ProviderError, match="^no$"):
        buy(fail, slow, Flaky(), parallel=2, job=claimed(alex), remote=True, store=stored.add)
    assert sorted(begun) == ["fail", "slow"]
    assert stored == ["paid for"]
    assert sorted(entries()) == [("a", "refused", 0, Decimal(0)), ("b", "ok", 10, Decimal("0.1"))]


def test_what_waits_for_its_start_time_at_a_failure_is_not_called_and_costs_nothing(
    alex: User, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.DAILYCAST_RATE_LIMITS, settings.DAILYCAST_DAILY_BUDGET_USD = {"shop/basic": "4/9"}, 50
    monkeypatch.setattr(rate_limits, "BURST_SECONDS", 20)  # between two calls
    monkeypatch.setattr(rate_limits, "LOOKAHEAD", 90)
    begun: list[str] = []

    def fail(timeout: float) -> str:
        begun.append("fail")
        raise ProviderError("no", permanent=True, billed=())

    late = [purchase_of(lambda timeout: begun.append("late"), unit, True) for unit in "bcd"]
    with pytest.raises(ProviderError, match="^no$"):
        scheduler.buy([purchase_of(fail, "a", True), *late], 4, claimed(alex))
    assert begun == ["fail"]
    assert {(outcome, cost) for _, outcome, _, cost in entries()} == {("refused", Decimal(0))}
    assert set(ProviderCall.objects.exclude(unit="a").values_list("message", flat=True)) == {
        "It was not called: another call failed before."
    }
    assert Budget.objects.get().reserved == 0
    assert RateLimit.objects.get().state["flying"] == {}


def test_what_waits_for_its_start_time_at_ctrl_c_is_not_called(
    alex: User, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.DAILYCAST_RATE_LIMITS = {"shop/basic": "4"}
    monkeypatch.setattr(rate_limits, "BURST_SECONDS", 2.0)  # between two calls
    monkeypatch.setattr(rate_limits, "LOOKAHEAD", 3.0)

    def interrupted(self: object, pause: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(scheduler.PurchaseScheduler, "collect_results", interrupted)
    first, second = Flaky(), Flaky()
    with pytest.raises(KeyboardInterrupt):
        buy(first, second, parallel=2, job=claimed(alex), remote=True)
    join_calls()
    assert (first.calls, second.calls) == (1, 0)
    assert ProviderCall.objects.count() == 2


def test_a_call_out_of_time_is_given_up_and_retried_once() -> None:
    release, begun = threading.Event(), list[float]()

    def hang(timeout: float) -> None:
        begun.append(timeout)
        release.wait(10)

    message = r"^no answer within 0\.1 s: check the network, or try again later\.$"
    with pytest.raises(ProviderError, match=message) as caught:
        buy(hang, seconds=0.1)
    release.set()
    assert (caught.value.permanent, begun) == (False, [0.1, 0.1])


def test_each_call_has_a_timeout_of_its_own() -> None:
    assert buy(*[lambda timeout: time.sleep(0.2)] * 3, seconds=0.5) == [None] * 3


@pytest.mark.parametrize(("seconds", "least", "most"), [(30, 30, 30), (90, 59, 60)])
def test_a_call_gets_the_shorter_of_its_time_and_what_is_left_of_the_job(
    seconds: float, least: float, most: float
) -> None:
    job = Job()
    job.deadline = time.monotonic() + 60
    (given,) = buy(lambda timeout: timeout, seconds=seconds, job=job)
    assert least <= given <= most


def test_nothing_is_called_after_the_deadline() -> None:
    flaky, job = Flaky(), Job()
    job.deadline = time.monotonic()
    with pytest.raises(ProviderError, match="the episode took longer than DAILYCAST_JOB_TIMEOUT") as caught:
        buy(flaky, job=job)
    assert (flaky.calls, caught.value.permanent) == (0, True)


def test_a_transient_fault_is_retried_after_a_pause() -> None:
    flaky, start = Flaky(ProviderError("busy", permanent=False, retry_after=0.2)), time.monotonic()
    assert buy(flaky) == ["speech"]
    assert flaky.calls == 2
    assert time.monotonic() - start >= 0.2


def test_a_transient_fault_is_retried_only_once() -> None:
    flaky = Flaky(*[ProviderError(f"busy {number}", permanent=False) for number in (1, 2)])
    with pytest.raises(ProviderError, match="busy 2"):
        buy(flaky)
    assert flaky.calls == 2


@pytest.mark.parametrize(
    "error",
    [
        ProviderError("bad key", permanent=True),
        ProviderError("come back in an hour", permanent=False, retry_after=5.1),
        ThrottledError("come back in an hour", 11.0),
        RuntimeError("a bug"),
    ],
)
def test_what_a_retry_would_not_help_is_not_retried(error: Exception) -> None:
    flaky = Flaky(error)
    with pytest.raises(type(error), match=str(error)):
        buy(flaky)
    assert flaky.calls == 1


@pytest.mark.parametrize("error", [ProviderError("busy", permanent=False, retry_after=3.0), ThrottledError("busy", 3)])
def test_nothing_is_retried_past_the_deadline(error: ProviderError) -> None:
    flaky, job, start = Flaky(error), Job(), time.monotonic()
    job.deadline = start + 2
    with pytest.raises(ProviderError, match="busy"):
        buy(flaky, job=job)
    assert flaky.calls == 1
    assert time.monotonic() - start < 1.5


def test_a_throttled_call_does_not_count_as_a_failure() -> None:
    busy = [ThrottledError("busy", 0.01) for _ in range(10)]
    flaky = Flaky(*busy[:5], ProviderError("broken", permanent=False), *busy[5:])
    assert buy(flaky) == ["speech"]
    assert flaky.calls == 12


def test_a_throttled_call_is_retried_ten_times_at_most() -> None:
    flaky = Flaky(*[ThrottledError("busy", 0.0) for _ in range(30)])
    with pytest.raises(ThrottledError):
        buy(flaky)
    assert flaky.calls == 11


def test_a_call_that_waits_for_its_retry_does_not_delay_the_others() -> None:
    began = list[str]()

    def call(name: str, flaky: Flaky, timeout: float) -> str:
        began.append(name)
        return flaky(timeout)

    busy = partial(call, "busy", Flaky(ProviderError("busy", permanent=False, retry_after=0.2)))
    assert buy(busy, partial(call, "next", Flaky()), partial(call, "last", Flaky())) == ["speech"] * 3
    assert began == ["busy", "next", "last", "busy"]


def test_a_call_during_which_the_worker_died_twice_needs_a_person(alex: User) -> None:
    job, flaky = claimed(alex), Flaky()
    lost = {"podcast": job.podcast, "day": "2026-11-23", "provider": "shop", "kind": Kind.SPEECH, "unit": "a"}
    ProviderCall.objects.create(**lost, outcome=Outcome.LOST)
    ProviderCall.objects.create(**lost, outcome=Outcome.WRITTEN_OFF)
    assert buy(flaky, job=job, remote=True) == ["speech"]
    ProviderCall.objects.create(**lost, outcome=Outcome.LOST)
    with pytest.raises(NeedsPersonError, match="The worker died 2 times"):
        buy(flaky, job=job, remote=True)
    assert flaky.calls == 1


def test_an_answer_that_cannot_be_stored_is_in_the_ledger_as_paid(alex: User) -> None:
    def full(answer: object) -> None:
        raise OSError(28, "No space left on device")

    flaky = Flaky()
    with pytest.raises(OSError, match="No space left"):
        buy(flaky, flaky, job=claimed(alex), remote=True, store=full)
    assert (flaky.calls, entries()) == (1, [("a", "ok", 10, Decimal("0.1"))])


@pytest.mark.django_db(transaction=True)
def test_nothing_more_is_bought_for_an_episode_that_is_deleted_midway() -> None:
    job, flaky = claimed(User.objects.create_user("alex")), Flaky()

    def delete(answer: object) -> str:
        DailyPodcast.objects.all().delete()
        return ""

    with pytest.raises(ClaimLostError):
        buy(flaky, flaky, job=job, remote=True, store=delete)
    assert (flaky.calls, entries()) == (1, [("a", "ok", 10, Decimal("0.1"))])


def test_a_worker_that_slept_past_its_lease_and_lost_the_job_buys_nothing_more(alex: User) -> None:
    job, flaky = claimed(alex), Flaky()
    DailyPodcast.objects.update(claim_token="another")
    job.renewed_at = LONG_AGO
    with pytest.raises(ClaimLostError):
        buy(flaky, job=job, remote=True)
    assert (flaky.calls, entries()) == (0, [])


def test_a_process_that_is_to_end_buys_nothing_more_and_stores_what_it_has_begun(alex: User) -> None:
    stored = Stored()

    def stop(timeout: float) -> str:
        stopping.set()
        return "paid for"

    flaky = Flaky()
    try:
        with pytest.raises(ReleasedError):
            buy(stop, flaky, job=claimed(alex, can_reschedule=True), remote=True, store=stored.add)
    finally:
        stopping.clear()
    assert (flaky.calls, stored, entries()) == (0, ["paid for"], [("a", "ok", 10, Decimal("0.1"))])


class PreparedShop(Shop):
    """Notes how many rows of rate limits there were when it was prepared."""

    def __init__(self) -> None:
        super().__init__(remote=True)
        self.rate_limits: list[int] = []

    def prepare(self) -> None:
        self.rate_limits.append(RateLimit.objects.count())


def test_a_provider_is_prepared_once_and_before_a_permit_is_acquired(alex: User, settings: Any) -> None:
    settings.DAILYCAST_RATE_LIMITS = {"shop/basic": "50/2"}
    provider = PreparedShop()
    scheduler.buy([purchase_of(Flaky(), unit=unit, shop=provider) for unit in "abc"], 1, claimed(alex))
    assert (provider.rate_limits, RateLimit.objects.count()) == ([0], 1)


@pytest.mark.parametrize("broken", ["release", "extend"])
def test_a_permit_that_cannot_be_released_costs_no_answer(
    alex: User, settings: Any, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    settings.DAILYCAST_RATE_LIMITS = {"shop/basic": "50/9"}

    def fail(*args: Any) -> None:
        raise RuntimeError("the database is gone")

    monkeypatch.setattr(rate_limits, broken, fail)
    stored = Stored()

    def slow(timeout: float) -> str:
        time.sleep(0.3)
        return "paid for"

    first = purchase_of(lambda timeout: time.sleep(0.5 if broken == "extend" else 0), "a", True, 0.2)
    with pytest.raises(RuntimeError, match="the database is gone"):
        scheduler.buy([first, purchase_of(slow, "b", True, 20, stored.add)], 2, claimed(alex))
    assert stored == ["paid for"]
    join_calls()


class Misconfigured(Shop):
    def __init__(self, error: BaseException) -> None:
        super().__init__(remote=False)
        self.error = error

    def prepare(self) -> None:
        raise self.error


def test_what_is_wrong_with_settings_is_said_by_the_call() -> None:
    says = ProviderError("no such region", permanent=True)
    with pytest.raises(ProviderError, match="no such region"):
        scheduler.buy([purchase_of(Flaky(says), shop=Misconfigured(ValueError("bad")))], 1, Job())


@pytest.mark.parametrize("error", [ProviderError("not installed", permanent=True), KeyboardInterrupt()])
def test_a_clear_error_of_the_preparation_is_raised(error: BaseException) -> None:
    flaky = Flaky()
    with pytest.raises(type(error)):
        scheduler.buy([purchase_of(flaky, shop=Misconfigured(error))], 1, Job())
    assert flaky.calls == 0
