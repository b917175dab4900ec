import logging
import threading
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import translation

from dailycast.purchases import budget, permits
from dailycast.studio import providers
from tests.cloud import Cloud

# Tests that need an SDK. All of them run where requirements.txt is installed; nox installs the SDKs one by one.
NEEDED_MODULES = {
    "api": ("rest_framework",),
    "test_checks.py": ("openai", "boto3", "google"),
    "cloud/test_cloud.py": ("openai", "boto3", "google.generativeai"),
    "llm/test_openai.py": ("openai",),
    "test_linear_time.py": ("py_nanotts",),
    "tts/test_polly.py": ("boto3",),
    "tts/test_pico.py": ("py_nanotts",),
}


def is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # its parent package is missing
        return False


collect_ignore = [path for path, sdks in NEEDED_MODULES.items() if not all(map(is_installed, sdks))]


@pytest.fixture(autouse=True)
def media(settings: Any, tmp_path: Path) -> Path:
    """Each test's own MEDIA_ROOT."""
    settings.MEDIA_ROOT = tmp_path / "media"
    return tmp_path / "media"


@pytest.fixture(autouse=True)
def clean_process_state() -> None:
    """Forget what a process logs or reads only once."""
    providers._log_skipped.cache_clear()
    budget._caught_up.clear()
    permits._abandoned.clear()
    translation.deactivate()  # a request in another language leaves it active


@pytest.fixture
def alex(db: None) -> User:
    return User.objects.create_user("alex", first_name="Alex", email="alex@example.com", password="pw")


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    with caplog.at_level(logging.INFO, logger="dailycast"):
        yield caplog


@pytest.fixture(scope="session")
def clouds() -> Iterator[Cloud]:
    with Cloud() as cloud:
        yield cloud


@pytest.fixture
def cloud(clouds: Cloud, settings: Any) -> Iterator[Cloud]:
    """The stand-in for the vendors on loopback, with every key set. `cloud.calls` has each call and what it bills."""
    if missing := [sdk for sdk in ("openai", "boto3") if not is_installed(sdk)]:
        pytest.skip(f"the vendors are called through their SDKs: {missing}")
    clouds.reset()
    for name, value in clouds.environment.items():
        setattr(settings, name, value)
    yield clouds
    for thread in threading.enumerate():  # an abandoned call must not appear in the next test's `cloud.calls`
        if thread.name == "dailycast-call":
            thread.join(5)
