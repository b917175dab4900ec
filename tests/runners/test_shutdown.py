"""Signals ask the jobs of a process to stop."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from dailycast.jobs.job import stopping
from dailycast.runners import shutdown


def test_a_signal_asks_the_jobs_to_stop_and_the_next_one_ends_the_process() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with shutdown.stop_on_signals():
        assert not stopping.is_set()
        os.kill(os.getpid(), signal.SIGTERM)
        assert stopping.wait(5)
        assert signal.getsignal(signal.SIGTERM) == before
    assert signal.getsignal(signal.SIGTERM) == before
    assert not stopping.is_set()


ROOT = Path(__file__).parents[2]
SERVER = """
import asyncio, signal, sys
import django; django.setup()
from asgiref.sync import sync_to_async
from dailycast.jobs.stopping import stopping
from dailycast.runners import shutdown

def stop():
    print("jobs stopped", flush=True)
    stopping.set()

async def serve():
    ended = asyncio.Event()
    if sys.argv[1] == "server":
        signal.signal(signal.SIGTERM, lambda number, frame: (print("server told"), ended.set()))
    await sync_to_async(shutdown.call_before_sigterm)(stop)
    signal.raise_signal(signal.SIGTERM)
    signal.raise_signal(signal.SIGTERM)
    await asyncio.wait_for(ended.wait(), 5)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.raise_signal(signal.SIGTERM)

asyncio.run(serve())
"""


@pytest.mark.parametrize(
    ("handler", "printed"), [("server", "jobs stopped\nserver told\n"), ("default", "jobs stopped\n")]
)
def test_an_asgi_server_stops_its_jobs_before_it_ends_by_the_signal(handler: str, printed: str) -> None:
    done = subprocess.run(
        [sys.executable, "-uc", SERVER, handler], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (-signal.SIGTERM, printed), done.stderr


def test_without_an_event_loop_no_handler_is_set() -> None:
    before = signal.getsignal(signal.SIGTERM)
    shutdown.call_before_sigterm(stopping.set)
    assert signal.getsignal(signal.SIGTERM) == before
