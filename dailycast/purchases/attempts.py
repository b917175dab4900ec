"""An attempt at a purchase: how often it was called, and when it may be called again."""

import secrets
from dataclasses import dataclass, field
from random import random
from typing import Any, Generic, TypeVar

from ..errors import ProviderError, ThrottledError
from ..models import ProviderCall
from .purchase import Purchase

A = TypeVar("A")

RETRY_DELAY = 0.5  # seconds, where the vendor names none
MAX_RETRIES = 1  # of one purchase after transient failures; throttled calls are counted apart
MOST_THROTTLES = 10  # of one purchase
FIRST_BACKOFF = 0.2  # seconds after the first throttle, doubled with each, where the vendor names none
LONGEST_RETRY_AFTER = 5.0  # seconds; for a longer one there is no retry in this job


def new_permit_id() -> str:
    return secrets.token_hex(4)


@dataclass(eq=False)
class Attempt(Generic[A]):
    """A purchase, with the state of its calls."""

    purchase: Purchase[A]
    not_before: float = 0.0  # monotonic seconds
    seconds: float = 0.0  # that the next call may take
    failures: int = 0
    throttles: int = 0
    entry: ProviderCall | None = None  # of the ledger, for the present call
    permit_id: str = field(default_factory=new_permit_id)  # of its place under the vendor's rate limit
    answers: list[A] = field(default_factory=list)  # one, when it has been bought


def retry_delay(attempt: Attempt[Any], error: ProviderError) -> float | None:
    """Count the failure in `attempt`; the seconds until its next call, None when there is to be none.

    The waits differ at random: calls that were throttled together would else come back together.
    """
    if isinstance(error, ThrottledError):
        attempt.throttles += 1
        doubled = min(FIRST_BACKOFF * 2 ** (attempt.throttles - 1), LONGEST_RETRY_AFTER)
        wait = (doubled if error.retry_after is None else error.retry_after) * (1 + random())  # noqa: S311  # no secret
        return wait if attempt.throttles <= MOST_THROTTLES and wait <= 2 * LONGEST_RETRY_AFTER else None
    attempt.failures += 1
    wait = RETRY_DELAY if error.retry_after is None else error.retry_after
    return wait if not error.permanent and attempt.failures <= MAX_RETRIES and wait <= LONGEST_RETRY_AFTER else None
