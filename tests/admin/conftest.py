from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from dailycast.audio import storage
from dailycast.models import DailyPodcast, Reason, Source, Status
from tests.admin.providers import FRAME, SCRIPT, FakeVoice, FakeWriter


@pytest.fixture(autouse=True)
def host(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.ROOT_URLCONF = "tests.admin.urls"
    settings.DAILYCAST_LEARNER_CONTEXT = ""
    settings.DAILYCAST_LLM_PROVIDERS = ("tests.admin.providers.FakeWriter",)
    settings.DAILYCAST_TTS_PROVIDERS = ("tests.admin.providers.FakeVoice", "tests.admin.providers.NoSuchVoice")
    for provider in (FakeWriter, FakeVoice):
        monkeypatch.setattr(provider, "calls", [])
    # The transaction around a test is never committed. Outside of a test, `on_commit` runs at once.
    monkeypatch.setattr("dailycast.runners.dispatch.transaction.on_commit", lambda run, **_: run())


@pytest.fixture
def superuser_client(db: None, client: Client) -> Client:
    client.force_login(User.objects.create_superuser("boss"))
    return client


@pytest.fixture
def episode(alex: User) -> DailyPodcast:
    """A completed episode with a cost. Texts from outside contain HTML."""
    name = storage.write_atomic("podcasts/podcast_1_1701920000.mp3", FRAME)
    return DailyPodcast.objects.create(
        user=alex, language="en-GB", title="<i>Went</i> & gone", script_text=f"{SCRIPT}\n\n<script>alert(1)</script>",
        audio_file=name, duration_seconds=245.4, audio_bytes=1_963_000, status=Status.COMPLETED, llm_provider="quill",
        llm_model="goose<1>", tts_provider="choir", tts_voice="alto", prompt_tokens=1234, completion_tokens=567,
        tts_characters=3601, cost_usd=Decimal("0.0583"), source=Source.COMMAND, completed_at=timezone.now(),
    )  # fmt: skip


@pytest.fixture
def script_only(alex: User) -> DailyPodcast:
    """An episode whose audio failed."""
    return DailyPodcast.objects.create(
        user=alex, language="en", title="Silent", script_text=SCRIPT, status=Status.COMPLETED, tts_provider="none",
        error_code=Reason.AUDIO_FAILED, error_message="<b>hoarse</b>", cost_usd=Decimal("0.01"),
    )  # fmt: skip
