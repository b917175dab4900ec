"""Buying from a shop of our own: in which order, how often, for how long, and what the ledger says of it."""

import subprocess
import sys
import threading
import time
from collections.abc import Callable
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User

from dailycast.errors import (
    BudgetError,
    ClaimLostError,
    NeedsPersonError,
    ProviderError,
    ReleasedError,
    ThrottledError,
    Units,
    VendorWideError,
)
from dailycast.gateway.provider import BaseProvider
from dailycast.jobs import job as job_
from dailycast.jobs import queue as jobs
from dailycast.jobs.job import Job
from dailycast.models import Budget, DailyPodcast, Kind, Outcome, ProviderCall, RateLimit, dates
from dailycast.purchases import attempts, in_flight, ledger, permits, scheduler
from dailycast.purchases import rate_limits as limits
from dailycast.purchases.in_flight import InFlightCall
from dailycast.purchases.purchase import Purchase

MOST, BILLED = (100,), (10,)  # units, at a cent each


class Shop(BaseProvider):
    name = "shop"

    def __init__(self, remote: bool) -> None:
        self.remote = remote

    def missing(self) -> str:
        return ""


@pytest.fixture(autouse=True)
def shop(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.DAILYCAST_PRICES = {"shop/counter": "10000"}
    monkeypatch.setattr(attempts, "RETRY_DELAY", 0.0)


class Stored(list[str]):
    """The answers that were stored; the ledger keeps nothing of them."""

    def add(self, answer: str) -> str:
        self.append(answer)
        return ""


class ShopPurchase(Purchase[Any]):
    kind, model, most_units = Kind.SPEECH, "counter", MOST

    def __init__(
        self,
        provider: Shop,
        unit: str,
        seconds: float,
        call: Callable[[float], Any],
        store: Callable[[Any], str],
    ) -> None:
        self.provider, self.unit, self.seconds = provider, unit, seconds
        self.shop_call, self.shop_store = call, store

    def call(self, timeout: float) -> Any:
        return self.shop_call(timeout)

    def billed_units(self, answer: Any) -> Units:
        return BILLED

    def store(self, answer: Any) -> str:
        return self.shop_store(answer)


def order(
    call: Callable[[float], Any],
    unit: str = "a",
    remote: bool = False,
    seconds: float = 20,
    store: Callable[[Any], str] = lambda answer: "",
    shop: Shop | None = None,
) -> Purchase[Any]:
    return ShopPurchase(shop or Shop(remote), unit, seconds, call, store)


def buy(*asked: Callable[[float], Any], parallel: int = 1, job: Job | None = None, **more: Any) -> list[Any]:
    orders = [order(call, unit=chr(97 + place), **more) for place, call in enumerate(asked)]
    return scheduler.buy(orders, parallel, job or Job())


def job_of(user: User, **flags: Any) -> Job:
    job = jobs.claim(jobs.submit(user, "en").pk, **flags)
    assert job is not None
    return job


def entries() -> list[tuple[str, str, int | None, Decimal | None]]:
    rows = ProviderCall.objects.order_by("pk")
    return list(rows.values_list("unit", "outcome", "units", "cost_usd"))


class Flaky:
    """Fails with each of `errors`, one a call, and then answers."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.calls = 0

    def __call__(self, timeout: float) -> str:
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return "speech"


# Order and number


class Crowd:
    """Calls that note how many of them are inside at once; the first eight wait for each other."""

    def __init__(self) -> None:
        self.gate = threading.Barrier(8)
        self.inside = self.most = 0
        self.lock = threading.Lock()

    def call(self, number: int, timeout: float) -> int:
        with self.lock:
            self.inside += 1
            self.most = max(self.most, self.inside)
        if number < 8:
            self.gate.wait(5)
        time.sleep(0.01 * (3 - number % 3))
        with self.lock:
            self.inside -= 1
        return number


def test_answers_keep_their_order_and_the_bound_holds() -> None:
    crowd = Crowd()
    assert buy(*(partial(crowd.call, number) for number in range(20)), parallel=8) == list(range(20))
    assert crowd.most == 8


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


def test_what_is_in_flight_at_a_failure_is_waited_for_and_kept(alex: User) -> None:
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
        buy(fail, slow, Flaky(), parallel=2, job=job_of(alex), remote=True, store=stored.add)
    assert sorted(begun) == ["fail", "slow"]
    assert stored == ["paid for"]
    assert sorted(entries()) == [("a", "refused", 0, Decimal(0)), ("b", "ok", 10, Decimal("0.1"))]


def test_what_waits_for_its_moment_at_a_failure_is_not_called_and_costs_nothing(
    alex: User, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.DAILYCAST_RATE_LIMITS, settings.DAILYCAST_DAILY_BUDGET_USD = {"shop/counter": "4/9"}, 50
    monkeypatch.setattr(limits, "BURST_SECONDS", 20)  # between two calls
    monkeypatch.setattr(limits, "AHEAD", 90)
    begun: list[str] = []

    def fail(timeout: float) -> str:
        begun.append("fail")
        raise ProviderError("no", permanent=True, billed=())

    orders = [order(fail, "a", True)] + [order(lambda timeout: begun.append("late"), unit, True) for unit in "bcd"]
    with pytest.raises(ProviderError, match="^no$"):
        scheduler.buy(orders, 4, job_of(alex))
    assert begun == ["fail"]
    assert {(outcome, cost) for _, outcome, _, cost in entries()} == {("refused", Decimal(0))}
    assert set(ProviderCall.objects.exclude(unit="a").values_list("message", flat=True)) == {
        "It was not called: another call failed before."
    }
    assert Budget.objects.get().reserved == 0
    assert RateLimit.objects.get().state["flying"] == {}


def test_what_waits_for_its_moment_at_ctrl_c_is_not_called(
    alex: User, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.DAILYCAST_RATE_LIMITS = {"shop/counter": "4"}
    monkeypatch.setattr(limits, "BURST_SECONDS", 0.25)  # between two calls

    def interrupted(self: object, pause: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(scheduler.PurchaseScheduler, "collect_results", interrupted)
    first, second = Flaky(), Flaky()
    with pytest.raises(KeyboardInterrupt):
        buy(first, second, parallel=2, job=job_of(alex), remote=True)
    ended()
    assert (first.calls, second.calls) == (1, 0)
    assert ProviderCall.objects.count() == 2


# The clock


def test_a_call_out_of_time_is_given_up_and_tried_once_more() -> None:
    release, begun = threading.Event(), list[float]()

    def hang(timeout: float) -> None:
        begun.append(timeout)
        release.wait(10)

    told = r"^no answer within 0\.1 s: check the network, or try again later\.$"
    with pytest.raises(ProviderError, match=told) as caught:
        buy(hang, seconds=0.1)
    release.set()
    assert (caught.value.permanent, begun) == (False, [0.1, 0.1])


def test_an_answer_that_comes_after_the_call_was_given_up_is_not_taken_for_the_next_ones() -> None:
    answers = iter([(0.3, "late"), (0.0, "in time")])

    def call(timeout: float) -> str:
        pause, answer = next(answers)
        time.sleep(pause)
        return answer

    assert buy(call, lambda timeout: time.sleep(0.15), seconds=0.2) == ["in time", None]


def test_each_call_has_its_own_clock() -> None:
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


def test_a_hanging_call_does_not_keep_the_interpreter_from_ending() -> None:
    code = """
import django, time; django.setup()
from dailycast.purchases import attempts
from tests.purchases.test_purchase import buy
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


# Another try


@pytest.mark.parametrize(("retry_after", "waited"), [(None, 0.5), (1.0, 1.0), (5.0, 5.0), (0.0, 0.0), (5.1, None)])
def test_a_fault_that_passes_is_waited_for_as_the_vendor_wishes_up_to_five_seconds(
    monkeypatch: pytest.MonkeyPatch, retry_after: float | None, waited: float | None
) -> None:
    monkeypatch.undo()
    each = attempts.Attempt(order(Flaky()))
    assert attempts.retry_delay(each, ProviderError("busy", permanent=False, retry_after=retry_after)) == waited


def test_a_fault_that_passes_is_tried_once_more_after_a_pause() -> None:
    flaky, start = Flaky(ProviderError("busy", permanent=False, retry_after=0.2)), time.monotonic()
    assert buy(flaky) == ["speech"]
    assert flaky.calls == 2
    assert time.monotonic() - start >= 0.2


def test_but_only_once() -> None:
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
def test_what_would_not_help_is_not_tried_again(error: Exception) -> None:
    flaky = Flaky(error)
    with pytest.raises(type(error), match=str(error)):
        buy(flaky)
    assert flaky.calls == 1


@pytest.mark.parametrize("error", [ProviderError("busy", permanent=False, retry_after=3.0), ThrottledError("busy", 3)])
def test_no_other_try_past_the_deadline(error: ProviderError) -> None:
    flaky, job, start = Flaky(error), Job(), time.monotonic()
    job.deadline = start + 2
    with pytest.raises(ProviderError, match="busy"):
        buy(flaky, job=job)
    assert flaky.calls == 1
    assert time.monotonic() - start < 1.5


def test_a_throttled_call_uses_up_no_try() -> None:
    busy = [ThrottledError("busy", 0.01) for _ in range(10)]
    flaky = Flaky(*busy[:5], ProviderError("broken", permanent=False), *busy[5:])
    assert buy(flaky) == ["speech"]
    assert flaky.calls == 12


def test_but_not_for_ever() -> None:
    flaky = Flaky(*[ThrottledError("busy", 0.0) for _ in range(30)])
    with pytest.raises(ThrottledError):
        buy(flaky)
    assert flaky.calls == 11


def test_a_vendor_that_names_no_wait_is_left_alone_for_longer_each_time() -> None:
    each = attempts.Attempt(order(Flaky()))
    waits = [attempts.retry_delay(each, ThrottledError("busy")) for _ in range(attempts.MOST_THROTTLES)]
    for wait, least in zip(waits, [0.2, 0.4, 0.8, 1.6, 3.2, 5, 5, 5, 5, 5], strict=True):
        assert wait is not None
        assert least <= wait < 2 * least
    assert attempts.retry_delay(each, ThrottledError("busy")) is None


def test_who_was_throttled_together_does_not_come_back_together() -> None:
    waits = [attempts.retry_delay(attempts.Attempt(order(Flaky())), ThrottledError("busy", 1.0)) for _ in range(20)]
    assert all(wait is not None and 1 <= wait < 2 for wait in waits)
    assert len(set(waits)) > 10


def test_a_call_that_waits_for_its_next_try_keeps_nobody_else_waiting() -> None:
    began = list[str]()

    def call(name: str, flaky: Flaky, timeout: float) -> str:
        began.append(name)
        return flaky(timeout)

    busy = partial(call, "busy", Flaky(ProviderError("busy", permanent=False, retry_after=0.2)))
    assert buy(busy, partial(call, "next", Flaky()), partial(call, "last", Flaky())) == ["speech"] * 3
    assert began == ["busy", "next", "last", "busy"]


# The ledger


def test_while_a_call_is_in_flight_its_row_stands_at_the_most_that_it_may_cost(alex: User) -> None:
    seen, job, release = list[object](), job_of(alex), threading.Event()

    def look(answer: object) -> str:
        if not release.is_set():
            row = ProviderCall.objects.get(unit="b")
            seen.append((row.podcast, row.provider, row.model, row.kind, row.outcome, row.units, row.cost_usd))
            release.set()
        return ""

    buy(Flaky(), lambda timeout: release.wait(5), parallel=2, job=job, remote=True, store=look)
    assert seen == [(job.row, "shop", "counter", "speech", "unknown", 100, Decimal(1))]
    assert [row[1] for row in entries()] == ["ok", "ok"]


@pytest.mark.parametrize(
    ("error", "outcome", "units", "usd"),
    [
        (None, Outcome.OK, 10, "0.1"),
        (ProviderError("of no use", permanent=True, billed=(20,)), Outcome.FAILED, 20, "0.2"),
        (ProviderError("of no use", permanent=True, billed=(None,)), Outcome.FAILED, None, None),
        (ProviderError("silence", permanent=True), Outcome.UNANSWERED, 100, "1"),
        (ProviderError("too long", permanent=True, billed=()), Outcome.REFUSED, 0, "0"),
        (ThrottledError("too many", 99), Outcome.REFUSED, 0, "0"),
        (VendorWideError("wrong key"), Outcome.BLOCKED, 0, "0"),
        (RuntimeError("a bug"), Outcome.UNANSWERED, 100, "1"),
    ],
)
def test_a_closed_row_says_what_the_vendor_bills(
    alex: User, error: Exception | None, outcome: Outcome, units: int | None, usd: str | None
) -> None:
    if error is None:
        buy(Flaky(), job=job_of(alex), remote=True)
    else:
        with pytest.raises(type(error)):
            buy(Flaky(error), job=job_of(alex), remote=True)
    assert entries() == [("a", outcome, units, None if usd is None else Decimal(usd))]
    row = ProviderCall.objects.get()
    assert row.message == ("RuntimeError" if isinstance(error, RuntimeError) else str(error or ""))
    assert row.ended_at is not None


def test_a_call_given_up_stays_at_the_most_that_it_may_cost(alex: User) -> None:
    release = threading.Event()
    with pytest.raises(ProviderError, match="no answer within"):
        buy(lambda timeout: release.wait(10), seconds=0.1, job=job_of(alex), remote=True)
    release.set()
    assert entries() == [("a", "unanswered", 100, Decimal(1))] * 2


def test_what_does_not_leave_this_server_is_not_in_the_ledger(alex: User) -> None:
    stored = Stored()
    assert buy(Flaky(), job=job_of(alex), store=stored.add) == ["speech"]
    assert (entries(), stored) == ([], [])


def test_an_unknown_price_is_an_unknown_cost(alex: User, settings: Any) -> None:
    settings.DAILYCAST_PRICES = {}
    buy(Flaky(), job=job_of(alex), remote=True)
    assert entries() == [("a", "ok", 10, None)]


@pytest.mark.parametrize(
    ("error", "reserved"),
    [(None, 100_000), (ProviderError("silence", permanent=True), 1_000_000), (VendorWideError("wrong key"), 0)],
)
def test_the_budget_holds_what_a_call_did_cost_or_may_have(
    alex: User, settings: Any, error: ProviderError | None, reserved: int
) -> None:
    settings.DAILYCAST_DAILY_BUDGET_USD = "1"
    try:
        buy(Flaky(*filter(None, [error])), job=job_of(alex), remote=True)
    except ProviderError as told:
        assert told is error
    assert Budget.objects.get().reserved == reserved


def test_what_the_budget_does_not_hold_is_not_called(alex: User, settings: Any) -> None:
    settings.DAILYCAST_DAILY_BUDGET_USD = "0.99"
    settings.DAILYCAST_RATE_LIMITS = {"shop/counter": "5/5"}
    flaky = Flaky()
    with pytest.raises(BudgetError, match=r"shop/counter may cost \$1.00, and the day's budget of \$0.99"):
        buy(flaky, job=job_of(alex), remote=True)
    assert (flaky.calls, entries(), Budget.objects.filter(reserved__gt=0).exists()) == (0, [], False)
    assert RateLimit.objects.get().state["flying"] == {}


def test_a_call_that_ended_gives_its_place_back(alex: User, settings: Any) -> None:
    settings.DAILYCAST_RATE_LIMITS = {"shop/counter": "50/1"}
    assert buy(*[Flaky()] * 3, parallel=3, job=job_of(alex), remote=True) == ["speech"] * 3
    state = RateLimit.objects.get().state
    assert (len(state["starts"]), state["flying"]) == (3, {})


def test_a_call_during_which_the_worker_died_twice_needs_a_person(alex: User) -> None:
    job, flaky = job_of(alex), Flaky()
    lost = {"podcast": job.podcast, "day": "2026-11-23", "provider": "shop", "kind": Kind.SPEECH, "unit": "a"}
    ProviderCall.objects.create(**lost, outcome=Outcome.LOST)
    ProviderCall.objects.create(**lost, outcome=Outcome.WRITTEN_OFF)
    assert buy(flaky, job=job, remote=True) == ["speech"]
    ProviderCall.objects.create(**lost, outcome=Outcome.LOST)
    with pytest.raises(NeedsPersonError, match="The worker died 2 times"):
        buy(flaky, job=job, remote=True)
    assert flaky.calls == 1


def test_an_answer_that_cannot_be_stored_is_paid_for_all_the_same(alex: User) -> None:
    def full(answer: object) -> None:
        raise OSError(28, "No space left on device")

    flaky = Flaky()
    with pytest.raises(OSError, match="No space left"):
        buy(flaky, flaky, job=job_of(alex), remote=True, store=full)
    assert (flaky.calls, entries()) == (1, [("a", "ok", 10, Decimal("0.1"))])


@pytest.mark.django_db(transaction=True)
def test_an_episode_that_is_deleted_midway_buys_nothing_more() -> None:
    job, flaky = job_of(User.objects.create_user("alex")), Flaky()

    def delete(answer: object) -> str:
        DailyPodcast.objects.all().delete()
        return ""

    with pytest.raises(ClaimLostError):
        buy(flaky, flaky, job=job, remote=True, store=delete)
    assert (flaky.calls, entries()) == (1, [("a", "ok", 10, Decimal("0.1"))])


def test_who_slept_past_the_lease_and_lost_the_job_buys_nothing_more(alex: User) -> None:
    job, flaky = job_of(alex), Flaky()
    DailyPodcast.objects.update(claim_token="another")
    job.renewed_at = job_.LONG_AGO
    with pytest.raises(ClaimLostError):
        buy(flaky, job=job, remote=True)
    assert (flaky.calls, entries()) == (0, [])


def test_a_process_that_is_to_end_buys_nothing_more_and_keeps_what_it_has_begun(alex: User) -> None:
    stored = Stored()

    def stop(timeout: float) -> str:
        job_.stopping.set()
        return "paid for"

    flaky = Flaky()
    try:
        with pytest.raises(ReleasedError):
            buy(stop, flaky, job=job_of(alex, can_reschedule=True), remote=True, store=stored.add)
    finally:
        job_.stopping.clear()
    assert (flaky.calls, stored, entries()) == (0, ["paid for"], [("a", "ok", 10, Decimal("0.1"))])


def test_the_ledger_keeps_an_answer_until_it_is_on_the_row(alex: User) -> None:
    job = job_of(alex)
    buy(Flaky(), Flaky(), job=job, remote=True, store=lambda answer: '{"text": "bought"}')
    ProviderCall.objects.filter(unit="b").update(outcome=Outcome.FAILED)
    assert ledger.stored_answers(job, Kind.SPEECH) == [{"text": "bought"}]
    assert ledger.stored_answers(job, Kind.SCRIPT) == []
    ledger.clear_answers(job)
    assert ledger.stored_answers(job, Kind.SPEECH) == []
    assert ledger.stored_answers(Job(), Kind.SPEECH) == []


def test_a_useless_answer_is_billed_and_its_text_is_gone(alex: User) -> None:
    job = job_of(alex)
    for answer in ('"first"', '"second"'):
        buy(Flaky(), job=job, remote=True, store=lambda _, answer=answer: answer)
    ledger.mark_unusable(job, "there is nothing in it")
    assert ledger.stored_answers(job, Kind.SPEECH) == ["first"]
    assert entries() == [("a", "ok", 10, Decimal("0.1")), ("a", "failed", 10, Decimal("0.1"))]
    row = ProviderCall.objects.latest("pk")
    assert (row.answer, row.message) == ("", "there is nothing in it")
    ledger.mark_unusable(Job(), "nobody's")
    assert ledger.stored_answers(job, Kind.SPEECH) == ["first"]


# What a call takes before it begins, and after it was given up


class Stall(Shop):
    """Needs time before its first call."""

    def __init__(self) -> None:
        super().__init__(remote=True)
        self.places: list[int] = []

    def prepare(self) -> None:
        self.places.append(RateLimit.objects.count())


def test_a_provider_is_prepared_once_and_before_a_place_is_taken(alex: User, settings: Any) -> None:
    settings.DAILYCAST_RATE_LIMITS = {"shop/counter": "50/2"}
    stall = Stall()
    scheduler.buy([order(Flaky(), unit=unit, shop=stall) for unit in "abc"], 1, job_of(alex))
    assert (stall.places, RateLimit.objects.count()) == ([0], 1)


def ended() -> None:
    for thread in threading.enumerate():
        if thread.name == "dailycast-call":
            thread.join(5)


def places() -> set[str]:
    return set(RateLimit.objects.get().state["flying"])


def test_a_call_given_up_keeps_its_place_until_it_ends(
    alex: User, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.DAILYCAST_RATE_LIMITS = {"shop/counter": "50/3"}
    monkeypatch.setattr(permits, "_abandoned", [])
    release = threading.Event()
    with pytest.raises(ProviderError, match="no answer within"):
        buy(lambda timeout: release.wait(10), seconds=0.1, job=job_of(alex), remote=True)
    held = places()
    ends = RateLimit.objects.get().state["flying"].values()
    assert len(held) == 2  # the call and its second try, each with a ticket of its own
    assert min(ends) > time.time() + limits.HOLD - 10
    permits.release_ended()
    assert places() == held
    assert buy(Flaky(), job=Job(), remote=True) == ["speech"]
    assert places() == held
    release.set()
    ended()
    permits.release_ended()
    assert (places(), permits._abandoned) == (set(), [])


def test_the_next_purchase_frees_the_places_of_calls_that_have_ended(
    alex: User, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.DAILYCAST_RATE_LIMITS = {"shop/counter": "50/2"}
    monkeypatch.setattr(permits, "_abandoned", [])
    with pytest.raises(ProviderError, match="no answer within"):
        buy(lambda timeout: time.sleep(0.2), seconds=0.05, job=job_of(alex), remote=True)
    assert len(places()) == 2
    ended()
    job = Job()
    job.deadline = time.monotonic() + 2
    assert buy(Flaky(), job=job, remote=True) == ["speech"]
    assert places() == set()


def test_what_is_on_this_server_holds_no_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(permits, "_abandoned", [])
    with pytest.raises(ProviderError, match="no answer within"):
        buy(lambda timeout: time.sleep(0.1), seconds=0.02)
    assert permits._abandoned == []
    ended()


def test_two_jobs_may_reap_at_once(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    flights = [InFlightCall(lambda: None) for _ in "ab"]
    for flight in flights:
        flight.has_ended = True
    monkeypatch.setattr(permits, "_abandoned", [(flight, "shop/counter", "t") for flight in flights])
    freed: list[str] = []

    def free(key: str, tickets: list[str]) -> None:
        freed.extend(tickets)
        if len(freed) == 1:
            permits.release_ended()  # another thread's

    monkeypatch.setattr(limits, "release", free)
    permits.release_ended()
    assert freed == ["t", "t"]


@pytest.mark.django_db(transaction=True)
def test_a_budget_that_others_have_spent_is_refused_the_second_time_too(settings: Any) -> None:
    settings.DAILYCAST_DAILY_BUDGET_USD = "1.50"
    alex, flaky = User.objects.create_user("alex"), Flaky()
    ProviderCall.objects.create(
        day=dates.today(), provider="shop", kind=Kind.SPEECH, outcome=Outcome.OK, cost_usd=Decimal(1)
    )
    for _ in range(2):
        with pytest.raises(BudgetError):
            buy(flaky, job=job_of(alex), remote=True)
    assert flaky.calls == 0


def test_a_second_try_has_the_place_of_the_first_as_soon_as_that_has_ended(
    alex: User, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.DAILYCAST_RATE_LIMITS = {"shop/counter": "50/1"}
    monkeypatch.setattr(permits, "_abandoned", [])
    pauses = iter([0.4, 0.0])
    job, start = job_of(alex), time.monotonic()
    assert buy(lambda timeout: time.sleep(next(pauses)), seconds=0.2, job=job, remote=True) == [None]
    assert time.monotonic() - start < 5
    assert places() == set()


# What came in between


def test_a_call_whose_moment_has_passed_takes_another(
    alex: User, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.DAILYCAST_RATE_LIMITS = {"shop/counter": "50/9"}
    inserted, stalls = ledger.open_entries, iter([in_flight.LATE + 0.1])

    def slow(*args: Any) -> list[ProviderCall]:
        time.sleep(next(stalls, 0))
        return inserted(*args)

    monkeypatch.setattr(ledger, "open_entries", slow)
    flaky = Flaky()
    assert (buy(flaky, job=job_of(alex), remote=True), flaky.calls) == (["speech"], 1)
    assert entries() == [("a", "refused", 0, Decimal(0)), ("a", "ok", 10, Decimal("0.1"))]
    assert len(RateLimit.objects.get().state["starts"]) == 2


def test_without_a_limit_nothing_is_late(alex: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(in_flight, "LATE", -1.0)
    assert buy(Flaky(), job=job_of(alex), remote=True) == ["speech"]


def test_what_waits_for_its_moment_is_not_called_for_a_job_that_may_be_anothers(
    alex: User, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.DAILYCAST_RATE_LIMITS = {"shop/counter": "4"}
    monkeypatch.setattr(limits, "BURST_SECONDS", 0.2)  # between two calls
    job, second = job_of(alex), Flaky()

    def sleep_long(timeout: float) -> str:
        """As a process that was stopped does, past its lease."""
        job.renewed_at = job_.LONG_AGO
        return "speech"

    DailyPodcast.objects.update(claim_token="another worker's")
    with pytest.raises(ClaimLostError):
        buy(sleep_long, second, parallel=2, job=job, remote=True)
    assert second.calls == 0


def test_nothing_that_was_slow_to_open_is_called_past_the_deadline(alex: User, monkeypatch: pytest.MonkeyPatch) -> None:
    job, flaky, inserted = job_of(alex), Flaky(), ledger.open_entries

    def slow(*args: Any) -> list[ProviderCall]:
        rows = inserted(*args)
        job.deadline = time.monotonic()
        return rows

    monkeypatch.setattr(ledger, "open_entries", slow)
    with pytest.raises(ProviderError, match="the job's time is up"):
        buy(flaky, job=job, remote=True)
    assert flaky.calls == 0
    assert entries() == [("a", "refused", 0, Decimal(0))]


def test_a_server_without_another_thread_loses_nothing_that_is_under_way(
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
        buy(slow, slow, slow, parallel=3, job=job_of(alex), remote=True, store=stored.add)
    assert stored == ["paid for", "paid for"]
    assert sorted(row[:2] for row in entries()) == [("a", "ok"), ("b", "ok"), ("c", "refused"), ("c", "refused")]


@pytest.mark.parametrize("broken", ["release", "extend"])
def test_a_place_that_cannot_be_given_back_costs_no_answer(
    alex: User, settings: Any, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    settings.DAILYCAST_RATE_LIMITS = {"shop/counter": "50/9"}
    monkeypatch.setattr(permits, "_abandoned", [])

    def fail(*args: Any) -> None:
        raise RuntimeError("the database is gone")

    monkeypatch.setattr(limits, broken, fail)
    stored = Stored()

    def slow(timeout: float) -> str:
        time.sleep(0.3)
        return "paid for"

    first = order(lambda timeout: time.sleep(0.5 if broken == "extend" else 0), "a", True, 0.2)
    with pytest.raises(RuntimeError, match="the database is gone"):
        scheduler.buy([first, order(slow, "b", True, 20, stored.add)], 2, job_of(alex))
    assert stored == ["paid for"]
    ended()


class Misconfigured(Shop):
    def __init__(self, error: BaseException) -> None:
        super().__init__(remote=False)
        self.error = error

    def prepare(self) -> None:
        raise self.error


def test_settings_that_cannot_be_prepared_are_told_by_the_call() -> None:
    says = ProviderError("no such region", permanent=True)
    with pytest.raises(ProviderError, match="no such region"):
        scheduler.buy([order(Flaky(says), shop=Misconfigured(ValueError("bad")))], 1, Job())


@pytest.mark.parametrize("error", [ProviderError("not installed", permanent=True), KeyboardInterrupt()])
def test_what_a_preparation_says_clearly_is_heard(error: BaseException) -> None:
    flaky = Flaky()
    with pytest.raises(type(error)):
        scheduler.buy([order(flaky, shop=Misconfigured(error))], 1, Job())
    assert flaky.calls == 0
