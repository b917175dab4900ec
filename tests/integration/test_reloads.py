"""A web server that is reloaded twice while it makes an episode buys each call once, and counts no attempt."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.cloud import Cloud
from tests.integration.person import Person
from tests.integration.ports import free_port, wait_for

pytestmark = pytest.mark.services

ROOT = Path(__file__).parents[2]
CLIPS = 11
SCRIPT = "# Many\n" + "\n\n".join(f"This is part number {part} of the episode. " * 3 for part in range(CLIPS))
PREPARE = """
import django; django.setup()
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client
call_command("migrate", verbosity=0)
client = Client()
client.force_login(User.objects.create_user("alex"))
print(client.cookies["sessionid"].value)
"""
RESULT = """
import json, django; django.setup()
from dailycast.models import DailyPodcast, ProviderCall
row = DailyPodcast.objects.get()
outcomes = list(ProviderCall.objects.values_list("outcome", flat=True))
print(json.dumps([row.status, row.error_code, row.attempts, row.has_audio, outcomes]))
"""
GUNICORN = ["gunicorn", "--workers", "2", "--log-level", "warning", "--bind", "127.0.0.1:{port}"]
GTHREAD = [*GUNICORN, "--worker-class", "gthread", "--threads", "4", "config.wsgi"]
SYNC = [*GUNICORN, "--max-requests", "5", "config.wsgi"]
UVICORN_WORKER = [*GUNICORN, "--worker-class", "uvicorn.workers.UvicornWorker", "config.asgi"]
UVICORN = ["uvicorn", "config.asgi:application", "--log-level", "warning", "--port", "{port}"]
RUNSERVER = ["django", "runserver", "{port}"]


class Site:
    """A web server, with its database and media in a folder of its own."""

    def __init__(self, cloud: Cloud, folder: Path, command: list[str]) -> None:
        self.port, self.log = free_port(), folder / "server.log"
        self.command = [sys.executable, "-m", *(part.format(port=self.port) for part in command)]
        self.settings = folder / "site_settings.py"
        self.settings.write_text("from tests.integration.settings import *\n")
        self.env = {
            **os.environ,
            **cloud.environment,
            "DJANGO_SETTINGS_MODULE": "site_settings",
            "DATABASE_NAME": str(folder / "db.sqlite3"),
            "DOTENV_PATH": os.devnull,
            "PYTHONPATH": f"{folder}:{ROOT}",
            "TEST_MEDIA_ROOT": str(folder / "media"),
            "DAILYCAST_LLM_PROVIDERS": "openai",
            "DAILYCAST_LEARNER_CONTEXT": "",
        }

    def run(self, code: str) -> str:
        command = [sys.executable, "-c", code]
        return subprocess.run(command, cwd=ROOT, env=self.env, check=True, capture_output=True, text=True).stdout

    def start(self) -> None:
        with self.log.open("a") as log:
            self.process = subprocess.Popen(
                self.command, cwd=ROOT, env=self.env, stdout=log, stderr=log, start_new_session=True
            )
        wait_for(self.port)

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(40)
        with suppress(ProcessLookupError):  # the child of `runserver`
            os.killpg(self.process.pid, signal.SIGKILL)

    def sign_in(self) -> Person:
        alex = Person(f"http://127.0.0.1:{self.port}/dailycast/")
        alex.session.cookies.set("sessionid", self.run(PREPARE).split()[-1])
        return alex

    # Ways to reload

    def hup(self) -> None:
        self.process.send_signal(signal.SIGHUP)

    def restart(self) -> None:
        self.stop()
        self.start()

    def touch(self) -> None:
        """`runserver` reloads when a module of the project has changed."""
        os.utime(self.settings)

    def wait(self) -> None:
        """With `--max-requests` a worker ends by itself."""


@contextmanager
def running(site: Site) -> Iterator[None]:
    site.start()
    try:
        yield
    finally:
        site.stop()


@pytest.mark.parametrize(
    ("command", "reload"),
    [
        pytest.param(GTHREAD, Site.hup, id="gunicorn gthread, HUP"),
        pytest.param(GTHREAD, Site.restart, id="gunicorn gthread, TERM"),
        pytest.param(SYNC, Site.wait, id="gunicorn sync, --max-requests"),
        pytest.param(UVICORN_WORKER, Site.hup, id="gunicorn with uvicorn workers, HUP"),
        pytest.param(UVICORN, Site.restart, id="uvicorn, TERM"),
        pytest.param(RUNSERVER, Site.touch, id="runserver"),
    ],
)
def test_two_reloads_buy_nothing_twice_and_count_no_attempt(
    tmp_path: Path, command: list[str], reload: Callable[[Site], None]
) -> None:
    with Cloud(latency={"openai": 0.5, "polly": 0.7}) as cloud:
        cloud.script = SCRIPT
        site = Site(cloud, tmp_path, command)
        alex = site.sign_in()
        with running(site):
            alex.open(alex.url)
            alex.send("request_key")
            seconds = reload_twice(site, cloud, alex, reload)
        status, error, attempts, has_audio, outcomes = json.loads(site.run(RESULT))
        assert (status, error, attempts, has_audio) == ("completed", "", 1, True), site.log.read_text()
        bought = Counter((call.vendor, call.text) for call in cloud.calls if call.units)
        assert len(bought) == 1 + CLIPS
        assert bought.total() - len(bought) <= outcomes.count("unanswered")  # of a machine too slow for STOP_SECONDS
        assert not {"unknown", "lost"} & set(outcomes)
        print(f"{bought.total()} calls billed, {len(bought)} needed; made {seconds:.1f} s after the last reload")


def reload_twice(site: Site, cloud: Cloud, alex: Person, reload: Callable[[Site], None]) -> float:
    """Reload among the first clips and again among the last, while the page polls; the seconds until it is made."""
    state, reloaded_at = "", time.monotonic()
    pending = [CLIPS - 1, 3]  # calls for speech before a reload
    ends = time.monotonic() + 60
    while state not in ("completed", "failed"):
        assert time.monotonic() < ends, (state, site.log.read_text())
        if pending and sum(call.vendor == "polly" for call in cloud.calls) >= pending[-1]:
            pending.pop()
            reload(site)
            reloaded_at = time.monotonic()
        state = poll(alex, site) or state
        time.sleep(0.1)
    assert len(pending) < 2  # a worker that waits for open connections may have finished the episode before the second
    return time.monotonic() - reloaded_at


def poll(alex: Person, site: Site) -> Any:
    """The state of the episode; None while the server is away."""
    with suppress(OSError, ValueError):
        return alex.session.get(f"http://127.0.0.1:{site.port}/dailycast/episodes/1/status/", timeout=10).json()[
            "status"
        ]
