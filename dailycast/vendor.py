"""What every call to a vendor shares: the SDK or a clear error, a wall clock, one more try, many at once in order."""

import logging
import queue
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import partial
from importlib import import_module
from itertools import islice
from random import random
from typing import Any, Generic, TypeVar

from .conf import conf
from .errors import ProviderError, ProviderNotConfigured, ThrottledError

T = TypeVar("T")
logger = logging.getLogger("dailycast")

PAUSE_BEFORE_RETRY = 0.5  # seconds, where the vendor names none
MOST_THROTTLES = 10  # of one call
LONGEST_RETRY_AFTER = 5.0  # seconds; a vendor that asks for more is passed over
TRANSIENT = (408, 409, 429)  # and every 5xx
LONGEST_QUOTE = 200  # characters of a vendor's text in a message of ours


class BaseProvider(ABC):
    """What writers and voices have in common. `name` is what the database stores and what a chain lists."""

    name: str

    @abstractmethod
    def missing(self) -> str:
        """What to set or install before this provider can be used; empty when it is ready. Calls nobody."""

    def problems(self) -> list[str]:
        """What looks wrong in the settings of this provider, a sentence each, for `manage.py check`. Calls nobody."""
        return []

    def unbilled(self) -> bool:
        """Whether nobody bills for its calls: it is built in, or a server of the owner's own."""
        return False


class Outcome(Generic[T]):
    """A call made in another thread; as a context it keeps the error for the thread that waits."""

    answer: T
    error: BaseException | None = None

    def __init__(self, call: Callable[[], T]) -> None:
        self.call = call

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> bool:
        self.error = error
        return True

    def run(self, done: "queue.SimpleQueue[Outcome[T]]") -> None:
        with self:
            self.answer = self.call()
        done.put(self)


def require(module: str, extra: str) -> Any:
    """Import a vendor's SDK. Raises ProviderNotConfigured saying what to install."""
    try:
        return import_module(module)
    except ImportError as error:
        raise ProviderNotConfigured(
            f"{module} is not installed: pip install 'dailycast[{extra}]' ({error})."
        ) from error


def within(seconds: float, call: Callable[[], T]) -> T:
    """`call()`, given up after `seconds` of wall clock, however slowly its bytes drip in. Raises what it raises."""
    return in_order([call], 1, seconds)[0]


def in_order(calls: Sequence[Callable[[], T]], parallel: int, seconds: float) -> list[T]:
    """The answers of `calls` in their order, at most `parallel` at once, each given up after `seconds`.

    The threads are daemons: one that hangs in a vendor's socket does not keep the interpreter from ending.
    The first error stops what has not begun yet and is raised; a call out of time is a transient ProviderError.
    """
    waiting = [Outcome(call) for call in calls]
    done: queue.SimpleQueue[Outcome[T]] = queue.SimpleQueue()
    queued, running = iter(waiting), dict[Outcome[T], float]()
    for _ in waiting:
        for outcome in islice(queued, parallel - len(running)):
            running[outcome] = time.monotonic() + seconds
            threading.Thread(target=outcome.run, args=(done,), daemon=True, name="dailycast-call").start()
        finished = _next(done, min(running.values()) - time.monotonic(), seconds)
        if finished.error is not None:
            raise finished.error
        del running[finished]
    return [outcome.answer for outcome in waiting]


def twice(call: Callable[[], T], deadline: float) -> T:
    """`call()`, and once more after a transient ProviderError if `deadline` (monotonic seconds) leaves the time."""
    try:
        return _unthrottled(call, deadline)
    except ProviderError as error:
        wait = PAUSE_BEFORE_RETRY if error.retry_after is None else error.retry_after
        if error.permanent or wait > LONGEST_RETRY_AFTER or time.monotonic() + wait >= deadline:
            raise
        logger.info("Dailycast: %s; trying once more in %.1f s", error, wait)
        time.sleep(wait)
        return _unthrottled(call, deadline)


def _unthrottled(call: Callable[[], T], deadline: float) -> T:
    """`call()`, again after each ThrottledError while there is time: it bought nothing, so it uses up no try.

    The waits differ, or callers that were throttled together would come back together.
    """
    for _ in range(MOST_THROTTLES):
        try:
            return call()
        except ThrottledError as error:
            wait = (error.retry_after or 0) * (1 + random())  # noqa: S311  # no secret
            if wait > 2 * LONGEST_RETRY_AFTER or time.monotonic() + wait >= deadline:
                raise
            time.sleep(wait)
    return call()


def _next(done: "queue.SimpleQueue[Outcome[T]]", wait: float, seconds: float) -> "Outcome[T]":
    try:
        return done.get(timeout=max(wait, 0))
    except queue.Empty:
        raise ProviderError(f"no answer within {seconds:.1f} s", permanent=False) from None


def left(deadline: float) -> float:
    """Seconds until `deadline` (monotonic). Raises ProviderError when there are none."""
    seconds = deadline - time.monotonic()
    if seconds <= 0:
        raise ProviderError("the episode took longer than DAILYCAST_JOB_TIMEOUT", permanent=True)
    return seconds


def limited(call: Callable[[float], T], seconds: float, deadline: float) -> T:
    """`call(timeout)` within `seconds` of wall clock and before `deadline`, tried once more after a transient error."""

    def once() -> T:
        limit = min(seconds, left(deadline))
        return within(limit, partial(call, limit))

    return twice(once, deadline)


def unanswered(vendor: str, timeout: float, setting: str) -> ProviderError:
    """The error for a connection refused, reset or silent for `timeout` seconds; `setting` is what may be wrong."""
    reached = f"{vendor} could not be reached or gave no whole answer within {timeout:g} s"
    return ProviderError(f"{reached}: check the network and {setting}.", permanent=False)


def brief(told: object) -> str:
    """The start of a vendor's text in one line, ended like a sentence, without any key of ours."""
    text = " ".join(told.split()) if isinstance(told, str) else ""
    for secret in (
        conf.OPENAI_API_KEY,
        conf.GEMINI_API_KEY,
        conf.AWS_ACCESS_KEY_ID,
        conf.AWS_SECRET_ACCESS_KEY,
        conf.AWS_SESSION_TOKEN,
    ):
        text = text.replace(secret, "***") if secret else text
    text = text if len(text) <= LONGEST_QUOTE else text[:LONGEST_QUOTE].rstrip() + "…"
    return text if text.endswith((".", "…")) else (text or "no reason given") + "."


def retry_after(header: str | None) -> float | None:
    """Seconds in a Retry-After header, a number or an HTTP date (RFC 9110, 10.2.3); None for anything else."""
    try:
        seconds = float(header or "nan")
    except ValueError:
        seconds = _seconds_until(str(header))
    return seconds if 0 <= seconds < float("inf") else None


def _seconds_until(date: str) -> float:
    try:
        when = parsedate_to_datetime(date)
    except ValueError:
        return float("nan")
    return max((when.replace(tzinfo=when.tzinfo or UTC) - datetime.now(UTC)).total_seconds(), 0.0)
