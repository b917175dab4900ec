"""HTTP, the same for every vendor: URLs, status codes, Retry-After, keys in headers, and how much of a body is read."""

import ssl
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
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


MAX_ERROR_BODY = 64 * 1024  # bytes of an answer that is an error; the rest is not read
CONNECT_TIMEOUT = 5.0  # seconds for each address, and for the TLS handshake
BLOCK = 65_536  # bytes that are read or unpacked at once
PACKED = {"gzip", "x-gzip", "deflate"}  # the encodings that are unpacked, although none is asked for


@dataclass(frozen=True)
class Vendor:
    """What the edge has to know of a vendor: the name and the setting that its errors name, and its longest answer."""

    name: str
    address: str  # the setting, such as OPENAI_BASE_URL
    max_body: int  # bytes, unpacked
    clean: Callable[[bytes], bytes] = bytes  # makes of a whole answer what its SDK can read

    def read_body(self, status: int, encoding: str, blocks: Iterable[bytes]) -> bytes:
        """The unpacked body of an answer, from its `blocks` as they arrive; an error's body is cut at MAX_ERROR_BODY.

        Raises ProviderError for a redirect, which is never followed: the key and the learner's records would go to
        another server; for an answer over `max_body`; and for one that cannot be unpacked.
        """
        if 300 <= status < 400:
            message = f"{self.name} answered with a redirect ({status}), which is not followed: check {self.address}."
            raise ProviderError(message, permanent=True, billed=())
        limit = self.max_body if status < 300 else MAX_ERROR_BODY
        try:
            body = _read(_unpack(blocks, encoding.strip().lower(), limit), limit)
        except (ValueError, zlib.error) as error:
            if status >= 400:
                return b""
            message = f"{self.name}'s answer cannot be unpacked: check {self.address}, or try again later."
            raise ProviderError(message, permanent=False) from error
        if len(body) > limit and status < 400:
            message = f"{self.name}'s answer is longer than {limit / 1e6:g} MB, so it was not read"
            raise ProviderError(f"{message}: check {self.address}.", permanent=True)
        return self.clean(bytes(body)) if status < 300 else bytes(body[:limit])

    def not_connected(self, error: BaseException) -> ProviderError:
        """The error for a connection that failed: the request was not sent, so nothing is billed."""
        reason = _reason(error)
        message = f"{self.name} could not be reached{f' ({reason})' if reason else ''}"
        return ProviderError(f"{message}: check the network and {self.address}.", permanent=False, billed=())


def _read(blocks: Iterable[bytes], limit: int) -> bytearray:
    """The `blocks` joined; of more than `limit` bytes only the start, which is longer than `limit`."""
    body = bytearray()
    for block in blocks:
        body += block
        if len(body) > limit:
            break
    return body


def _unpack(blocks: Iterable[bytes], encoding: str, limit: int) -> Iterator[bytes]:
    """The `blocks` unpacked, in pieces of BLOCK bytes at most. Raises ValueError, zlib.error."""
    if encoding in ("", "identity"):
        yield from blocks
        return
    if encoding not in PACKED:
        raise ValueError("nobody asked for this encoding")
    unpacker, received = zlib.decompressobj(zlib.MAX_WBITS | 32), 0  # 32: a header of gzip or of zlib
    for block in blocks:
        received += len(block)
        if received > limit:
            raise ValueError("it is longer than what may be in it")
        piece = b" " * BLOCK
        while (block or len(piece) == BLOCK) and not unpacker.eof:
            yield (piece := unpacker.decompress(block, BLOCK))
            block = unpacker.unconsumed_tail
        if unpacker.eof:
            return
    if received:
        raise ValueError("it is cut")


def _reason(error: BaseException | None) -> str:
    """The operating system's or OpenSSL's own words for why a connection failed; "" where there are none."""
    reason = ""
    while error is not None:
        if isinstance(error, ssl.SSLError):
            words = getattr(error, "verify_message", "") or getattr(error, "reason", None) or "in TLS"
            return str(words).replace("_", " ").lower()
        reason = "timed out" if isinstance(error, TimeoutError) else getattr(error, "strerror", None) or reason
        error = error.__cause__ or error.__context__
    return reason


def own_error(error: BaseException | None) -> ProviderError | None:
    """The error that the edge raised, where an SDK has wrapped it in one of its own."""
    while error is not None and not isinstance(error, ProviderError):
        error = error.__cause__ or error.__context__
    return error
