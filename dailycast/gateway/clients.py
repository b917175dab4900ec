"""The edge around the HTTP clients of the SDKs: httpx (and its successor httpx2), requests, and botocore's urllib3.

A client keeps its own proxies, certificates and pool. Around it, an answer is asked for unpacked and read up to the
vendor's limit, no redirect is followed, a failed connection is told from a failed call, and each socket is registered
with `connection.watch`. The SDKs have no public way to do all of this; the tests hold it for every release.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from http.client import HTTPException
from importlib import import_module
from io import BytesIO
from typing import Any

from ..errors import ProviderNotConfigured
from .connection import watch
from .http import BLOCK, CONNECT_TIMEOUT, Vendor

NOT_PACKED = "identity"
REPLACED = (
    "content-encoding",
    "content-length",
    "transfer-encoding",
)  # headers that a body read whole has not any more


@contextmanager
def _known_release(sdk: str) -> Iterator[None]:
    """An SDK without a part that the edge is put around is not used: it would read without a limit."""
    try:
        yield
    except AttributeError as error:
        raise ProviderNotConfigured(
            f"This release of {sdk} is not supported, install an earlier one: {error}."
        ) from error


def _to_connect(timeout: Any) -> float:
    return min(timeout, CONNECT_TIMEOUT) if isinstance(timeout, int | float) else CONNECT_TIMEOUT


# httpx


def guard_httpx(client: Any, vendor: Vendor) -> Any:
    """`client`, an httpx.Client or httpx2.Client, with the edge around each of its transports."""
    package = next(base.__module__ for base in type(client).__mro__ if base.__name__ == "Client").partition(".")[0]
    with _known_release(package):
        errors = import_module(package)
        failures = (errors.ConnectError, errors.ConnectTimeout, errors.PoolTimeout, errors.ProxyError)
        client._transport = GuardedTransport(client._transport, vendor, failures)
        for pattern, transport in client._mounts.items():
            client._mounts[pattern] = transport and GuardedTransport(transport, vendor, failures)
    return client


class GuardedTransport:
    """A transport of httpx that answers with a body that has been read whole."""

    def __init__(self, transport: Any, vendor: Vendor, failures: tuple[type[Exception], ...]) -> None:
        """`failures` are the errors of a connection that nothing was sent on."""
        transport._pool._network_backend = WatchedBackend(transport._pool._network_backend)
        self.transport, self.vendor, self.failures = transport, vendor, failures

    def handle_request(self, request: Any) -> Any:
        request.headers["Accept-Encoding"] = NOT_PACKED
        try:
            response = self.transport.handle_request(request)
        except self.failures as error:
            raise self.vendor.not_connected(error) from error
        encoding = response.headers.get("content-encoding", "")
        try:
            body = self.vendor.read_body(response.status_code, encoding, response.stream)
        finally:
            response.stream.close()
        headers = [header for header in response.headers.raw if header[0].lower().decode("latin-1") not in REPLACED]
        return type(response)(response.status_code, headers=headers, content=body, extensions=response.extensions)

    def close(self) -> None:
        self.transport.close()

    def __enter__(self) -> "GuardedTransport":
        self.transport.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self.transport.__exit__(*error)


class WatchedBackend:
    """A network backend of httpcore whose streams are watched."""

    def __init__(self, backend: Any) -> None:
        self.backend = backend

    def connect_tcp(self, host: str, port: int, timeout: float | None = None, **options: Any) -> "WatchedStream":
        stream = WatchedStream(self.backend.connect_tcp(host, port, timeout=_to_connect(timeout), **options))
        stream.watch()
        return stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self.backend, name)


class WatchedStream:
    """A stream of httpcore. A connection that is used again is registered by each call that writes to it."""

    def __init__(self, stream: Any) -> None:
        self.stream = stream

    def watch(self) -> None:
        try:
            watch(self.stream.get_extra_info("socket"))
        except OSError:
            self.stream.close()
            raise

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self.watch()
        self.stream.write(buffer, timeout)

    def start_tls(self, ssl_context: Any, server_hostname: Any = None, timeout: float | None = None) -> "WatchedStream":
        return WatchedStream(self.stream.start_tls(ssl_context, server_hostname, _to_connect(timeout)))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


# urllib3, in requests and in botocore


def guard_requests(session: Any, vendor: Vendor) -> Any:
    """`session`, a requests.Session, with the edge around the pools of each of its adapters, for proxies, too."""
    with _known_release("requests"):
        for adapter in session.adapters.values():
            adapter.poolmanager.pool_classes_by_scheme = _guarded(adapter.poolmanager.pool_classes_by_scheme, vendor)
            adapter.proxy_manager_for = partial(_proxy_manager, adapter.proxy_manager_for, vendor)
    return session


def _proxy_manager(make: Any, vendor: Vendor, *args: Any, **options: Any) -> Any:
    manager = make(*args, **options)
    if not any(issubclass(pool, GuardedPool) for pool in manager.pool_classes_by_scheme.values()):
        manager.pool_classes_by_scheme = _guarded(manager.pool_classes_by_scheme, vendor)
    return manager


def guard_boto3(client: Any, vendor: Vendor) -> Any:
    """`client` of boto3 with the edge around the pools of its session, which all of its managers share."""
    with _known_release("boto3"):
        pools = client._endpoint.http_session._pool_classes_by_scheme
        pools.update(_guarded(pools, vendor))
    return client


def _guarded(pools: dict[str, Any], vendor: Vendor) -> dict[str, Any]:
    """The pool classes of urllib3 by their scheme, each with the edge around it."""
    failures = (OSError, HTTPException, import_module("urllib3.exceptions").HTTPError)
    guarded = {}
    for scheme, pool in pools.items():
        own = {"vendor": vendor, "failures": failures}
        connection = type("Connection", (GuardedConnection, pool.ConnectionCls), own)
        guarded[scheme] = type("Pool", (GuardedPool, pool), {"vendor": vendor, "ConnectionCls": connection})
    return guarded


class GuardedPool:
    """A pool of urllib3 that answers with a body that has been read whole."""

    vendor: Vendor

    def urlopen(self, method: str, url: str, body: Any = None, headers: Any = None, *args: Any, **options: Any) -> Any:
        asked = {name: value for name, value in (headers or {}).items() if name.lower() != "accept-encoding"}
        asked["Accept-Encoding"] = NOT_PACKED
        options |= {"preload_content": False, "decode_content": False, "enforce_content_length": True}
        options["redirect"] = False  # urllib3 follows them itself
        response = super().urlopen(method, url, body, asked, *args, **options)  # type: ignore[misc]
        try:
            encoding = response.headers.get("content-encoding", "")
            content = self.vendor.read_body(response.status, encoding, _blocks(response))
        finally:
            response.close()
            response.release_conn()
        others = {name: value for name, value in response.headers.items() if name.lower() not in REPLACED}
        return type(response)(
            BytesIO(content),
            {**others, "Content-Length": str(len(content))},
            response.status,
            version=response.version,
            reason=response.reason,
            preload_content=False,
            decode_content=False,
        )


def _blocks(response: Any) -> Iterable[bytes]:
    """Not urllib3's `stream`: it reads the size of a chunk, a line, without any limit."""
    return iter(partial(response.read, BLOCK, decode_content=False), b"")


class GuardedConnection:
    """A connection of urllib3. One that is used again is registered by each call that sends on it."""

    vendor: Vendor
    failures: tuple[type[Exception], ...]
    timeout: Any
    sock: Any

    def connect(self) -> None:
        self.timeout = _to_connect(self.timeout)
        try:
            super().connect()  # type: ignore[misc]
        except self.failures as error:
            raise self.vendor.not_connected(error) from error

    def _new_conn(self) -> Any:
        self.sock = super()._new_conn()  # type: ignore[misc]  # so that it is closed if the call was given up
        watch(self.sock)
        return self.sock

    def send(self, data: Any) -> None:
        if self.sock is not None:
            watch(self.sock)
        super().send(data)  # type: ignore[misc]
