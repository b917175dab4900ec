"""A server that does with a connection what no HTTP server should do."""

import re
import socket
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from itertools import chain, repeat
from typing import Self

Act = Callable[[socket.socket], None]
LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)
HEAD = b"HTTP/1.1 %d Odd\r\n%b\r\n"
LONGEST = 200_000_000  # bytes that are sent to a client that does not hang up


class RogueServer:
    """Use as a context. `act` gets each connection, by default after its request has come.

    `requests` are the heads of the requests; `hung_up` is set when a client closes before the server does.
    """

    def __init__(self, act: Act, before_the_request: bool = False) -> None:
        self.act, self.before_the_request = act, before_the_request
        self.requests: list[bytes] = []
        self.hung_up, self.closing = threading.Event(), threading.Event()

    def __enter__(self) -> Self:
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self.serve, daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self.closing.set()
        with suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def serve(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self.listener.accept()
                threading.Thread(target=self.handle, args=(connection,), daemon=True).start()

    def handle(self, connection: socket.socket) -> None:
        with connection:
            try:
                while self.before_the_request or self.read(connection):
                    self.act(connection)
                    if self.before_the_request:
                        return
            except OSError:
                self.hung_up.set()

    def read(self, connection: socket.socket) -> bool:
        data = b""
        while b"\r\n\r\n" not in data:
            received = connection.recv(65536)
            if not received:
                return False
            data += received
        head, _, body = data.partition(b"\r\n\r\n")
        found = LENGTH.search(head)
        missing = int(found[1]) - len(body) if found else 0
        while missing > 0:
            missing -= len(connection.recv(65536))
        self.requests.append(head)
        return True

    def drip(self, connection: socket.socket, start: bytes, drops: Iterable[bytes] = repeat(b"0")) -> None:
        """Send `start`, then a drop again and again: often enough for the timeout of every read."""
        for piece in chain([start], drops):
            connection.sendall(piece)
            if self.closing.wait(0.05):
                return


def answer(status: int, headers: bytes, body: bytes) -> Act:
    """Sends a whole answer; `headers` are lines that end with CR LF."""
    head = HEAD % (status, headers + b"Content-Length: %d\r\n" % len(body))
    return lambda connection: connection.sendall(head + body)


def endless(status: int, headers: bytes = b"") -> Act:
    """Sends chunks until the client hangs up, at most LONGEST bytes."""
    piece = b"10000\r\n" + b" " * 65536 + b"\r\n"

    def act(connection: socket.socket) -> None:
        connection.sendall(HEAD % (status, headers + b"Transfer-Encoding: chunked\r\n"))
        for _ in range(LONGEST // len(piece)):
            connection.sendall(piece)

    return act
