"""A server for answers that no stand-in of a vendor would give."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from .server import Cloud

Reply = tuple[int, dict[str, str], bytes]


class CannedServer:
    """Sends the `replies` in turn, the last again and again. `requests` are (path, headers, body) of each request."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, Any, Any]] = []
        self.replies: list[Reply] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                server.answer(self)

            def log_message(self, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def set_replies(self, *replies: Reply) -> None:
        self.requests, self.replies = [], list(replies)

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        body = json.loads(request.rfile.read(int(request.headers["Content-Length"])))
        status, headers, content = self.replies[min(len(self.requests), len(self.replies) - 1)]
        self.requests.append((request.path, request.headers, body))
        request.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **headers}.items():
            request.send_header(name, value)
        request.end_headers()
        request.wfile.write(content)

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


def in_json(body: Any, status: int = 200, **headers: str) -> Reply:
    return status, {"Content-Type": "application/json", **headers}, json.dumps(body).encode()


@contextmanager
def both_servers(**options: Any) -> Iterator[tuple[Cloud, CannedServer]]:
    """The stand-in and a canned server, for a whole module: a client for each new address takes an SDK 0.25 s."""
    canned = CannedServer()
    with Cloud(**options) as cloud:
        yield cloud, canned
    canned.close()
