from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User

from dailycast.models import DailyPodcast
from tests.web.clients import Browser
from tests.web.feed_host import PICTURE, make_episode


@pytest.fixture
def feed_host(settings: Any, tmp_path: Path) -> None:
    """The host of feed_host.py, with a cover of its own."""
    settings.ROOT_URLCONF = "tests.web.feed_host"
    settings.DAILYCAST_COVER = str(tmp_path / "cover.jpg")
    (tmp_path / "cover.jpg").write_bytes(PICTURE)


@pytest.fixture
def episode(alex: User) -> DailyPodcast:
    return make_episode(alex)


@pytest.fixture
def app() -> Browser:
    """A podcast app: a client without a cookie."""
    return Browser()
