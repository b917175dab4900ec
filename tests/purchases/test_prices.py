"""What a call costs, and what no price table says."""

from decimal import Decimal

import pytest
from django.test import override_settings

from dailycast.purchases import prices


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
