from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from rest_framework.permissions import AllowAny
from rest_framework.views import APIView

from dailycast.audio import storage
from dailycast.models import DailyPodcast, Status
from tests.api.client import AUDIO, CUES, MARKS, NAME, SCRIPT, TITLE, browser_of


@pytest.fixture(autouse=True)
def host(settings: Any, media: Path) -> None:
    settings.DAILYCAST_RUNNER = "worker"  # it only creates the row
    assert APIView.permission_classes == [AllowAny]
    storage.write_atomic(NAME, AUDIO)


@pytest.fixture
def podcast(alex: User) -> DailyPodcast:
    return DailyPodcast.objects.create(
        user=alex, status=Status.COMPLETED, audio_file=NAME, audio_bytes=1024, duration_seconds=100.0, cues=CUES,
        chapters=MARKS, title=TITLE, language="en", script_text=SCRIPT,
    )  # fmt: skip


@pytest.fixture
def client(alex: User) -> Client:
    return browser_of("owner", alex)
