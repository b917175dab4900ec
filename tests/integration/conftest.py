import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

import pytest
from django.contrib.staticfiles.handlers import StaticFilesHandler
from django.core.servers.basehttp import ThreadedWSGIServer
from django.core.wsgi import get_wsgi_application


class Quiet(WSGIRequestHandler):
    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def serving(app: Any) -> Iterator[int]:
    """The port of `app` under a WSGI server, until the end of the context."""
    server = make_server("127.0.0.1", 0, app, ThreadedWSGIServer, Quiet)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def django() -> Iterator[int]:
    """The port of the project as a production server has it."""
    with serving(get_wsgi_application()) as port:
        yield port


@pytest.fixture
def styled() -> Iterator[int]:
    """The port of the project as `make serve` has it, with static files."""
    with serving(StaticFilesHandler(get_wsgi_application())) as port:
        yield port
