"""The edge around every SDK: what it reads, whom it follows, what it sent, and that a call given up has ended."""

import gzip
import queue
import socket
import threading
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from itertools import repeat
from typing import Any

import pytest

from dailycast.errors import ProviderError, ProviderNotConfigured
from dailycast.gateway import clients
from dailycast.gateway.http import Vendor
from dailycast.llm import gemini, openai
from dailycast.purchases.in_flight import InFlightCall
from dailycast.tts import polly
from tests.cloud import Cloud
from tests.cloud.rogue import Act, RogueServer, answer, endless
from tests.cloud.wire import Fault
from tests.gateway.sdks import SDKS, Sdk, sdk_of

REDIRECTS = (301, 302, 303, 307, 308)
JSON = b"Content-Type: application/json\r\n"


@pytest.fixture(params=SDKS)
def sdk(request: pytest.FixtureRequest, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Sdk:
    return sdk_of(request.param, settings, monkeypatch)


@pytest.fixture(scope="module")
def vendors() -> Iterator[Cloud]:
    with Cloud(script="# Hello, Alex") as cloud:
        yield cloud
    forget_clients()


def forget_clients() -> None:
    for cache in (openai._client, gemini._cached_client, polly._cached_client):
        cache.cache_clear()


@contextmanager
def rogue(sdk: Sdk, act: Act) -> Iterator[RogueServer]:
    with RogueServer(act) as server:
        sdk.call_at(server.url)
        yield server


# What is read


def test_an_answer_without_an_end_is_read_up_to_the_limit(sdk: Sdk) -> None:
    with rogue(sdk, endless(200, JSON)) as server:
        error = sdk.failure()
        assert server.hung_up.wait(5)
    megabytes = sdk.vendor.max_body / 1e6
    message = f"{sdk.vendor.name}'s answer is longer than {megabytes:g} MB, so it was not read: check {sdk.setting}"
    assert str(error).startswith(message)
    assert (error.permanent, error.billed, len(server.requests)) == (True, None, 1)


Pack = Callable[[bytes], bytes]
PACKED: list[tuple[str, Pack]] = [("gzip", gzip.compress), ("deflate", zlib.compress)]


@pytest.mark.parametrize(("encoding", "pack"), PACKED)
def test_an_answer_that_unpacks_to_more_than_the_limit_is_not_unpacked_further(
    sdk: Sdk, encoding: str, pack: Pack
) -> None:
    body = pack(bytes(sdk.vendor.max_body + 1))
    with rogue(sdk, answer(200, JSON + b"Content-Encoding: %b\r\n" % encoding.encode(), body)):
        error = sdk.failure()
    assert "is longer than" in str(error)
    assert (error.permanent, error.billed) == (True, None)


@pytest.mark.parametrize("encoding", [b"br", b"zstd", b"gzip, gzip", b"gzip"])
def test_an_answer_that_cannot_be_unpacked_is_an_error(sdk: Sdk, encoding: bytes) -> None:
    with rogue(sdk, answer(200, JSON + b"Content-Encoding: %b\r\n" % encoding, b"\x00" * 100)):
        error = sdk.failure()
    assert str(error).startswith(f"{sdk.vendor.name}'s answer cannot be unpacked: check {sdk.setting}")
    assert (error.permanent, error.billed) == (False, None)


@pytest.mark.parametrize(("encoding", "pack"), PACKED)
def test_a_paid_answer_that_was_packed_unasked_is_taken(
    sdk: Sdk, vendors: Cloud, monkeypatch: pytest.MonkeyPatch, encoding: str, pack: Pack
) -> None:
    sdk.call_at(vendors.url)
    plain, receive = sdk.call(20), vendors.receive

    def receive_packed(request: Any) -> Any:
        number, reply, fault = receive(request)
        headers = {**reply.headers, "Content-Encoding": encoding}
        return number, replace(reply, body=pack(reply.body), headers=headers), fault

    monkeypatch.setattr(vendors, "receive", receive_packed)
    assert sdk.call(20) == plain


@pytest.mark.parametrize("encoding", [b"", b"Content-Encoding: br\r\n"], ids=["plain", "packed"])
@pytest.mark.parametrize(("status", "message"), [(503, "failed"), (400, "rejected")])
def test_an_error_without_an_end_is_known_by_its_status(sdk: Sdk, status: int, message: str, encoding: bytes) -> None:
    with rogue(sdk, endless(status, encoding)) as server:
        error = sdk.failure()
        assert server.hung_up.wait(5)
    assert str(error).startswith(f"{sdk.vendor.name} {message}")
    assert len(str(error)) < 400
    assert (error.permanent, error.billed, len(server.requests)) == (status == 400, (), 1)


def test_no_vendor_is_asked_to_pack_its_answer(sdk: Sdk, vendors: Cloud) -> None:
    sdk.call_at(vendors.url)
    sdk.call(20)
    assert vendors.calls[-1].headers["accept-encoding"] == "identity"


# Whom it follows


@pytest.mark.parametrize("status", REDIRECTS)
def test_no_redirect_is_followed(sdk: Sdk, status: int) -> None:
    with RogueServer(answer(200, JSON, b"{}")) as stranger:
        location = b"Location: http://localhost:%d/v1\r\n" % stranger.port
        with rogue(sdk, answer(status, location, b"")) as server:
            error = sdk.failure()
    assert (len(server.requests), stranger.requests) == (1, [])
    message = f"{sdk.vendor.name} answered with a redirect ({status}), which is not followed: check {sdk.setting}"
    assert str(error).startswith(message)
    assert (error.permanent, error.billed) == (True, ())


# What it sent


def assert_nothing_sent(sdk: Sdk, error: ProviderError, reason: str) -> None:
    assert str(error).startswith(f"{sdk.vendor.name} could not be reached{reason}")
    assert f": check the network and {sdk.setting}" in str(error)
    assert (error.permanent, error.billed) == (False, ())


def test_a_refused_connection_bills_nothing(sdk: Sdk) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    sdk.call_at(f"http://127.0.0.1:{port}")
    assert_nothing_sent(sdk, sdk.failure(), " (Connection refused)")


def test_a_name_that_does_not_exist_bills_nothing(sdk: Sdk) -> None:
    sdk.call_at("http://nobody.invalid")
    assert_nothing_sent(sdk, sdk.failure(), "")


def test_a_server_that_speaks_no_tls_bills_nothing(sdk: Sdk) -> None:
    with RogueServer(answer(200, JSON, b"{}"), before_the_request=True) as server:
        sdk.call_at(f"https://127.0.0.1:{server.port}")
        assert_nothing_sent(sdk, sdk.failure(), " (wrong version number)")


def test_a_reset_in_the_tls_handshake_bills_nothing(sdk: Sdk) -> None:
    def reset(connection: socket.socket) -> None:
        connection.recv(1)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")

    with RogueServer(reset, before_the_request=True) as server:
        sdk.call_at(f"https://127.0.0.1:{server.port}")
        assert_nothing_sent(sdk, sdk.failure(), "")


def test_a_connection_that_takes_too_long_bills_nothing(sdk: Sdk) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        waiting = [socket.socket() for _ in range(2)]
        for each in waiting:
            each.setblocking(False)
            each.connect_ex(full.getsockname())
        sdk.call_at(f"http://127.0.0.1:{full.getsockname()[1]}")
        error = sdk.failure(0.5)
        for each in waiting:
            each.close()
    assert_nothing_sent(sdk, error, " (timed out)")


def test_what_a_reset_after_the_request_bills_is_unknown(sdk: Sdk, vendors: Cloud) -> None:
    sdk.call_at(vendors.url)
    vendors.fail(sdk.name, Fault.RESET)
    assert sdk.failure().billed is None


# A call that is given up


def give_up(sdk: Sdk, server: RogueServer, ready: Callable[[], bool]) -> None:
    """Start a call, give it up when the vendor is `ready`, and wait until both sides have ended."""
    ended: queue.SimpleQueue[InFlightCall[Any]] = queue.SimpleQueue()
    call = InFlightCall(lambda: sdk.call(30))
    thread = threading.Thread(target=call.run, args=(ended,))
    thread.start()
    pause = threading.Event()
    while not ready():
        assert thread.is_alive(), call.error
        pause.wait(0.01)
    pause.wait(0.2)
    assert thread.is_alive(), call.error
    call.give_up()
    thread.join(5)
    assert not thread.is_alive()
    assert call.error is not None
    assert server.hung_up.wait(5)


CHUNKED = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
DRIPS = {
    "nothing": (b"", [b""]),
    "status": (b"HTTP/1.1 2", repeat(b"0")),
    "headers": (b"HTTP/1.1 200 OK\r\nX-Drip: ", repeat(b"0")),
    "continue": (b"", repeat(b"HTTP/1.1 100 Continue\r\n\r\n")),
    "body": (b"HTTP/1.1 200 OK\r\nContent-Length: 10000\r\n\r\n", repeat(b"0")),
    "body without length": (b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", repeat(b"0")),
    "body of an error": (b"HTTP/1.1 500 Oh\r\nContent-Length: 10000\r\n\r\n", repeat(b"0")),
    "chunk": (CHUNKED + b"2000\r\n", repeat(b"0")),
    "chunk sizes": (CHUNKED, repeat(b"0")),
    "chunks": (CHUNKED, repeat(b"1\r\n0\r\n")),
}


@pytest.mark.parametrize("what", DRIPS)
def test_a_call_that_is_given_up_ends_at_once(sdk: Sdk, what: str) -> None:
    start, drops = DRIPS[what]
    with rogue(sdk, print) as server:
        server.act = partial(wait_and_drip, server, start=start, drops=drops)
        give_up(sdk, server, lambda: bool(server.requests))


def wait_and_drip(server: RogueServer, connection: socket.socket, start: bytes, drops: Iterable[bytes]) -> None:
    """As `drip`, and a client that hangs up is noticed although nothing is sent."""
    server.drip(connection, start, drops)
    if not connection.recv(1):
        raise ConnectionResetError


def test_a_call_that_is_given_up_on_a_kept_connection_ends_at_once(sdk: Sdk) -> None:
    connections: list[socket.socket] = []

    def once_well(connection: socket.socket) -> None:
        connections.append(connection)
        if len(server.requests) == 1:
            answer(503, b"", b"{}")(connection)
        else:
            wait_and_drip(server, connection, *DRIPS["headers"])

    with rogue(sdk, once_well) as server:
        sdk.failure(30)
        give_up(sdk, server, lambda: len(server.requests) == 2)
    assert connections[0] is connections[1]


def test_a_call_that_is_given_up_in_the_tls_handshake_ends_at_once(sdk: Sdk) -> None:
    begun = threading.Event()

    def drip(connection: socket.socket) -> None:
        connection.recv(1)
        begun.set()
        server.drip(connection, b"\x16\x03\x03\x40\x00", repeat(b"\0"))

    with RogueServer(drip, before_the_request=True) as server:
        sdk.call_at(f"https://127.0.0.1:{server.port}")
        give_up(sdk, server, begun.is_set)


def test_a_call_that_is_given_up_before_it_connects_is_not_made(sdk: Sdk) -> None:
    with rogue(sdk, answer(200, JSON, b"{}")) as server:
        call = InFlightCall(lambda: sdk.call(30))
        call.connection.close()
        call.run(queue.SimpleQueue())
    assert isinstance(call.error, ProviderError | ConnectionAbortedError)
    assert server.requests == []


# Proxies


@pytest.fixture
def proxy(sdk: Sdk, monkeypatch: pytest.MonkeyPatch) -> Iterator[RogueServer]:
    with RogueServer(answer(307, b"Location: http://localhost/\r\n", b"")) as server:
        for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy"):
            monkeypatch.setenv(name, server.url)
        for name in ("NO_PROXY", "no_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.delenv(name, raising=False)
        yield server
    forget_clients()


def test_the_proxy_of_the_environment_is_used_and_the_edge_is_around_it(sdk: Sdk, proxy: RogueServer) -> None:
    sdk.call_at("http://vendor.test")
    assert "answered with a redirect (307)" in str(sdk.failure())
    assert len(proxy.requests) == 1
    assert proxy.requests[0].startswith(b"POST http://vendor.test/v1")


def test_a_proxy_that_refuses_bills_nothing(sdk: Sdk, proxy: RogueServer) -> None:
    proxy.act = answer(403, b"", b"")
    sdk.call_at("https://vendor.test")
    assert_nothing_sent(sdk, sdk.failure(), "")
    assert proxy.requests[0].startswith(b"CONNECT vendor.test:443 ")


def test_a_call_that_is_given_up_behind_a_proxy_ends_at_once(sdk: Sdk, proxy: RogueServer) -> None:
    proxy.act = lambda connection: wait_and_drip(proxy, connection, *DRIPS["headers"])
    sdk.call_at("https://vendor.test")
    give_up(sdk, proxy, lambda: bool(proxy.requests))


# Releases


@pytest.mark.parametrize("guard", [clients.guard_httpx, clients.guard_requests, clients.guard_boto3])
def test_an_sdk_that_the_edge_cannot_be_put_around_is_not_used(guard: Callable[[Any, Vendor], Any]) -> None:
    class Client:
        __module__ = "json"

    with pytest.raises(ProviderNotConfigured, match=r"This release of \w+ is not supported"):
        guard(Client(), openai.VENDOR)
