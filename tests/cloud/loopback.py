"""The sockets: reads requests, and sends replies complete or damaged as a fault says."""

import json
import os
import socket
import struct
from collections.abc import Iterable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import repeat
from select import select
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

from .wire import DRIPS, Fault, Reply, Request

if TYPE_CHECKING:
    from .server import Cloud

PIECE = 16_384  # bytes in a chunk
HALVED = {Fault.CUT_LENGTH, Fault.CUT_CHUNKED, Fault.CUT_SILENT}
SLOW = {Fault.HANG, *DRIPS}  # in flight until the last byte
ENDLESS = {Fault.ENDLESS, Fault.ENDLESS_ERROR}
DRIPPED_STARTS = {
    Fault.DRIP_HEAD: b"HTTP/1.1 200 OK\r\nX-Drip: ",
    Fault.DRIP_CHUNKS: b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
}
FRAMES = {Fault.CUT_LENGTH: "length", Fault.CUT_CHUNKED: "chunked", Fault.CUT_SILENT: "none", Fault.DRIP: "length"}


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, cloud: "Cloud") -> None:
        self.cloud = cloud
        self.sockets: set[socket.socket] = set()
        super().__init__(("127.0.0.1", cloud.port), Handler)

    def close(self) -> None:
        """Stop listening, and end the connections that clients keep alive."""
        self.server_close()
        for connection in list(self.sockets):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else a kept-alive answer waits 40 ms for the client's acknowledgement
    server: Server

    def handle(self) -> None:
        self.server.sockets.add(self.connection)
        with suppress(ConnectionError):  # the client gave up, as it may
            super().handle()
        self.server.sockets.discard(self.connection)

    def log_message(self, *args: Any) -> None:
        pass

    def do_POST(self) -> None:
        cloud = self.server.cloud
        number, reply, fault = cloud.receive(self.read())
        if fault not in SLOW:
            cloud.finish(number)
        try:
            self.send(reply, fault)
        finally:
            cloud.finish(number)

    def read(self) -> Request:
        raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        address = urlsplit(self.path)
        return Request(address.path, dict(parse_qsl(address.query)), self.headers, json_object(raw))

    def send(self, reply: Reply, fault: Fault | None) -> None:
        if fault is Fault.RESET:
            self.reset()
        elif fault is Fault.HANG:
            self.hang()
        elif fault in DRIPPED_STARTS:
            self.wfile.write(DRIPPED_STARTS[fault])
            self.write(self.pieces(b"0" * PIECE, Fault.DRIP), chunked=False, complete=False)
        elif fault in ENDLESS:
            self.head(reply, "chunked")
            self.write(repeat(b" " * PIECE), chunked=True, complete=False)
        else:
            framing = FRAMES.get(fault, reply.framing) if fault else reply.framing
            self.head(reply, framing)
            self.write(self.pieces(reply.body, fault), framing == "chunked", fault is not Fault.CUT_CHUNKED)
        self.close_connection = self.close_connection or fault in {Fault.RESET, Fault.HANG, *DRIPPED_STARTS, *FRAMES}

    def head(self, reply: Reply, framing: str) -> None:
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        if framing == "length":
            self.send_header("Content-Length", str(len(reply.body)))
        else:
            self.send_header(*{"chunked": ("Transfer-Encoding", "chunked"), "none": ("Connection", "close")}[framing])
        self.end_headers()

    def pieces(self, body: bytes, fault: Fault | None) -> Iterable[bytes]:
        body = body[: len(body) // 2] if fault in HALVED else body
        size = 1 if fault is Fault.DRIP else PIECE
        for start in range(0, len(body), size):
            if fault is Fault.DRIP and self.server.cloud.closing.wait(1):
                return
            yield body[start : start + size]

    def write(self, pieces: Iterable[bytes], chunked: bool, complete: bool) -> None:
        for piece in pieces:
            self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)
        if chunked and complete:
            self.wfile.write(b"0\r\n\r\n")

    def hang(self) -> None:
        """Until the client hangs up or the stand-in closes."""
        while not self.server.cloud.closing.is_set() and not select([self.connection], [], [], 0.05)[0]:
            pass

    def reset(self) -> None:
        """Close with a linger of zero: the client's kernel gets RST instead of FIN."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        os.close(self.connection.detach())


def json_object(raw: bytes) -> dict[str, Any]:
    try:
        body = json.loads(raw)
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}
