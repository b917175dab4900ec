"""What the tests of the runners share."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from dailycast.jobs.job import LONG_AGO, Job, stopping
from dailycast.purchases import attempts
from dailycast.runners import thread
from tests.cloud import Cloud


@pytest.fixture(autouse=True)
def house(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The built-in writer and no voice, where a test says nothing else; at the end all threads have done their work."""
    settings.DAILYCAST_LEARNER_CONTEXT = ""
    monkeypatch.setattr(attempts, "RETRY_DELAY", 0.0)
    monkeypatch.setattr("dailycast.jobs.job.FIRST_RETRY_DELAY", 0.2)
    yield
    stopping.clear()
    for pool in thread._pools.values():
        assert pool.wait(0, 10)
    for each in threading.enumerate():
        if each.name == "dailycast-heartbeat" or isinstance(each, threading.Timer):
            each.join(10)


@pytest.fixture
def writer(cloud: Cloud, settings: Any) -> Cloud:
    """One writer in the cloud, and no voice."""
    settings.DAILYCAST_LLM_PROVIDERS = ["openai"]
    settings.AWS_ACCESS_KEY_ID = ""
    return cloud


@pytest.fixture
def in_threads(settings: Any) -> None:
    settings.DAILYCAST_RUNNER = "thread"


@pytest.fixture
def by_worker(settings: Any) -> None:
    settings.DAILYCAST_RUNNER = "worker"
