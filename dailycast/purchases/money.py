"""What a call costs, from a dated price table, and what a day may cost. An unknown price is None, never 0."""

import time
from contextlib import AbstractContextManager, nullcontext
from datetime import date, datetime, timedelta
from decimal import ROUND_UP, Decimal, InvalidOperation

from django.conf import settings
from django.db import transaction
from django.db.models import F, Sum
from django.utils import timezone
from django.utils.translation import gettext as _

from ..conf import conf
from ..errors import BudgetError
from ..models import BILLED, Budget, DailyPodcast, Kind, ProviderCall

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
MINUTE = 60.0  # seconds
_caught_up: dict[date, float] = {}  # when this process last looked, in monotonic seconds
MILLION = 1_000_000
MOST = 10_000  # USD a million: a price above this is a typo


def price(key: str) -> tuple[Decimal, ...] | None:
    """The prices under `provider/model` or `provider/engine`, DAILYCAST_PRICES first; None when there are none.

    A price that cannot be read counts as none: a typo must not lose what has been paid for.
    """
    return read_price(conf.DAILYCAST_PRICES.get(key, PRICES.get(key, "")))


def read_price(listed: str) -> tuple[Decimal, ...] | None:
    """`"16"` or `"0.10/0.50"`: USD a million, up to MOST each; None for anything else."""
    try:
        prices = tuple(Decimal(part.strip()) for part in listed.split("/"))
    except InvalidOperation:
        return None
    return prices if all(price.is_finite() and 0 <= price <= MOST for price in prices) else None


def cost(key: str, *units: int | None, unbilled: bool = False) -> Decimal | None:
    """USD for `units` (tokens in and out, or characters) at the price under `key`; None when either is unknown.

    What nobody bills, by a price of 0 or `unbilled` and without a price, costs 0 whatever it counted.
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


# The budget of a day


def today() -> date:
    """The local day of the site, whatever zone a request is in. It is stored as such: in some zones some days have no
    midnight."""
    return timezone.localdate(timezone=timezone.get_default_timezone()) if settings.USE_TZ else date.today()


def day_ends(day: date) -> datetime:
    """The first moment after `day` in TIME_ZONE."""
    midnight = datetime.combine(day + timedelta(days=1), datetime.min.time())
    return midnight.replace(tzinfo=timezone.get_default_timezone()) if settings.USE_TZ else midnight


def together() -> AbstractContextManager[object]:
    """One transaction for the ledger and the budget; where there is no budget, one statement needs none."""
    return nullcontext() if conf.DAILYCAST_DAILY_BUDGET_USD is None else transaction.atomic()


def reserve(key: str, usd: Decimal | None) -> None:
    """Charge today's budget with the most that a call may cost. Raises BudgetError, and then nothing is charged.

    One conditional UPDATE: however many do this at once, together they stay under DAILYCAST_DAILY_BUDGET_USD.
    """
    cap, day = conf.DAILYCAST_DAILY_BUDGET_USD, today()
    if cap is None or usd == 0:
        return
    if usd is None:
        hint = f"add {key} to DAILYCAST_PRICES (docs/operations.md)"
        raise BudgetError(f"a budget is set and the price of {key} is not known: {hint}.")
    catch_up()
    asked = _micro(usd)
    if not Budget.objects.filter(day=day, reserved__lte=_micro(cap) - asked).update(reserved=F("reserved") + asked):
        until = day_ends(day).isoformat(sep=" ", timespec="minutes")
        what = f"{key} may cost {text(usd)}, and the day's budget of {text(cap)} does not hold that any more"
        raise BudgetError(f"{what}: try again from {until} on, or raise DAILYCAST_DAILY_BUDGET_USD.")


def left_today() -> Decimal | None:
    """What the day's budget still has; None without one."""
    cap, day = conf.DAILYCAST_DAILY_BUDGET_USD, today()
    if cap is None:
        return None
    row = Budget.objects.filter(day=day).first()
    return max(cap - max(Decimal(row.reserved if row else 0) / MILLION, _spent(day)), Decimal(0))


def catch_up() -> None:
    """Count what processes without a budget have spent, for they tell the ledger alone: every minute.

    Asked also outside the transaction in which a call is opened, so that a refusal takes nothing of it back.
    """
    day = today()
    if conf.DAILYCAST_DAILY_BUDGET_USD is None:
        return
    _, is_new = Budget.objects.get_or_create(day=day)
    if not is_new and time.monotonic() < _caught_up.get(day, -MINUTE) + MINUTE:
        return
    with transaction.atomic():
        rows = Budget.objects.filter(day=day)
        rows.update(reserved=F("reserved"))  # a lock in every database: nobody settles while we add up
        spent = _micro(_spent(day))
        rows.filter(reserved__lt=spent).update(reserved=spent)
    _caught_up.clear()
    _caught_up[day] = time.monotonic()


def settle(day: date, reserved: Decimal | None, usd: Decimal | None) -> None:
    """Put what a call did cost in the place of what was reserved for it; None: nobody knows, so it stays reserved."""
    if conf.DAILYCAST_DAILY_BUDGET_USD is not None and reserved and usd is not None:
        Budget.objects.filter(day=day).update(reserved=F("reserved") + _micro(usd) - _micro(reserved))


def spent(podcast: DailyPodcast) -> tuple[Decimal | None, int]:
    """What the vendors billed for an episode: USD, None when a part is unknown, and characters of speech."""
    billed = list(podcast.calls.filter(outcome__in=BILLED).values_list("kind", "units", "cost_usd"))
    return add(*(usd for *_, usd in billed)), sum(units or 0 for kind, units, _ in billed if kind == Kind.SPEECH)


def _spent(day: date) -> Decimal:
    return ProviderCall.objects.filter(day=day).aggregate(usd=Sum("cost_usd"))["usd"] or Decimal(0)


def _micro(usd: Decimal) -> int:
    return int((usd * MILLION).to_integral_value(ROUND_UP))
