"""What a call costs, from a dated price table. An unknown price is None, never 0."""

from decimal import Decimal, InvalidOperation

from django.utils.translation import gettext as _

from ..conf import conf

PRICES_AS_OF = "2026-11-01"

# USD a million: tokens in/out for a writer's model, characters for a voice's engine.
# Sources: the vendors' price pages of that date (OpenAI, Google AI for Developers, Amazon Polly).
PRICES = {
    "openai/gpt-6-luna": "0.10/0.50",
    "gemini/gemini-3.5-flash-lite": "0.30/2.50",
    "template/template": "0/0",
    "polly/standard": "4",
    "polly/neural": "16",
    "polly/generative": "30",
    "polly/long-form": "100",
    "pico/pico": "0",
}
MILLION = 1_000_000
HIGHEST = 10_000  # USD a million: a price above this is a typo


def price(key: str) -> tuple[Decimal, ...] | None:
    """The prices under `provider/model` or `provider/engine`, DAILYCAST_PRICES first; None when there are none.

    A price that cannot be read counts as none: a typo must not lose what has been paid for.
    """
    return read_price(conf.DAILYCAST_PRICES.get(key, PRICES.get(key, "")))


def read_price(listed: str) -> tuple[Decimal, ...] | None:
    """`"16"` or `"0.10/0.50"`: USD a million, up to HIGHEST each; None for anything else."""
    try:
        prices = tuple(Decimal(part.strip()) for part in listed.split("/"))
    except InvalidOperation:
        return None
    return prices if all(price.is_finite() and 0 <= price <= HIGHEST for price in prices) else None


def cost(key: str, *units: int | None, unbilled: bool = False) -> Decimal | None:
    """USD for `units` (tokens in and out, or characters) at the price under `key`; None when either is unknown.

    A price of 0, or `unbilled` without a price, costs 0 also where the units are unknown.
    """
    prices = price(key)
    if prices is None or len(prices) != len(units):
        return Decimal(0) if unbilled else None
    if not any(prices):
        return Decimal(0)
    if None in units:
        return None
    return sum((each * (count or 0) / MILLION for each, count in zip(prices, units, strict=True)), Decimal(0))


def add(*costs: Decimal | None) -> Decimal | None:
    """The sum; None when any part is unknown."""
    return None if None in costs else sum((each for each in costs if each is not None), Decimal(0))


def text(usd: Decimal | None) -> str:
    """For a person: `$0.00`, `$0.0146`, or `unknown`."""
    if usd is None:
        return str(_("unknown"))
    return f"${usd:.4f}" if usd % Decimal("0.01") else f"${usd:.2f}"
