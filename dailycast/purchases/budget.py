"""What a day may cost: reserved before a call, settled after it, by one conditional UPDATE."""

import time
from contextlib import AbstractContextManager, nullcontext
from datetime import date
from decimal import ROUND_UP, Decimal

from django.db import transaction
from django.db.models import F, Sum

from ..conf import conf
from ..errors import BudgetError
from ..models import Budget, ProviderCall, dates
from .prices import MILLION, text

MINUTE = 60.0  # seconds
_caught_up: dict[date, float] = {}  # when this process last summed up the ledger of a day, in monotonic seconds


def with_ledger() -> AbstractContextManager[object]:
    """One transaction for the ledger and the budget; where there is no budget, one statement needs none."""
    return nullcontext() if conf.DAILYCAST_DAILY_BUDGET_USD is None else transaction.atomic()


def reserve(key: str, usd: Decimal | None) -> None:
    """Charge today's budget with the most that a call may cost. Raises BudgetError, and then nothing is charged.

    It is one conditional UPDATE, so that all processes together stay under DAILYCAST_DAILY_BUDGET_USD.
    """
    cap, day = conf.DAILYCAST_DAILY_BUDGET_USD, dates.today()
    if cap is None or usd == 0:
        return
    if usd is None:
        hint = f"add {key} to DAILYCAST_PRICES (docs/operations.md)"
        raise BudgetError(f"a budget is set and the price of {key} is not known: {hint}.")
    sync_with_ledger()
    most = _micro(usd)
    if not Budget.objects.filter(day=day, reserved__lte=_micro(cap) - most).update(reserved=F("reserved") + most):
        until = dates.day_ends(day).isoformat(sep=" ", timespec="minutes")
        what = f"{key} may cost {text(usd)}, and the day's budget of {text(cap)} does not hold that any more"
        raise BudgetError(f"{what}: try again from {until} on, or raise DAILYCAST_DAILY_BUDGET_USD.")


def left_today() -> Decimal | None:
    """USD that today's budget has left; None without a budget."""
    cap, day = conf.DAILYCAST_DAILY_BUDGET_USD, dates.today()
    if cap is None:
        return None
    row = Budget.objects.filter(day=day).first()
    return max(cap - max(Decimal(row.reserved if row else 0) / MILLION, _spent(day)), Decimal(0))


def sync_with_ledger() -> None:
    """Raise today's `reserved` to the ledger's sum, once a minute: a process without a budget writes no `Budget`.

    It is also called before the transaction that opens a call, so that a refusal does not roll it back.
    """
    day = dates.today()
    if conf.DAILYCAST_DAILY_BUDGET_USD is None:
        return
    _, is_new = Budget.objects.get_or_create(day=day)
    if not is_new and time.monotonic() < _caught_up.get(day, -MINUTE) + MINUTE:
        return
    with transaction.atomic():
        rows = Budget.objects.filter(day=day)
        rows.update(reserved=F("reserved"))  # locks the row in every database: no other process settles meanwhile
        spent = _micro(_spent(day))
        rows.filter(reserved__lt=spent).update(reserved=spent)
    _caught_up.clear()
    _caught_up[day] = time.monotonic()


def settle(day: date, reserved: Decimal | None, usd: Decimal | None) -> None:
    """Replace what was reserved for a call by what it cost; it stays reserved where `usd` is unknown (None)."""
    if conf.DAILYCAST_DAILY_BUDGET_USD is not None and reserved and usd is not None:
        Budget.objects.filter(day=day).update(reserved=F("reserved") + _micro(usd) - _micro(reserved))


def rounded_up(usd: Decimal) -> Decimal:
    """`usd` as the budget counts it."""
    return Decimal(_micro(usd)) / MILLION


def _micro(usd: Decimal) -> int:
    """Millionths of a USD, rounded up."""
    return int((usd * MILLION).to_integral_value(ROUND_UP))


def _spent(day: date) -> Decimal:
    return ProviderCall.objects.filter(day=day).aggregate(usd=Sum("cost_usd"))["usd"] or Decimal(0)
