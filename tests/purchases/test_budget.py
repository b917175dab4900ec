"""The budget of a day: what is reserved before a call and settled after it."""

from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import override_settings

from dailycast.errors import BudgetError, ProviderError, VendorWideError
from dailycast.jobs.database import retry_database
from dailycast.models import Budget, Outcome, RateLimit, dates
from dailycast.purchases import budget
from tests.jobs.rows import claimed, in_threads
from tests.purchases.shop import Flaky, bill, buy, entries

pytestmark = pytest.mark.usefixtures("shop")


@pytest.fixture
def one_dollar(db: None, settings: Any) -> None:
    """The budget of a day."""
    settings.DAILYCAST_DAILY_BUDGET_USD = "1"


def reserved() -> int:
    return Budget.objects.get().reserved


@pytest.mark.django_db
def test_without_a_budget_nothing_is_reserved() -> None:
    budget.reserve("shop/basic", Decimal(100))
    budget.reserve("shop/basic", None)
    budget.settle(dates.today(), Decimal(100), Decimal(1))
    assert not Budget.objects.exists()


def test_a_budget_is_charged_with_the_most_and_then_with_the_cost(one_dollar: None) -> None:
    budget.reserve("shop/basic", Decimal("0.7"))
    assert reserved() == 700_000
    with pytest.raises(BudgetError):
        budget.reserve("shop/basic", Decimal("0.300001"))
    budget.settle(dates.today(), Decimal("0.7"), Decimal("0.2"))
    assert reserved() == 200_000
    budget.reserve("shop/basic", Decimal("0.8"))
    budget.settle(dates.today(), Decimal("0.8"), None)
    assert reserved() == 1_000_000


def test_the_smallest_cost_counts_and_what_is_free_is_always_allowed(one_dollar: None) -> None:
    budget.reserve("shop/basic", Decimal("0.000000001"))
    assert reserved() == 1
    with override_settings(DAILYCAST_DAILY_BUDGET_USD="0"):
        budget.reserve("shop/basic", Decimal(0))
        with pytest.raises(BudgetError):
            budget.reserve("shop/basic", Decimal("0.000000001"))


def test_a_budget_that_is_set_at_noon_counts_the_morning(one_dollar: None) -> None:
    bill(None, "0.6")
    bill(None, "0.3", outcome=Outcome.UNKNOWN)
    bill(None, "5", day=dates.today() - timedelta(days=1))
    with pytest.raises(BudgetError):
        budget.reserve("shop/basic", Decimal("0.2"))
    budget.reserve("shop/basic", Decimal("0.1"))


@pytest.mark.django_db
@override_settings(DAILYCAST_DAILY_BUDGET_USD="1", TIME_ZONE="Asia/Tokyo")
def test_a_refusal_says_from_what_time_on_it_will_be_allowed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("django.utils.timezone.now", lambda: datetime(2026, 11, 23, 3, 0, tzinfo=UTC))
    budget.reserve("shop/basic", Decimal(1))
    with pytest.raises(BudgetError) as caught:
        budget.reserve("shop/basic", Decimal("0.25"))
    assert str(caught.value) == (
        "shop/basic may cost $0.25, and the day's budget of $1.00 does not hold that any more: "
        "try again from 2026-11-24 00:00+09:00 on, or raise DAILYCAST_DAILY_BUDGET_USD."
    )
    monkeypatch.setattr("django.utils.timezone.now", lambda: datetime(2026, 11, 23, 15, 0, tzinfo=UTC))
    budget.reserve("shop/basic", Decimal("0.25"))


def test_where_a_budget_is_set_an_unknown_price_is_refused_by_its_name(one_dollar: None) -> None:
    with pytest.raises(BudgetError) as caught:
        budget.reserve("openai/gpt-99", None)
    assert "the price of openai/gpt-99 is not known: add openai/gpt-99 to DAILYCAST_PRICES" in str(caught.value)
    assert (caught.value.permanent, caught.value.billed) == (True, ())


@pytest.mark.django_db(transaction=True)
@override_settings(DAILYCAST_DAILY_BUDGET_USD="1")
def test_reservations_at_once_get_exactly_what_fits() -> None:
    def reserve_often(_: int) -> int:
        reserved = 0
        for _ in range(4):
            with suppress(BudgetError):
                retry_database(lambda: budget.reserve("shop/basic", Decimal("0.07")))
                reserved += 1
        return reserved

    assert sum(in_threads(reserve_often, retry=False)) == 14
    assert reserved() == 980_000


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Monotonic seconds, as `budget` reads them; a test moves them on."""
    now = [500.0]
    monkeypatch.setattr("dailycast.purchases.budget.time.monotonic", lambda: now[0])
    return now


def test_what_processes_without_a_budget_spend_is_counted_a_minute_later(one_dollar: None, clock: list[float]) -> None:
    budget.reserve("shop/basic", Decimal("0.1"))
    with override_settings(DAILYCAST_DAILY_BUDGET_USD=None):
        budget.reserve("shop/basic", Decimal("0.8"))
        bill(None, "0.8")
    assert reserved() == 100_000
    clock[0] += budget.MINUTE
    with pytest.raises(BudgetError):
        budget.reserve("shop/basic", Decimal("0.3"))
    assert reserved() == 800_000
    budget.reserve("shop/basic", Decimal("0.2"))
    assert reserved() == 1_000_000


def test_the_ledger_is_summed_once_a_minute(
    one_dollar: None, clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    days, real = list[date](), budget._spent

    def note_day(day: date) -> Decimal:
        days.append(day)
        return real(day)

    monkeypatch.setattr(budget, "_spent", note_day)
    for pause in (0.0, 1.0, 58.9, 0.1, 59.9, 0.1):
        clock[0] += pause
        budget.reserve("shop/basic", Decimal("0.001"))
    assert days == [dates.today()] * 3


def test_the_ledger_of_a_new_day_is_summed_at_once(
    one_dollar: None, clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    budget.reserve("shop/basic", Decimal("0.9"))
    tomorrow = dates.today() + timedelta(days=1)
    bill(None, "0.95", day=tomorrow)
    monkeypatch.setattr(dates, "today", lambda: tomorrow)
    with pytest.raises(BudgetError):
        budget.reserve("shop/basic", Decimal("0.1"))


def test_what_others_have_spent_never_lowers_what_is_reserved(one_dollar: None, clock: list[float]) -> None:
    budget.reserve("shop/basic", Decimal("0.7"))
    bill(None, "0.2")
    clock[0] += budget.MINUTE
    with pytest.raises(BudgetError):
        budget.reserve("shop/basic", Decimal("0.4"))
    assert reserved() == 700_000


@pytest.mark.django_db
def test_what_the_day_has_left() -> None:
    bill(None, "0.3")
    assert budget.left_today() is None
    with override_settings(DAILYCAST_DAILY_BUDGET_USD="1"):
        bill(None, "5", day=dates.today() - timedelta(days=1))
        assert budget.left_today() == Decimal("0.7")
        budget.reserve("shop/basic", Decimal("0.25"))
        assert budget.left_today() == Decimal("0.45")
        bill(None, "0.5")
        assert budget.left_today() == Decimal("0.2")
        bill(None, "7", outcome=Outcome.UNKNOWN)
        assert budget.left_today() == 0


# Around a purchase


@pytest.mark.parametrize(
    ("error", "reserved"),
    [(None, 100_000), (ProviderError("silence", permanent=True), 1_000_000), (VendorWideError("wrong key"), 0)],
)
def test_the_budget_is_charged_with_what_a_call_did_cost_or_may_have(
    alex: User, settings: Any, error: ProviderError | None, reserved: int
) -> None:
    settings.DAILYCAST_DAILY_BUDGET_USD = "1"
    try:
        buy(Flaky(*filter(None, [error])), job=claimed(alex), remote=True)
    except ProviderError as refused:
        assert refused is error
    assert Budget.objects.get().reserved == reserved


def test_a_call_that_the_budget_does_not_allow_is_not_made(alex: User, settings: Any) -> None:
    settings.DAILYCAST_DAILY_BUDGET_USD = "0.99"
    settings.DAILYCAST_RATE_LIMITS = {"shop/basic": "5/5"}
    flaky = Flaky()
    with pytest.raises(BudgetError, match=r"shop/basic may cost \$1.00, and the day's budget of \$0.99"):
        buy(flaky, job=claimed(alex), remote=True)
    assert (flaky.calls, entries(), Budget.objects.filter(reserved__gt=0).exists()) == (0, [], False)
    assert RateLimit.objects.get().state["flying"] == {}


@pytest.mark.django_db(transaction=True)
def test_a_budget_that_others_have_spent_is_refused_the_second_time_too(settings: Any) -> None:
    settings.DAILYCAST_DAILY_BUDGET_USD = "1.50"
    alex, flaky = User.objects.create_user("alex"), Flaky()
    bill(None, "1")
    for _ in range(2):
        with pytest.raises(BudgetError):
            buy(flaky, job=claimed(alex), remote=True)
    assert flaky.calls == 0
