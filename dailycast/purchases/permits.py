"""Permits to call: the places that the attempts of this process hold under the vendors' rate limits.

A provider of this server needs none.
"""

import threading
import time
from collections.abc import Sequence
from typing import Any

from ..jobs.database import retry_database
from . import rate_limits
from .attempts import Attempt, new_permit_id
from .in_flight import INFINITY, InFlightCall


def acquire(attempts: Sequence[Attempt[Any]]) -> tuple[list[float], float]:
    """When the first of `attempts` may call (monotonic seconds), and in how many seconds the others may ask again.

    All of them call the same model.
    """
    if not attempts[0].purchase.provider.remote:
        return [time.monotonic()] * len(attempts), INFINITY
    release_ended()  # this job may wait for a permit that its own abandoned call holds
    key, longest = attempts[0].purchase.key, max(attempt.seconds for attempt in attempts)
    return retry_database(rate_limits.acquire, key, [attempt.permit_id for attempt in attempts], longest)


def release(attempts: Sequence[Attempt[Any]]) -> None:
    if attempts and attempts[0].purchase.provider.remote:
        key = attempts[0].purchase.key
        retry_database(rate_limits.release, key, [attempt.permit_id for attempt in attempts])


_abandoned: list[tuple[InFlightCall[Any], str, str]] = []  # calls that were given up, with the key and id of a permit
_abandoned_lock = threading.Lock()


def hold_until_ended(attempt: Attempt[Any], call: InFlightCall[Any]) -> None:
    """The vendor still counts a call that was given up: its permit stays taken until its thread has ended."""
    if attempt.purchase.provider.remote:
        key, permit_id = attempt.purchase.key, attempt.permit_id
        retry_database(rate_limits.extend, key, permit_id)
        with _abandoned_lock:
            _abandoned.append((call, key, permit_id))
        attempt.permit_id = new_permit_id()


def release_ended() -> None:
    """Release the permits of calls that were given up and have ended since."""
    with _abandoned_lock:
        ended = [each for each in _abandoned if each[0].has_ended]
        _abandoned[:] = [each for each in _abandoned if each not in ended]
    for _, key, permit_id in ended:
        retry_database(rate_limits.release, key, [permit_id])
