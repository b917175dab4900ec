"""HTTP, the same for every vendor: URLs, status codes, Retry-After, keys in headers."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from ..errors import ProviderError

TRANSIENT_STATUSES = (408, 409, 429)  # and every 5xx


def validate_url(setting: str, url: str) -> None:
    """Raises ProviderError for a `url` that no HTTP request can use; each SDK has another error for it."""
    try:
        parts = urlsplit(url)
        is_valid = not url or (parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0)
    except ValueError:  # a port that is no number, half an IPv6 address
        is_valid = False
    if not is_valid:
        raise ProviderError(f"{setting}={url} is no address: mend it.", permanent=True, billed=())


def parse_retry_after(header: str | None) -> float | None:
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


def key_problem(setting: str, key: str) -> str:
    """What is wrong with a `key` that no HTTP header can hold, else "". The SDK's own error would quote the key."""
    if key.isascii() and key.isprintable():
        return ""
    return f"copy {setting} again: it holds characters that no key has"
