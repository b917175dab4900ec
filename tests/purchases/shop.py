"""A shop of our own: purchases that answer, fail or hang as a test says, and what the ledger says of them."""

import threading
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from dailycast.errors import Units
from dailycast.gateway.provider import BaseProvider
from dailycast.jobs.job import Job
from dailycast.models import DailyPodcast, Kind, Outcome, ProviderCall, RateLimit, dates
from dailycast.purchases import scheduler
from dailycast.purchases.purchase import Purchase

KEY = "shop/basic"
MOST, BILLED = (100,), (10,)  # units, at a cent each


class Shop(BaseProvider):
    name = "shop"

    def __init__(self, remote: bool) -> None:
        self.remote = remote

    def missing(self) -> str:
        return ""


class Stored(list[str]):
    """The answers that were stored; the ledger keeps nothing of them."""

    def add(self, answer: str) -> str:
        self.append(answer)
        return ""


class ShopPurchase(Purchase[Any]):
    kind, model, max_units = Kind.SPEECH, "basic", MOST

    def __init__(
        self,
        provider: Shop,
        unit: str,
        seconds: float,
        call: Callable[[float], Any],
        store: Callable[[Any], str],
    ) -> None:
        self.provider, self.item_key, self.seconds = provider, unit, seconds
        self.shop_call, self.shop_store = call, store

    def call(self, timeout: float) -> Any:
        return self.shop_call(timeout)

    def billed_units(self, answer: Any) -> Units:
        return BILLED

    def store(self, answer: Any) -> str:
        return self.shop_store(answer)


def purchase_of(
    call: Callable[[float], Any],
    unit: str = "a",
    remote: bool = False,
    seconds: float = 20,
    store: Callable[[Any], str] = lambda answer: "",
    shop: Shop | None = None,
) -> Purchase[Any]:
    return ShopPurchase(shop or Shop(remote), unit, seconds, call, store)


def buy(*calls: Callable[[float], Any], parallel: int = 1, job: Job | None = None, **more: Any) -> list[Any]:
    """The answers of `calls`, whose units are a, b, c ..."""
    purchases = [purchase_of(call, unit=chr(97 + place), **more) for place, call in enumerate(calls)]
    return scheduler.buy(purchases, parallel, job or Job())


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


def join_calls() -> None:
    """Wait until the calls that were given up have ended."""
    for thread in threading.enumerate():
        if thread.name == "dailycast-call":
            thread.join(5)


def entries() -> list[tuple[str, str, int | None, Decimal | None]]:
    """Unit, outcome, units and USD of each entry in the ledger."""
    rows = ProviderCall.objects.order_by("pk")
    return list(rows.values_list("unit", "outcome", "units", "cost_usd"))


def held_permits() -> set[str]:
    return set(RateLimit.objects.get().state["flying"])


def bill(podcast: DailyPodcast | None, usd: str | None, **values: Any) -> ProviderCall:
    """An entry of the shop in the ledger of today."""
    known = {"day": dates.today(), "provider": "shop", "kind": Kind.SPEECH, "outcome": Outcome.OK, "units": 100}
    cost = None if usd is None else Decimal(usd)
    return ProviderCall.objects.create(podcast=podcast, cost_usd=cost, **{**known, **values})
