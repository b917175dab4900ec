"""The vendors' limits, held by all processes together: calls in a second, and calls at once.

Both are one small row a limit, `RateLimit`, changed by compare-and-set. A call that its process took to the grave
frees its place when its own time is up.
"""

import logging
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .conf import conf
from .models import RateLimit

logger = logging.getLogger("dailycast")

# Calls a second / at once. Source: Amazon Polly's quotas, docs.aws.amazon.com/polly/latest/dg/limits.html.
LIMITS = {"polly/neural": "8/18", "polly/generative": "8", "polly/long-form": "8", "polly/standard": "80"}
NONE = "0"
SECOND = 1.006  # of ours: what we start a second apart may reach the vendor a little closer
BURST_SECONDS, BURST_SHARE = 0.125, 4  # of a second's calls no more than a quarter in an eighth of it
SHORTEST = 0.001  # seconds
AGAIN = 0.02  # seconds until the next look for a place among the calls at once
TRIES = 20  # at one compare-and-set
SKEW = 5.0  # seconds: what lies further ahead was written before the clock was set back
HOLD = 600.0  # seconds that a call which was given up may keep its place
MARGIN = 10.0  # seconds that a call may hold its place beyond its time

State = dict[str, Any]  # starts: list of seconds since the epoch, flying: ticket -> such a second, its end


@dataclass(frozen=True)
class Limit:
    """`rate` calls in any second, `at_once` in flight; None for as many as one likes."""

    rate: int
    at_once: int | None = None


def limit(key: str) -> Limit | None:
    """The limit under `provider/model` or `provider/engine`, DAILYCAST_RATE_LIMITS first; None without one."""
    listed = LIMITS.get(key, NONE)
    try:
        return read_limit(conf.DAILYCAST_RATE_LIMITS.get(key, listed))
    except ValueError:  # a typo, which `manage.py check` tells
        return read_limit(listed)


def read_limit(listed: str) -> Limit | None:
    """`"8"` or `"8/18"`; None for `"0"`, which is no limit. Raises ValueError for anything else."""
    if listed == NONE:
        return None
    numbers = [int(part) for part in listed.split("/")]
    if min(numbers) < 1 or len(numbers) > 2:
        raise ValueError(listed)
    return Limit(*numbers)


def take(key: str, tickets: list[str], seconds: float) -> tuple[int, float]:
    """Take a place for each of `tickets`, calls of at most `seconds`.

    Answers how many of them may go now, and after how many seconds one asks again for the rest.
    """
    known = limit(key)
    if known is None:
        return len(tickets), 0.0
    shared = _shared[key]
    with shared.lock:  # one thread of a process asks the database; the others know its answer
        wait = shared.not_before - time.monotonic()
        if wait > 0:
            return 0, wait
        places, wait = _change(key, lambda state, now: _enter(state, now, known, tickets, seconds))
        shared.not_before = time.monotonic() + wait
        return places, wait


def free(key: str, tickets: list[str]) -> None:
    """Give the places of calls back."""
    known = limit(key)
    if known and known.at_once:
        _change(key, lambda state, now: _leave(state, tickets))


def hold(key: str, ticket: str) -> None:
    """Let a call that was given up keep its place, for HOLD seconds at most."""
    known = limit(key)
    if known and known.at_once:
        _change(key, lambda state, now: _stay(state, ticket, now + HOLD))


def _enter(state: State, now: float, known: Limit, tickets: list[str], seconds: float) -> tuple[int, float]:
    starts = [start for start in state.get("starts", []) if now - SECOND < start < now + SKEW]
    longest = now + max(conf.DAILYCAST_LLM_TIMEOUT, conf.DAILYCAST_SPEECH_TIMEOUT, HOLD) + MARGIN + SKEW
    flying = {each: end for each, end in state.get("flying", {}).items() if now < end < longest}
    lately = sum(start > now - BURST_SECONDS for start in starts)
    rates = min(known.rate - len(starts), max(known.rate // BURST_SHARE, 1) - lately)
    places = max(min(len(tickets), rates, known.at_once - len(flying) if known.at_once else rates), 0)
    starts += [now] * places
    if known.at_once:
        flying |= dict.fromkeys(tickets[:places], now + seconds + MARGIN)
    state.update(starts=starts, flying=flying)
    if places == len(tickets):
        return places, 0.0
    if len(starts) >= known.rate:
        return places, max(starts[-known.rate] + SECOND - now, SHORTEST)
    return places, BURST_SECONDS / 2 if known.at_once is None or len(flying) < known.at_once else AGAIN


def _stay(state: State, ticket: str, until: float) -> tuple[int, float]:
    known = ticket in state.get("flying", {})
    if known:
        state["flying"][ticket] = until
    return int(known), 0.0


def _leave(state: State, tickets: list[str]) -> tuple[int, float]:
    flying = state.get("flying", {})
    return sum(flying.pop(ticket, None) is not None for ticket in tickets), 0.0


def _change(key: str, change: Callable[[State, float], tuple[int, float]]) -> tuple[int, float]:
    """Apply `change` to the row under `key`; one that changes no place is not written."""
    for _ in range(TRIES):
        pk, version, state = RateLimit.objects.values_list("pk", "version", "state").filter(key=key).first() or _new(
            key
        )
        places, wait = change(state, time.time())
        if not places or RateLimit.objects.filter(pk=pk, version=version).update(version=version + 1, state=state):
            return places, wait
    return 0, AGAIN


def _new(key: str) -> tuple[int, int, State]:
    row, _ = RateLimit.objects.get_or_create(key=key)
    return row.pk, row.version, row.state


class _Shared:
    """What the threads of this process know of one limit."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.not_before = 0.0


_shared: dict[str, _Shared] = defaultdict(_Shared)
