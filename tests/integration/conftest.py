import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

import pytest
from django.contrib.staticfiles.handlers import StaticFilesHandler
from django.core.servers.basehttp import ThreadedWSGIServer
from django.core.wsgi import get_wsgi_application


class QuietRequestHandler(WSGIRequestHandler):
    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def serve(app: Any) -> Iterator[int]:
    """A WSGI server for `app` on loopback, as long as the context is open; gives its port."""
    server = make_server("127.0.0.1", 0, app, ThreadedWSGIServer, QuietRequestHandler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def django_port() -> Iterator[int]:
    """The port of the project without static files, as behind a web server."""
    with serve(get_wsgi_application()) as port:
        yield port


@pytest.fixture
def demo_port() -> Iterator[int]:
    """The port of the project with static files, as `make serve` starts it."""
    with serve(StaticFilesHandler(get_wsgi_application())) as port:
        yield port
