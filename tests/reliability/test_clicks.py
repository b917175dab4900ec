"""Forty learners, and the same forty requests in eight processes at the same time: forty episodes are paid for."""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.base import ContentFile
from django.db import IntegrityError, connection

from dailycast import runners, services
from dailycast.audio import mp3
from dailycast.jobs import queue
from dailycast.learner import get_learner_context
from dailycast.llm import openai
from dailycast.models import DailyPodcast, Outcome, ProviderCall, RateLimit, Source, Status
from dailycast.script.grammar import parse
from dailycast.script.prompt import build_prompt
from dailycast.tts import polly
from tests.cloud import Cloud

from .processes import PROCESSES, in_processes

pytestmark = [
    pytest.mark.reliability,
    pytest.mark.django_db(transaction=True),
    pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning"),  # Python 3.12's: the stand-in has threads
]
EPISODES = 40
CLIPS = 2


def learner(user: User) -> dict[str, Any]:
    return {"language": "en"}


def script(prompt: str) -> str:
    found = re.search(r'"first_name": "(\w+)"', prompt)
    name = found[1] if found else "nobody"
    return f"# For {name}\n\nGood morning, {name}.\n\nThat is all, {name}."


@pytest.fixture(autouse=True)
def school(cloud: Cloud, settings: Any) -> Iterator[None]:
    settings.DAILYCAST_LEARNER_CONTEXT = "tests.reliability.test_clicks.learner"
    settings.DAILYCAST_LLM_PROVIDERS = ["openai"]
    settings.DAILYCAST_RUNNER = "inline"
    cloud.script = script
    cloud.latency = {"openai": 0.02, "polly": 0.01}
    for number in range(EPISODES):
        User.objects.create_user(f"learner{number}", first_name=f"Learner{number}")
    yield
    connection.close()


def users() -> list[User]:
    return list(User.objects.order_by("pk"))


def request_all() -> None:
    """What a page does, for each learner."""
    for user in users():
        runners.submit(user, "en", request_key=f"click:{user.pk}")


def make_all() -> None:
    """What a worker does: the rows are there, and each is claimed by one worker."""
    for pk in DailyPodcast.objects.order_by("pk").values_list("pk", flat=True):
        services.run(pk)


def naive() -> None:
    """What dailycast does not do: every process that finds no audio buys it."""
    voice = polly.Provider()
    speaker = voice.voice("en")
    assert speaker
    for user in users():
        try:
            podcast, _ = DailyPodcast.objects.get_or_create(request_key=f"click:{user.pk}", defaults={"user": user})
        except IntegrityError:
            continue
        if podcast.audio_file:
            continue
        text = openai.Provider().complete(build_prompt(get_learner_context(user), "en", 4.0), 30).text
        clips = [voice.speak(clip, speaker, 30).mp3 for clip in parse(text, "en").clips]
        podcast.status = Status.COMPLETED
        podcast.audio_file.save(f"{podcast.pk}.mp3", ContentFile(mp3.join(clips).mp3))


def count_paid(cloud: Cloud) -> tuple[Counter[str], Counter[str]]:
    """How often each script and each clip was paid for."""
    scripts = Counter(call.text for call in cloud.calls if call.vendor == "openai" and call.units)
    return scripts, Counter(call.text for call in cloud.calls if call.vendor == "polly" and call.units)


def assert_each_paid_once(cloud: Cloud, media: Path) -> None:
    scripts, clips = count_paid(cloud)
    assert (len(scripts), sum(scripts.values())) == (EPISODES, EPISODES)
    assert (len(clips), sum(clips.values())) == (EPISODES * CLIPS, EPISODES * CLIPS)
    assert DailyPodcast.objects.count() == EPISODES
    for podcast in DailyPodcast.objects.all():
        assert podcast.has_audio, podcast.failure_text
        assert (media / str(podcast.audio_file)).stat().st_size == podcast.audio_bytes
    assert len(set(DailyPodcast.objects.values_list("audio_file", flat=True))) == EPISODES
    refused = list(ProviderCall.objects.exclude(outcome=Outcome.OK).values_list("message", flat=True))
    assert refused == []
    assert [limit.state["flying"] for limit in RateLimit.objects.all() if limit.state["flying"]] == []
    assert not list(media.rglob("*.part"))


def test_the_same_clicks_in_every_process_at_once_are_paid_once(cloud: Cloud, media: Path) -> None:
    in_processes(request_all)
    assert_each_paid_once(cloud, media)


def test_the_same_rows_in_every_process_at_once_are_paid_once(cloud: Cloud, media: Path) -> None:
    for user in users():
        queue.submit(user, "en", source=Source.ADMIN, request_key=f"click:{user.pk}")
    in_processes(make_all)
    assert_each_paid_once(cloud, media)


def test_a_naive_version_pays_more_often(cloud: Cloud) -> None:
    in_processes(naive)
    scripts, _ = count_paid(cloud)
    assert sum(scripts.values()) > EPISODES * 2, f"{PROCESSES} processes, {sum(scripts.values())} scripts"
