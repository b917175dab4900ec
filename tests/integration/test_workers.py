"""Fifty episodes on PostgreSQL, made by real worker processes, one of which is killed: none is lost or paid twice."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from tests.cloud import Cloud

pytestmark = pytest.mark.services

ROOT = Path(__file__).parents[2]
EPISODES, LEASE, DATABASE = 50, 5, "dailycast_workers"
SERVER = "host=127.0.0.1 user=dailycast password=dailycast"
ASK = """
import sys, django; django.setup()
from django.contrib.auth.models import User
from dailycast import runners
for number in range(int(sys.argv[1])):
    user = User.objects.create_user(f"learner{number}", first_name=f"Kim{number}")
    runners.submit(user, "en", request_key=f"night-{number}")
"""
ASK_CELERY = "import tests.integration.celery_host\n" + ASK
COMMANDS = {
    "worker": [sys.executable, "manage.py", "dailycast_worker", "--concurrency", "4"],
    "celery": [
        sys.executable,
        "-m",
        "celery",
        "-A",
        "tests.integration.celery_host",
        "worker",
        "-c",
        "4",
        "-l",
        "warning",
    ],
}


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    with Cloud(latency={"openai": 0.3, "polly": 0.1}) as cloud:
        cloud.script = own_script
        yield cloud


def own_script(prompt: str) -> str:
    """Five paragraphs that no other learner hears."""
    name = next(word for word in prompt.replace('"', " ").split() if word.startswith("Kim"))
    return "# For you\n" + "\n\n".join(f"{name}, this is part {part} of your own episode." for part in range(5))


@pytest.fixture
def rows() -> Iterator[Callable[[str], list[Any]]]:
    """A new database, and a function that asks it."""
    psycopg: Any = import_module("psycopg")
    with psycopg.connect(f"{SERVER} dbname=postgres", autocommit=True) as server:
        server.execute(f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)")
        server.execute(f"CREATE DATABASE {DATABASE}")
        with psycopg.connect(f"{SERVER} dbname={DATABASE}", autocommit=True) as connection:
            yield lambda query: connection.execute(query).fetchall()
        server.execute(f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)")


def environment(cloud: Cloud, folder: Path, runner: str) -> dict[str, str]:
    database = {"ENGINE": "django.db.backends.postgresql", "NAME": DATABASE, "HOST": "127.0.0.1"}
    database |= {"USER": "dailycast", "PASSWORD": "dailycast"}
    return {
        **os.environ,
        **cloud.environment,
        **{f"DATABASE_{name}": value for name, value in database.items()},
        "DJANGO_SETTINGS_MODULE": "tests.integration.settings",
        "DOTENV_PATH": os.devnull,
        "PYTHONPATH": str(ROOT),
        "CELERY_BROKER_URL": f"redis://127.0.0.1:6379/{os.environ.get('DAILYCAST_TEST_REDIS', '9')}",
        "DAILYCAST_RUNNER": runner,
        "DAILYCAST_LEASE_SECONDS": str(LEASE),
        "DAILYCAST_RATE_LIMITS": "polly/neural=100/18",
        "DAILYCAST_LEARNER_CONTEXT": "",
        "TEST_MEDIA_ROOT": str(folder / "media"),
    }


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[[list[str], dict[str, str]], "subprocess.Popen[str]"]]:
    """Start a worker in a process group of its own; whatever happens, none outlives the test."""
    workers: list[subprocess.Popen[str]] = []

    def begin(command: list[str], env: dict[str, str]) -> "subprocess.Popen[str]":
        with (tmp_path / f"worker{len(workers)}.log").open("w") as log:
            worker = subprocess.Popen(
                command, cwd=ROOT, env=env, stdout=log, stderr=log, text=True, start_new_session=True
            )
        workers.append(worker)
        return worker

    yield begin
    for worker in workers:
        if worker.poll() is None:
            os.killpg(worker.pid, signal.SIGKILL)
            worker.wait()


def migrated(cloud: Cloud, folder: Path, runner: str) -> dict[str, str]:
    """The environment of a project whose tables stand."""
    env = environment(cloud, folder, runner)
    subprocess.run([sys.executable, "manage.py", "migrate", "-v", "0"], cwd=ROOT, env=env, check=True)
    return env


def ask_for(episodes: int, env: dict[str, str]) -> None:
    code = ASK_CELERY if env["DAILYCAST_RUNNER"] == "celery" else ASK
    subprocess.run([sys.executable, "-c", code, str(episodes)], cwd=ROOT, env=env, check=True)


def until(true: Callable[[], object], seconds: float) -> None:
    ends = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < ends, "it took too long"
        time.sleep(0.1)


@pytest.mark.parametrize("runner", ["worker", "celery"])
def test_a_worker_that_is_killed_loses_nothing(
    cloud: Cloud,
    rows: Callable[[str], list[Any]],
    start: Callable[[list[str], dict[str, str]], "subprocess.Popen[str]"],
    tmp_path: Path,
    runner: str,
) -> None:
    env = migrated(cloud, tmp_path, runner)
    command = COMMANDS[runner]
    beat = ["--beat", "--schedule", str(tmp_path / "beat")] if runner == "celery" else []
    first, _ = start(command, env), start([*command, *beat, *(["-n", "second@%h"] if beat else [])], env)
    ask_for(EPISODES, env)

    def ended() -> int:
        return int(rows("SELECT count(*) FROM dailycast_dailypodcast WHERE status = 'completed'")[0][0])

    until(lambda: ended() >= EPISODES // 5, 60)
    os.killpg(first.pid, signal.SIGKILL)
    stale = (
        "SELECT count(*) FROM dailycast_dailypodcast WHERE status = 'running' AND lease_until < now() - interval '{} s'"
    )
    until(lambda: ended() == EPISODES or rows(stale.format(LEASE))[0][0], 90)
    assert rows(stale.format(LEASE))[0][0] == 0, "a row that nobody works on is shown as running"

    audio = rows("SELECT audio_file, attempts FROM dailycast_dailypodcast WHERE audio_file <> ''")
    assert len({name for name, _ in audio}) == EPISODES
    assert any(attempts > 1 for _, attempts in audio), "nobody was at work when the worker was killed"
    lost = rows("SELECT kind, count(*) FROM dailycast_providercall WHERE outcome = 'lost' GROUP BY kind")
    paid = Counter((call.vendor, call.text) for call in cloud.calls if call.units)
    twice = Counter(vendor for (vendor, _), times in paid.items() for _ in range(times - 1))
    assert twice["openai"] <= dict(lost).get("script", 0)
    assert twice["polly"] <= dict(lost).get("speech", 0)
    print(f"{runner}: {len(paid)} units, paid twice {dict(twice)}, lost in flight {dict(lost)}")


@pytest.mark.parametrize("runner", ["worker", "celery"])
def test_a_worker_that_is_asked_to_end_gives_back_what_it_has_begun(
    cloud: Cloud,
    rows: Callable[[str], list[Any]],
    start: Callable[[list[str], dict[str, str]], "subprocess.Popen[str]"],
    tmp_path: Path,
    runner: str,
) -> None:
    env = migrated(cloud, tmp_path, runner)
    worker = start(COMMANDS[runner], env)
    ask_for(12, env)
    until(lambda: rows("SELECT count(*) FROM dailycast_providercall")[0][0], 60)
    worker.terminate()
    assert worker.wait(60) == 0
    states = dict(rows("SELECT status, count(*) FROM dailycast_dailypodcast GROUP BY status"))
    assert states.get("running", 0) == 0
    assert rows("SELECT count(*) FROM dailycast_providercall WHERE outcome IN ('unknown', 'lost')")[0][0] == 0
    paid = Counter((call.vendor, call.text) for call in cloud.calls if call.units)
    assert max(paid.values()) == 1
