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
from random import random
from typing import Any

from ..conf import conf
from ..models import RateLimit

logger = logging.getLogger("dailycast")

# Calls a second / at once. Source: Amazon Polly's quotas, docs.aws.amazon.com/polly/latest/dg/limits.html.
LIMITS = {"polly/neural": "8/18", "polly/generative": "8", "polly/long-form": "8", "polly/standard": "80"}
NONE = "0"
SECOND = 1.004  # of ours: what we start a second apart may reach the vendor a little closer
BURST_SECONDS, BURST_SHARE = 0.125, 4  # of a second's calls no more than a quarter in an eighth of it
CLOSEST = 0.02  # seconds between two calls, where there is time: those that begin together delay each other
AHEAD = 0.3  # seconds: a place is taken so long before its moment, that nothing but the call is left to do then
AGAIN = 0.02  # seconds until the next look for a place among the calls at once
TRIES = 20  # at one compare-and-set
SKEW = 5.0  # seconds: what lies further ahead was written before the clock was set back
HOLD = 600.0  # seconds that a call which was given up may keep its place
MARGIN = 10.0  # seconds that a call may hold its place beyond its time

Permits = tuple[list[float], float]  # one for each place that changed, and the seconds until one asks again
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


def acquire(key: str, tickets: list[str], seconds: float) -> Permits:
    """Take a place for each of `tickets`, calls of at most `seconds`, as far as there are places.

    Answers the moments (monotonic seconds, AHEAD from now at most) at which the first of them may go, and after how
    many seconds one asks again for the rest.
    """
    known = limit(key)
    if known is None:
        return [time.monotonic()] * len(tickets), 0.0
    shared = _shared[key]
    with shared.lock:  # one thread of a process asks the database; the others know its answer
        wait = shared.not_before - time.monotonic()
        if wait > 0:
            return [], wait
        moments, wait = _change(key, lambda state, now: _enter(state, now, known, tickets, seconds))
        shared.not_before = time.monotonic() + wait
        now = time.monotonic()
        offset, latest = now - time.time(), now + AHEAD  # the clock may have been set back meanwhile
        return [min(moment + offset, latest) for moment in moments], wait


def release(key: str, tickets: list[str]) -> None:
    """Give the places of calls back."""
    known = limit(key)
    if known and known.at_once:
        _change(key, lambda state, now: _leave(state, tickets))


def extend(key: str, ticket: str) -> None:
    """Let a call that was given up keep its place, for HOLD seconds at most."""
    known = limit(key)
    if known and known.at_once:
        _change(key, lambda state, now: _stay(state, ticket, now + HOLD))


def _enter(state: State, now: float, known: Limit, tickets: list[str], seconds: float) -> Permits:
    starts = [start for start in state.get("starts", []) if now - SECOND < start < now + SKEW]
    longest = now + max(conf.DAILYCAST_LLM_TIMEOUT, conf.DAILYCAST_SPEECH_TIMEOUT, HOLD) + MARGIN + SKEW
    flying = {each: end for each, end in state.get("flying", {}).items() if now < end < longest}
    others = flying.keys() - set(tickets)  # a place that we took already, and were not told, is ours
    room = known.at_once - len(others) if known.at_once else len(tickets)
    moments: list[float] = []
    while len(moments) < min(len(tickets), room) and (moment := _next(starts, now, known.rate)) <= now + AHEAD:
        moments.append(moment)
        starts.append(moment)
    if known.at_once:
        flying |= {ticket: moment + seconds + MARGIN for ticket, moment in zip(tickets, moments, strict=False)}
    state.update(starts=starts, flying=flying)
    if len(moments) == len(tickets):
        return moments, 0.0
    if len(moments) == room:
        return moments, AGAIN
    pause = max(_next(starts, now, known.rate) - now - AHEAD, AHEAD / 3)
    # At random: else of two servers the one whose clock is a little ahead would always be the first.
    return moments, pause + random() * AHEAD / 3  # noqa: S311  # no secret


def _next(starts: list[float], now: float, rate: int) -> float:
    """The moment of the next call after `starts`, which are in order."""
    gap = min(SECOND / rate * min(len(starts) / rate, 1), CLOSEST)
    earlier = (1, gap), (max(rate // BURST_SHARE, 1), BURST_SECONDS), (rate, SECOND)
    return max([now, *(starts[-count] + span for count, span in earlier if count <= len(starts))])


def _stay(state: State, ticket: str, until: float) -> Permits:
    if ticket not in state.get("flying", {}):
        return [], 0.0
    state["flying"][ticket] = until
    return [until], 0.0


def _leave(state: State, tickets: list[str]) -> Permits:
    flying = state.get("flying", {})
    return [flying.pop(ticket) for ticket in tickets if ticket in flying], 0.0


def _change(key: str, change: Callable[[State, float], Permits]) -> Permits:
    """Apply `change` to the row under `key`; one that changes no place is not written."""
    for _ in range(TRIES):
        pk, version, state = RateLimit.objects.values_list("pk", "version", "state").filter(key=key).first() or _new(
            key
        )
        moments, wait = change(state, time.time())
        if not moments or RateLimit.objects.filter(pk=pk, version=version).update(version=version + 1, state=state):
            return moments, wait
    return [], AGAIN


def _new(key: str) -> tuple[int, int, State]:
    row, _ = RateLimit.objects.get_or_create(key=key)
    return row.pk, row.version, row.state


class _Shared:
    """What the threads of this process know of one limit."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.not_before = 0.0


_shared: dict[str, _Shared] = defaultdict(_Shared)
