import gzip
import ssl
import time
import tracemalloc
import zlib
from collections.abc import Iterator
from email.utils import formatdate

import pytest

from dailycast.errors import ProviderError
from dailycast.gateway import http
from dailycast.gateway.http import MAX_ERROR_BODY, Vendor

VENDOR = Vendor("Shop", "SHOP_URL", max_body=1_000_000)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7.0),
        ("0.25", 0.25),
        ("0", 0.0),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0),
        ("Wed, 21 Oct 2015 07:28:00 -0000", 0.0),
        ("soon", None),
        ("-1", None),
        ("nan", None),
        ("inf", None),
        ("", None),
        (None, None),
    ],
)
def test_retry_after(header: str | None, seconds: float | None) -> None:
    assert http.parse_retry_after(header) == seconds


def test_retry_after_as_a_date_counts_from_now() -> None:
    assert 85 < (http.parse_retry_after(formatdate(time.time() + 90, usegmt=True)) or 0) <= 90


def endless() -> Iterator[bytes]:
    """Blocks of 64 KB; more than a few over the limit are never asked for."""
    for number in range(20):
        assert number < 17, "it reads on"
        yield bytes(65_536)


@pytest.mark.parametrize(
    ("status", "encoding", "body", "read"),
    [
        (200, "", b"speech", b"speech"),
        (200, "identity", b"speech", b"speech"),
        (200, "GZIP ", gzip.compress(b"speech", mtime=0), b"speech"),
        (200, "x-gzip", gzip.compress(b"speech", mtime=0), b"speech"),
        (200, "deflate", zlib.compress(b"speech"), b"speech"),
        (200, "gzip", b"", b""),
        (200, "", bytes(VENDOR.max_body), bytes(VENDOR.max_body)),
        (200, "gzip", gzip.compress(bytes(VENDOR.max_body)), bytes(VENDOR.max_body)),
        (500, "", bytes(MAX_ERROR_BODY + 1), bytes(MAX_ERROR_BODY)),
        (500, "gzip", gzip.compress(bytes(1_000_000)), bytes(MAX_ERROR_BODY)),
        (500, "br", b"speech", b""),
        (500, "gzip", b"speech", b""),
    ],
)
def test_what_is_read(status: int, encoding: str, body: bytes, read: bytes) -> None:
    blocks = (body[start : start + 1000] for start in range(0, len(body), 1000))
    assert VENDOR.read_body(status, encoding, blocks) == read


@pytest.mark.parametrize(
    ("status", "encoding", "body", "message", "permanent", "billed"),
    [
        (
            200,
            "",
            [bytes(1_000_001)],
            "Shop's answer is longer than 1 MB, so it was not read: check SHOP_URL.",
            True,
            None,
        ),
        (200, "", endless(), "Shop's answer is longer than 1 MB, so it was not read: check SHOP_URL.", True, None),
        (
            200,
            "gzip",
            [gzip.compress(bytes(1_000_001))],
            "Shop's answer is longer than 1 MB, so it was not read: check SHOP_URL.",
            True,
            None,
        ),
        (200, "br", [b"x"], "Shop's answer cannot be unpacked: check SHOP_URL, or try again later.", False, None),
        (200, "gzip", [b"x"], "Shop's answer cannot be unpacked: check SHOP_URL, or try again later.", False, None),
        (301, "", [b"x"], "Shop answered with a redirect (301), which is not followed: check SHOP_URL.", True, ()),
        (399, "br", [b"x"], "Shop answered with a redirect (399), which is not followed: check SHOP_URL.", True, ()),
    ],
)
def test_what_is_refused(
    status: int, encoding: str, body: list[bytes], message: str, permanent: bool, billed: tuple[int, ...] | None
) -> None:
    with pytest.raises(ProviderError) as caught:
        VENDOR.read_body(status, encoding, body)
    assert (str(caught.value), caught.value.permanent, caught.value.billed) == (message, permanent, billed)


def verification_error() -> ssl.SSLError:
    error = ssl.SSLCertVerificationError(1, "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed")
    error.verify_message = "self-signed certificate"
    return error


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ConnectionRefusedError(111, "Connection refused"), " (Connection refused)"),
        (TimeoutError("timed out"), " (timed out)"),
        (verification_error(), " (self-signed certificate)"),
        (ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version number"), " (in tls)"),
        (ValueError("a text of an SDK"), ""),
    ],
)
def test_why_a_connection_failed(error: Exception, reason: str) -> None:
    wrapped = RuntimeError("the SDK's own")
    wrapped.__cause__ = error
    failure = VENDOR.not_connected(wrapped)
    assert str(failure).startswith(f"Shop could not be reached{reason}")
    assert str(failure).endswith(": check the network and SHOP_URL.")
    assert (failure.permanent, failure.billed) == (False, ())


def test_our_own_error_is_found_in_the_one_of_an_sdk() -> None:
    own, middle, outer = ProviderError("ours", permanent=True), ValueError(), KeyError()
    outer.__cause__, middle.__context__ = middle, own
    assert http.own_error(outer) is own
    assert http.own_error(own) is own
    assert http.own_error(ValueError()) is None


def test_a_bomb_is_unpacked_only_up_to_the_limit() -> None:
    bomb = gzip.compress(bytes(50_000_000))
    tracemalloc.start()
    try:
        with pytest.raises(ProviderError, match="is longer than 1 MB"):
            VENDOR.read_body(200, "gzip", [bomb])
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()
