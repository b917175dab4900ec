"""HTTP as every vendor speaks it: addresses, status codes, Retry-After."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from ..errors import ProviderError

TRANSIENT = (408, 409, 429)  # and every 5xx


def check_address(setting: str, url: str) -> None:
    """Raises ProviderError for a `url` that HTTP cannot go to: each SDK has an error of its own for it."""
    try:
        parts = urlsplit(url)
        good = not url or (parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0)
    except ValueError:  # a port that is none, half an IPv6 address
        good = False
    if not good:
        raise ProviderError(f"{setting}={url} is no address: mend it.", permanent=True, billed=())


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


def sendable(key: str) -> bool:
    """Whether `key` can stand in an HTTP header; a mis-pasted one would fail inside the SDK, its text in the error."""
    return key.isascii() and key.isprintable()
