import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import override_settings
from django.utils import timezone

from dailycast.errors import BudgetError
from dailycast.jobs.database import retry_database
from dailycast.models import Budget, DailyPodcast, Kind, Outcome, ProviderCall, dates
from dailycast.purchases import budget, ledger, prices


@pytest.mark.parametrize(
    ("key", "units", "usd"),
    [
        ("openai/gpt-6-luna", (1_000, 900), "0.00055"),
        ("gemini/gemini-3.5-flash-lite", (1_000, 900), "0.00255"),
        ("template/template", (None, None), "0"),
        ("polly/neural", (3_600,), "0.0576"),
        ("polly/standard", (3_600,), "0.0144"),
        ("polly/generative", (1_000_000,), "30"),
        ("polly/long-form", (1_000_000,), "100"),
        ("pico/pico", (3_600,), "0"),
    ],
)
def test_costs_at_the_price_tables_date(key: str, units: tuple[int | None, ...], usd: str) -> None:
    assert prices.cost(key, *units) == Decimal(usd)


def test_an_unknown_model_costs_an_unknown_sum_never_nothing() -> None:
    assert prices.cost("openai/gpt-99", 1, 1) is None


def test_uncounted_tokens_cost_an_unknown_sum() -> None:
    assert prices.cost("openai/gpt-6-luna", 10, None) is None


def test_what_nobody_bills_costs_nothing_unless_priced() -> None:
    assert prices.cost("openai/llama", 10, 10, unbilled=True) == 0
    with override_settings(DAILYCAST_PRICES={"openai/llama": "1/2"}):
        assert prices.cost("openai/llama", 1_000_000, 1_000_000, unbilled=True) == 3


@override_settings(DAILYCAST_PRICES="openai/gpt-6-luna=1/3, polly/neural=19.5")
def test_the_owners_prices_come_first() -> None:
    assert prices.cost("openai/gpt-6-luna", 1_000_000, 2_000_000) == 7
    assert prices.price("polly/neural") == (Decimal("19.5"),)
    assert prices.price("polly/standard") == (Decimal(4),)


def test_sums() -> None:
    assert prices.add(Decimal("0.1"), Decimal("0.2")) == Decimal("0.3")
    assert prices.add(Decimal("0.1"), None) is None


@pytest.mark.parametrize(
    ("usd", "shown"),
    [
        (Decimal(0), "$0.00"),
        (Decimal("0.0576"), "$0.0576"),
        (Decimal("0.10"), "$0.10"),
        (Decimal("1.5"), "$1.50"),
        (None, "unknown"),
    ],
)
def test_money_for_a_person(usd: Decimal | None, shown: str) -> None:
    assert prices.text(usd) == shown


@pytest.mark.parametrize("listed", ["$16", "", "16/16", "NaN", "-5", "99999999999", "1e9", "inf", "a/b"])
def test_a_price_with_a_typo_is_an_unknown_one(listed: str) -> None:
    with override_settings(DAILYCAST_PRICES={"polly/neural": listed}):
        assert prices.cost("polly/neural", 100) is None


def test_a_writers_price_needs_both_parts() -> None:
    with override_settings(DAILYCAST_PRICES={"openai/gpt-6-luna": "1"}):
        assert prices.cost("openai/gpt-6-luna", 1, 1) is None


def test_the_highest_price_that_is_believed() -> None:
    assert prices.read_price("10000") == (Decimal(10000),)
    assert prices.read_price("10000.01") is None


# What an episode cost, and what a day may


def bill(podcast: DailyPodcast | None, usd: str | None, **values: Any) -> ProviderCall:
    known = {"day": dates.today(), "provider": "shop", "kind": Kind.SPEECH, "outcome": Outcome.OK, "units": 100}
    cost = None if usd is None else Decimal(usd)
    return ProviderCall.objects.create(podcast=podcast, cost_usd=cost, **{**known, **values})


def test_what_the_vendors_billed_for_an_episode(alex: User) -> None:
    podcast, other = (DailyPodcast.objects.create(user=alex) for _ in range(2))
    assert ledger.cost_of(podcast) == (Decimal(0), 0)
    bill(podcast, "0.001", kind=Kind.SCRIPT, units=900)
    bill(podcast, "0.25")
    bill(podcast, "0.50", outcome=Outcome.FAILED, units=30)
    for open_or_free in (Outcome.UNKNOWN, Outcome.UNANSWERED, Outcome.REFUSED, Outcome.BLOCKED, Outcome.LOST):
        bill(podcast, "7", outcome=open_or_free)
    bill(other, "9")
    assert ledger.cost_of(podcast) == (Decimal("0.751"), 130)
    bill(podcast, None, units=None)
    assert ledger.cost_of(podcast) == (None, 130)


@pytest.mark.parametrize(
    ("zone", "day", "ends"),
    [
        ("UTC", date(2026, 11, 23), "2026-11-24T00:00:00+00:00"),
        ("Asia/Tokyo", date(2026, 11, 23), "2026-11-23T15:00:00+00:00"),
        ("Africa/Cairo", date(2026, 4, 23), "2026-04-23T22:00:00+00:00"),  # whose next midnight does not exist
        ("Africa/Cairo", date(2026, 4, 24), "2026-04-24T21:00:00+00:00"),
    ],
)
def test_a_day_ends_where_the_school_is(zone: str, day: date, ends: str) -> None:
    with override_settings(TIME_ZONE=zone):
        assert dates.day_ends(day).astimezone(UTC).isoformat() == ends


@pytest.mark.parametrize(
    ("now", "day"),
    [
        (datetime(2026, 4, 23, 21, 59, tzinfo=UTC), date(2026, 4, 23)),
        (datetime(2026, 4, 23, 22, 0, tzinfo=UTC), date(2026, 4, 24)),
        (datetime(2026, 4, 24, 20, 59, tzinfo=UTC), date(2026, 4, 24)),
        (datetime(2026, 4, 24, 21, 0, tzinfo=UTC), date(2026, 4, 25)),
    ],
)
def test_the_local_day_around_a_midnight_that_does_not_exist(
    monkeypatch: pytest.MonkeyPatch, now: datetime, day: date
) -> None:
    monkeypatch.setattr("django.utils.timezone.now", lambda: now)
    with override_settings(TIME_ZONE="Africa/Cairo"):
        assert dates.today() == day


def test_without_time_zones_it_is_the_servers_day() -> None:
    with override_settings(USE_TZ=False):
        assert dates.today() == date.today()
        assert dates.day_ends(date(2026, 11, 23)) == datetime(2026, 11, 24)


def reserved() -> int:
    return Budget.objects.get().reserved


@pytest.mark.django_db
def test_without_a_budget_nothing_is_reserved() -> None:
    budget.reserve("shop/counter", Decimal(100))
    budget.reserve("shop/counter", None)
    budget.settle(dates.today(), Decimal(100), Decimal(1))
    assert not Budget.objects.exists()


@pytest.mark.django_db
@override_settings(DAILYCAST_DAILY_BUDGET_USD="1")
def test_a_budget_is_charged_with_the_most_and_then_with_the_cost() -> None:
    budget.reserve("shop/counter", Decimal("0.7"))
    assert reserved() == 700_000
    with pytest.raises(BudgetError):
        budget.reserve("shop/counter", Decimal("0.300001"))
    budget.settle(dates.today(), Decimal("0.7"), Decimal("0.2"))
    assert reserved() == 200_000
    budget.reserve("shop/counter", Decimal("0.8"))
    budget.settle(dates.today(), Decimal("0.8"), None)
    assert reserved() == 1_000_000


@pytest.mark.django_db
@override_settings(DAILYCAST_DAILY_BUDGET_USD="1")
def test_the_smallest_cost_counts_and_what_is_free_is_always_allowed() -> None:
    budget.reserve("shop/counter", Decimal("0.000000001"))
    assert reserved() == 1
    with override_settings(DAILYCAST_DAILY_BUDGET_USD="0"):
        budget.reserve("shop/counter", Decimal(0))
        with pytest.raises(BudgetError):
            budget.reserve("shop/counter", Decimal("0.000000001"))


@pytest.mark.django_db
@override_settings(DAILYCAST_DAILY_BUDGET_USD="1")
def test_a_budget_that_is_set_at_noon_knows_the_morning() -> None:
    bill(None, "0.6")
    bill(None, "0.3", outcome=Outcome.UNKNOWN)
    bill(None, "5", day=dates.today() - timedelta(days=1))
    with pytest.raises(BudgetError):
        budget.reserve("shop/counter", Decimal("0.2"))
    budget.reserve("shop/counter", Decimal("0.1"))


@pytest.mark.django_db
@override_settings(DAILYCAST_DAILY_BUDGET_USD="1", TIME_ZONE="Asia/Tokyo")
def test_what_a_budget_refuses_is_told_with_the_hour_from_which_it_will_be_allowed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("django.utils.timezone.now", lambda: datetime(2026, 11, 23, 3, 0, tzinfo=UTC))
    budget.reserve("shop/counter", Decimal(1))
    with pytest.raises(BudgetError) as caught:
        budget.reserve("shop/counter", Decimal("0.25"))
    assert str(caught.value) == (
        "shop/counter may cost $0.25, and the day's budget of $1.00 does not hold that any more: "
        "try again from 2026-11-24 00:00+09:00 on, or raise DAILYCAST_DAILY_BUDGET_USD."
    )
    monkeypatch.setattr("django.utils.timezone.now", lambda: datetime(2026, 11, 23, 15, 0, tzinfo=UTC))
    budget.reserve("shop/counter", Decimal("0.25"))


@pytest.mark.django_db
@override_settings(DAILYCAST_DAILY_BUDGET_USD="1")
def test_where_a_budget_is_set_an_unknown_price_is_refused_by_its_name() -> None:
    with pytest.raises(BudgetError) as caught:
        budget.reserve("openai/gpt-99", None)
    assert "the price of openai/gpt-99 is not known: add openai/gpt-99 to DAILYCAST_PRICES" in str(caught.value)
    assert (caught.value.permanent, caught.value.billed) == (True, ())


@pytest.mark.django_db(transaction=True)
@override_settings(DAILYCAST_DAILY_BUDGET_USD="1")
def test_however_many_reserve_at_once_they_get_exactly_what_fits() -> None:
    gate = threading.Barrier(8)

    def spend(number: int) -> int:
        gate.wait(5)
        bought = 0
        try:
            for _ in range(4):
                with suppress(BudgetError):
                    retry_database(lambda: budget.reserve("shop/counter", Decimal("0.07")))
                    bought += 1
        finally:
            connection.close()
        return bought

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(spend, range(8))) == 14
    assert reserved() == 980_000


def test_a_visitor_in_another_zone_does_not_move_the_schools_day(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("django.utils.timezone.now", lambda: datetime(2026, 11, 23, 20, 0, tzinfo=UTC))
    with override_settings(TIME_ZONE="Europe/Vienna"):
        for zone in ("Asia/Tokyo", "Pacific/Kiritimati", "America/New_York"):
            with timezone.override(zone):
                assert dates.today() == date(2026, 11, 23)
                ends = dates.day_ends(date(2026, 11, 23))
                assert ends.isoformat() == "2026-11-24T00:00:00+01:00"


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Monotonic seconds, as `money` reads them; a test moves them on."""
    now = [500.0]
    monkeypatch.setattr("dailycast.purchases.budget.time.monotonic", lambda: now[0])
    return now


@pytest.mark.django_db
@override_settings(DAILYCAST_DAILY_BUDGET_USD="1")
def test_what_processes_without_a_budget_spend_is_counted_a_minute_later(clock: list[float]) -> None:
    budget.reserve("shop/counter", Decimal("0.1"))
    with override_settings(DAILYCAST_DAILY_BUDGET_USD=None):
        budget.reserve("shop/counter", Decimal("0.8"))
        bill(None, "0.8")
    assert reserved() == 100_000
    clock[0] += budget.MINUTE
    with pytest.raises(BudgetError):
        budget.reserve("shop/counter", Decimal("0.3"))
    assert reserved() == 800_000
    budget.reserve("shop/counter", Decimal("0.2"))
    assert reserved() == 1_000_000


@pytest.mark.django_db
@override_settings(DAILYCAST_DAILY_BUDGET_USD="1")
def test_the_ledger_of_others_is_looked_into_once_a_minute(clock: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    looks, real = list[date](), budget._spent

    def look(day: date) -> Decimal:
        looks.append(day)
        return real(day)

    monkeypatch.setattr(budget, "_spent", look)
    for pause in (0.0, 1.0, 58.9, 0.1, 59.9, 0.1):
        clock[0] += pause
        budget.reserve("shop/counter", Decimal("0.001"))
    assert looks == [dates.today()] * 3


@pytest.mark.django_db
@override_settings(DAILYCAST_DAILY_BUDGET_USD="1")
def test_a_new_day_is_looked_into_at_once(clock: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    budget.reserve("shop/counter", Decimal("0.9"))
    tomorrow = dates.today() + timedelta(days=1)
    bill(None, "0.95", day=tomorrow)
    monkeypatch.setattr(dates, "today", lambda: tomorrow)
    with pytest.raises(BudgetError):
        budget.reserve("shop/counter", Decimal("0.1"))


@pytest.mark.django_db
@override_settings(DAILYCAST_DAILY_BUDGET_USD="1")
def test_what_others_have_spent_never_lowers_what_is_reserved(clock: list[float]) -> None:
    budget.reserve("shop/counter", Decimal("0.7"))
    bill(None, "0.2")
    clock[0] += budget.MINUTE
    with pytest.raises(BudgetError):
        budget.reserve("shop/counter", Decimal("0.4"))
    assert reserved() == 700_000


@pytest.mark.django_db
def test_what_the_day_has_left() -> None:
    bill(None, "0.3")
    assert budget.left_today() is None
    with override_settings(DAILYCAST_DAILY_BUDGET_USD="1"):
        bill(None, "5", day=dates.today() - timedelta(days=1))
        assert budget.left_today() == Decimal("0.7")
        budget.reserve("shop/counter", Decimal("0.25"))
        assert budget.left_today() == Decimal("0.45")
        bill(None, "0.5")
        assert budget.left_today() == Decimal("0.2")
        bill(None, "7", outcome=Outcome.UNKNOWN)
        assert budget.left_today() == 0
