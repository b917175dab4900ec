import shutil
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

import pytest
from django.contrib.staticfiles.handlers import StaticFilesHandler
from django.core.servers.basehttp import ThreadedWSGIServer
from django.core.wsgi import get_wsgi_application

from tests.integration.shell import ROOT, checkout_files, run

# What lies about in a checkout in which somebody works, and must never be published.
LEFTOVERS = (
    ".env",
    "db.sqlite3",
    "media/podcasts/podcast_1_1701920000.mp3",
    "config/__pycache__/settings.cpython-311.pyc",
    "dailycast/__pycache__/models.cpython-311.pyc",
    "tests/__pycache__/conftest.cpython-311-pytest-9.0.0.pyc",
)


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


@pytest.fixture(scope="session")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the sdist and with the wheel that is built from it."""
    checkout = tmp_path_factory.mktemp("checkout")
    for name in checkout_files():
        (checkout / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, checkout / name)
    for name in LEFTOVERS:
        (checkout / name).parent.mkdir(parents=True, exist_ok=True)
        (checkout / name).write_text("a leftover")
    run(checkout, sys.executable, "-m", "build")
    return checkout / "dist"


@pytest.fixture(scope="module")
def unpacked(published: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project as somebody has it who unpacked the sdist."""
    (sdist,) = published.glob("*.tar.gz")
    folder = tmp_path_factory.mktemp("unpacked")
    shutil.unpack_archive(sdist, folder, filter="data")
    return folder / sdist.name.removesuffix(".tar.gz")
