"""Fifty episodes on PostgreSQL, made by worker processes. One is killed, and nothing is lost or bought twice."""

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
SUBMIT = """
import sys, django; django.setup()
from django.contrib.auth.models import User
from dailycast import runners
for number in range(int(sys.argv[1])):
    user = User.objects.create_user(f"learner{number}", first_name=f"Kim{number}")
    runners.submit(user, "en", request_key=f"night-{number}")
"""
SUBMIT_CELERY = "import tests.integration.celery_host\n" + SUBMIT
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
        cloud.script = unique_script
        yield cloud


def unique_script(prompt: str) -> str:
    """Five paragraphs that are in no other learner's script."""
    name = next(word for word in prompt.replace('"', " ").split() if word.startswith("Kim"))
    return "# For you\n" + "\n\n".join(f"{name}, this is part {part} of your own episode." for part in range(5))


@pytest.fixture
def rows() -> Iterator[Callable[[str], list[Any]]]:
    """A function that queries a new database."""
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
    """Starts a worker in a process group of its own. The fixture kills those that still run after the test."""
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


def migrated_environment(cloud: Cloud, folder: Path, runner: str) -> dict[str, str]:
    """The environment of a project with its tables."""
    env = environment(cloud, folder, runner)
    subprocess.run([sys.executable, "manage.py", "migrate", "-v", "0"], cwd=ROOT, env=env, check=True)
    return env


def submit(episodes: int, env: dict[str, str]) -> None:
    code = SUBMIT_CELERY if env["DAILYCAST_RUNNER"] == "celery" else SUBMIT
    subprocess.run([sys.executable, "-c", code, str(episodes)], cwd=ROOT, env=env, check=True)


def wait_until(condition: Callable[[], object], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it took too long"
        time.sleep(0.1)


@pytest.mark.parametrize("runner", ["worker", "celery"])
def test_a_worker_that_is_killed_loses_nothing(
    cloud: Cloud,
    rows: Callable[[str], list[Any]],
    start: Callable[[list[str], dict[str, str]], "subprocess.Popen[str]"],
    tmp_path: Path,
    runner: str,
) -> None:
    env = migrated_environment(cloud, tmp_path, runner)
    command = COMMANDS[runner]
    beat = ["--beat", "--schedule", str(tmp_path / "beat")] if runner == "celery" else []
    first, _ = start(command, env), start([*command, *beat, *(["-n", "second@%h"] if beat else [])], env)
    submit(EPISODES, env)

    def completed() -> int:
        return int(rows("SELECT count(*) FROM dailycast_dailypodcast WHERE status = 'completed'")[0][0])

    wait_until(lambda: completed() >= EPISODES // 5, 60)
    os.killpg(first.pid, signal.SIGKILL)
    stale = (
        "SELECT count(*) FROM dailycast_dailypodcast WHERE status = 'running' AND lease_until < now() - interval '{} s'"
    )
    wait_until(lambda: completed() == EPISODES or rows(stale.format(LEASE))[0][0], 90)
    assert rows(stale.format(LEASE))[0][0] == 0, "no worker has this row, and it is still running"

    audio = rows("SELECT audio_file, attempts FROM dailycast_dailypodcast WHERE audio_file <> ''")
    assert len({name for name, _ in audio}) == EPISODES
    assert any(attempts > 1 for _, attempts in audio), "the killed worker had no episode in progress"
    lost = rows("SELECT kind, count(*) FROM dailycast_providercall WHERE outcome = 'lost' GROUP BY kind")
    bought = Counter((call.vendor, call.text) for call in cloud.calls if call.units)
    bought_twice = Counter(vendor for (vendor, _), times in bought.items() for _ in range(times - 1))
    assert bought_twice["openai"] <= dict(lost).get("script", 0)
    assert bought_twice["polly"] <= dict(lost).get("speech", 0)
    print(f"{runner}: {len(bought)} units, bought twice {dict(bought_twice)}, lost in flight {dict(lost)}")


@pytest.mark.parametrize("runner", ["worker", "celery"])
def test_a_worker_that_is_terminated_returns_its_episodes(
    cloud: Cloud,
    rows: Callable[[str], list[Any]],
    start: Callable[[list[str], dict[str, str]], "subprocess.Popen[str]"],
    tmp_path: Path,
    runner: str,
) -> None:
    env = migrated_environment(cloud, tmp_path, runner)
    worker = start(COMMANDS[runner], env)
    submit(12, env)
    wait_until(lambda: rows("SELECT count(*) FROM dailycast_providercall")[0][0], 60)
    worker.terminate()
    assert worker.wait(60) == 0
    states = dict(rows("SELECT status, count(*) FROM dailycast_dailypodcast GROUP BY status"))
    assert states.get("running", 0) == 0
    assert rows("SELECT count(*) FROM dailycast_providercall WHERE outcome IN ('unknown', 'lost')")[0][0] == 0
    bought = Counter((call.vendor, call.text) for call in cloud.calls if call.units)
    assert max(bought.values()) == 1
