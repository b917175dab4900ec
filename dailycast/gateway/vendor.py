"""What every vendor shares: the SDK or a clear error, a call in a thread of its own, words for what went wrong."""

import queue
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from importlib import import_module
from typing import Any, Generic, TypeVar
from urllib.parse import urlsplit

from ..conf import conf
from ..errors import ProviderError, ProviderNotConfigured

T = TypeVar("T")

TRANSIENT = (408, 409, 429)  # and every 5xx
LONGEST_QUOTE = 200  # characters of a vendor's text in a message of ours


class BaseProvider(ABC):
    """What writers and voices have in common. `name` is what the database stores and what a chain lists."""

    name: str
    remote = True  # a call leaves this server: it stands in the ledger, keeps to limits, and its answer is kept

    @abstractmethod
    def missing(self) -> str:
        """What to set or install before this provider can be used; empty when it is ready. Calls nobody."""

    def problems(self) -> list[str]:
        """What looks wrong in the settings of this provider, a sentence each, for `manage.py check`. Calls nobody."""
        return []

    def prepare(self) -> None:  # noqa: B027  # most have nothing to prepare
        """What takes time before a first call, say an SDK's client: done before the call takes its place."""

    def unbilled(self) -> bool:
        """Whether nobody bills for its calls: it is built in, or a server of the owner's own."""
        return False


class Caught:
    """As a context it keeps whatever error ends its block, for who will raise it later or elsewhere."""

    error: BaseException | None = None

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> bool:
        self.error = error
        return True


class Flight(Caught, Generic[T]):
    """A call made in another thread, at the `moment` (monotonic seconds) that is its own and not before."""

    answer: T
    ended = False

    def __init__(self, call: Callable[[], T], moment: float = 0.0) -> None:
        self.call, self.moment = call, moment
        self.recalled = threading.Event()

    def run(self, done: "queue.SimpleQueue[Flight[T]]") -> None:
        with self:
            if self.recalled.wait(self.moment - time.monotonic()):
                raise ProviderError("It was not called: another call failed before.", permanent=True, billed=())
            self.answer = self.call()
        self.ended = True
        done.put(self)


def require(module: str, extra: str) -> Any:
    """Import a vendor's SDK. Raises ProviderNotConfigured saying what to install."""
    try:
        return import_module(module)
    except ImportError as error:
        raise ProviderNotConfigured(
            f"{module} is not installed: pip install 'dailycast[{extra}]' ({error})."
        ) from error


def check_address(setting: str, url: str) -> None:
    """Raises ProviderError for a `url` that HTTP cannot go to: each SDK has an error of its own for it."""
    try:
        parts = urlsplit(url)
        good = not url or (parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0)
    except ValueError:  # a port that is none, half an IPv6 address
        good = False
    if not good:
        raise ProviderError(f"{setting}={url} is no address: mend it.", permanent=True, billed=())


def left(deadline: float) -> float:
    """Seconds until `deadline` (monotonic). Raises ProviderError when there are none."""
    seconds = deadline - time.monotonic()
    if seconds <= 0:
        raise ProviderError("the episode took longer than DAILYCAST_JOB_TIMEOUT", permanent=True)
    return seconds


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
