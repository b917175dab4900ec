"""The vendors' rate limits, shared by all processes: calls in a second, and calls in flight at once.

Each limit is one small row, `RateLimit`, changed by compare-and-set. A permit of a process that died is free again when
its time is up.
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
UNLIMITED = "0"
SECOND = 1.004  # seconds of ours: calls that start one second apart may reach the vendor a little closer
BURST_SECONDS, BURST_SHARE = 0.125, 4  # no more than a quarter of a second's calls start in an eighth of it
MAX_GAP = 0.02  # seconds: the most that two calls are spaced apart when there is room; together they delay each other
LOOKAHEAD = 0.3  # seconds: a permit is given so long before its start time that only the call is left to do then
RECHECK_DELAY = 0.02  # seconds until the next query when too many calls are in flight
MOST_WRITES = 20  # attempts at one compare-and-set
CLOCK_SKEW = 5.0  # seconds: a time further ahead was written before the clock was set back
LONGEST_HOLD = 600.0  # seconds that a call which was given up may hold its permit
HOLD_MARGIN = 10.0  # seconds that a call may hold its permit beyond its timeout

Permits = tuple[list[float], float]  # a time for each permit that changed, and the seconds until the next request
State = dict[str, Any]  # starts: list of seconds since the epoch; flying: permit id -> seconds since the epoch, its end


@dataclass(frozen=True)
class Limit:
    """`rate` calls in any second, `at_once` in flight; None for any number."""

    rate: int
    at_once: int | None = None


def limit(key: str) -> Limit | None:
    """The limit under `provider/model` or `provider/engine`, DAILYCAST_RATE_LIMITS first; None without one."""
    listed = LIMITS.get(key, UNLIMITED)
    try:
        return read_limit(conf.DAILYCAST_RATE_LIMITS.get(key, listed))
    except ValueError:  # a typo, which `manage.py check` reports
        return read_limit(listed)


def read_limit(listed: str) -> Limit | None:
    """`"8"` or `"8/18"`; None for `"0"`, no limit. Raises ValueError for anything else."""
    if listed == UNLIMITED:
        return None
    numbers = [int(part) for part in listed.split("/")]
    if min(numbers) < 1 or len(numbers) > 2:
        raise ValueError(listed)
    return Limit(*numbers)


def acquire(key: str, permit_ids: list[str], seconds: float) -> Permits:
    """Give permits for calls of at most `seconds` to the first of `permit_ids`, as many as the limit allows now.

    Returns the start time of each (monotonic seconds, at most LOOKAHEAD from now), and after how many seconds the
    caller may ask again for the others.
    """
    known = limit(key)
    if known is None:
        return [time.monotonic()] * len(permit_ids), 0.0
    local = _local_waits[key]
    with local.lock:  # one thread of a process asks the database; the others use its answer
        wait = local.until - time.monotonic()
        if wait > 0:
            return [], wait
        start_times, wait = _change(key, lambda state, now: _grant(state, now, known, permit_ids, seconds))
        local.until = time.monotonic() + wait
        now = time.monotonic()
        offset, latest = now - time.time(), now + LOOKAHEAD  # the clock may have been set back meanwhile
        return [min(start + offset, latest) for start in start_times], wait


def release(key: str, permit_ids: list[str]) -> None:
    """Release the permits of calls that have ended."""
    known = limit(key)
    if known and known.at_once:
        _change(key, lambda state, now: _release(state, permit_ids))


def extend(key: str, permit_id: str) -> None:
    """Let a call that was given up hold its permit for LONGEST_HOLD seconds more."""
    known = limit(key)
    if known and known.at_once:
        _change(key, lambda state, now: _extend(state, permit_id, now + LONGEST_HOLD))


def _grant(state: State, now: float, known: Limit, permit_ids: list[str], seconds: float) -> Permits:
    starts = [start for start in state.get("starts", []) if now - SECOND < start < now + CLOCK_SKEW]
    latest_end = now + max(conf.DAILYCAST_LLM_TIMEOUT, conf.DAILYCAST_SPEECH_TIMEOUT, LONGEST_HOLD)
    latest_end += HOLD_MARGIN + CLOCK_SKEW
    in_flight = {each: end for each, end in state.get("flying", {}).items() if now < end < latest_end}
    others = in_flight.keys() - set(permit_ids)  # a permit that was written, but whose answer was lost, is ours
    free = known.at_once - len(others) if known.at_once else len(permit_ids)
    most, granted = min(len(permit_ids), free), list[float]()
    while len(granted) < most and (start := _next_start(starts, now, known.rate)) <= now + LOOKAHEAD:
        granted.append(start)
        starts.append(start)
    if known.at_once:
        in_flight |= {each: start + seconds + HOLD_MARGIN for each, start in zip(permit_ids, granted, strict=False)}
    state.update(starts=starts, flying=in_flight)
    if len(granted) == len(permit_ids):
        return granted, 0.0
    if len(granted) == free:
        return granted, RECHECK_DELAY
    pause = max(_next_start(starts, now, known.rate) - now - LOOKAHEAD, LOOKAHEAD / 3)
    # At random: else of two servers the one whose clock is a little ahead would always be the first.
    return granted, pause + random() * LOOKAHEAD / 3  # noqa: S311  # no secret


def _next_start(starts: list[float], now: float, rate: int) -> float:
    """When the next call after `starts`, which are sorted, may start."""
    gap = min(SECOND / rate * min(len(starts) / rate, 1), MAX_GAP)
    earlier = (1, gap), (max(rate // BURST_SHARE, 1), BURST_SECONDS), (rate, SECOND)
    return max([now, *(starts[-count] + span for count, span in earlier if count <= len(starts))])


def _extend(state: State, permit_id: str, until: float) -> Permits:
    if permit_id not in state.get("flying", {}):
        return [], 0.0
    state["flying"][permit_id] = until
    return [until], 0.0


def _release(state: State, permit_ids: list[str]) -> Permits:
    in_flight = state.get("flying", {})
    return [in_flight.pop(each) for each in permit_ids if each in in_flight], 0.0


def _change(key: str, change: Callable[[State, float], Permits]) -> Permits:
    """Apply `change` to the row under `key`; the row is not written where no permit changes."""
    rows = RateLimit.objects.values_list("pk", "version", "state")
    for _ in range(MOST_WRITES):
        pk, version, state = rows.filter(key=key).first() or _new_row(key)
        times, wait = change(state, time.time())
        if not times or RateLimit.objects.filter(pk=pk, version=version).update(version=version + 1, state=state):
            return times, wait
    return [], RECHECK_DELAY


def _new_row(key: str) -> tuple[int, int, State]:
    row, _ = RateLimit.objects.get_or_create(key=key)
    return row.pk, row.version, row.state


class _LocalWait:
    """Until when no thread of this process needs to ask the database for a permit (monotonic seconds)."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.until = 0.0


_local_waits: dict[str, _LocalWait] = defaultdict(_LocalWait)
