import threading
from collections.abc import Iterator
from typing import Any

import pytest

from dailycast.jobs.job import stopping
from dailycast.purchases import attempts
from dailycast.runners import thread
from tests.cloud import Cloud


@pytest.fixture
def quick_retries(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nobody waits long for another attempt; when the test ends, its jobs and their threads end."""
    monkeypatch.setattr(attempts, "RETRY_DELAY", 0.0)
    monkeypatch.setattr("dailycast.jobs.job.FIRST_RETRY_DELAY", 0.2)
    yield
    stopping.clear()
    assert thread.pool().wait(0, 10)
    for each in threading.enumerate():
        if each.name in ("dailycast-heartbeat", "dailycast-delayed"):
            each.join(10)


@pytest.fixture
def writer(cloud: Cloud, settings: Any) -> Cloud:
    """One writer in the cloud, and no voice."""
    settings.DAILYCAST_LLM_PROVIDERS = ["openai"]
    settings.AWS_ACCESS_KEY_ID = ""
    return cloud


@pytest.fixture
def no_records(settings: Any) -> None:
    """The host has no records of its learners."""
    settings.DAILYCAST_LEARNER_CONTEXT = ""


@pytest.fixture
def thread_runner(settings: Any) -> None:
    settings.DAILYCAST_RUNNER = "thread"


@pytest.fixture
def worker_runner(settings: Any) -> None:
    settings.DAILYCAST_RUNNER = "worker"
