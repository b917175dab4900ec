"""Every line that is logged because of an episode has the episode's number."""

import logging
import re
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import OperationalError
from django.utils import timezone

from dailycast import services
from dailycast.audio import storage
from dailycast.errors import ClaimLostError
from dailycast.jobs import database, queue
from dailycast.jobs.job import Job
from dailycast.jobs.logs import AboutEpisode
from dailycast.purchases import attempts
from dailycast.runners import nightly, thread
from dailycast.tts import polly
from tests.cloud import Cloud, Fault
from tests.runners.helpers import wait_until

pytestmark = pytest.mark.django_db(transaction=True)
logger = logging.getLogger("dailycast")


class Scene:
    """What a fault is planted in."""

    def __init__(self, cloud: Cloud, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        self.cloud, self.settings, self.patch = cloud, settings, monkeypatch.setattr

    def set(self, **values: object) -> None:
        for name, value in values.items():
            setattr(self.settings, name, value)

    def fail(self, vendor: str, fault: Fault, times: int | None = None) -> None:
        self.cloud.fail(vendor, fault, times)

    def raise_once(self, target: Any, name: str, error: BaseException) -> None:
        """The first call of `target.name` raises `error`."""
        real, errors = getattr(target, name), [error]

        def failing(*args: Any, **kwargs: Any) -> Any:
            if errors:
                raise errors.pop()
            return real(*args, **kwargs)

        self.patch(target, name, failing)


def speak_in_a_thread(scene: Scene) -> None:
    real = polly.Provider.speak

    def speak(*args: Any) -> Any:
        logger.warning("Dailycast: a line of a call's own thread")
        return real(*args)

    scene.patch(polly.Provider, "speak", speak)


def refuse_figures(scene: Scene) -> None:
    real = Job._write

    def write(job: Job, values: dict[str, Any]) -> None:
        if "cost_usd" in values:
            raise ValueError("a figure")
        real(job, values)

    scene.patch(Job, "_write", write)


SCENES: dict[str, tuple[str, Callable[[Scene], None]]] = {  # what is in one of the lines, and how it comes about
    "writers refused": ("openai failed", lambda scene: scene.fail("openai", Fault.BAD_KEY)),
    "writer busy": ("trying again", lambda scene: scene.fail("openai", Fault.UNAVAILABLE, 1)),
    "voice refused": ("polly failed", lambda scene: scene.fail("polly", Fault.BAD_KEY)),
    "a call's thread": ("own thread", speak_in_a_thread),
    "no engine": (
        "with the engine",
        lambda scene: scene.set(DAILYCAST_VOICES={"en": "Joanna"}, DAILYCAST_POLLY_ENGINE="long-form"),
    ),
    "no keys": ("AWS credentials", lambda scene: scene.set(AWS_ACCESS_KEY_ID="")),
    "no voice": ("no voice for", lambda scene: scene.set(DAILYCAST_DEFAULT_LANGUAGE="vi")),
    "skipped": (
        "gemini is skipped",
        lambda scene: scene.set(DAILYCAST_LLM_PROVIDERS=["gemini", "openai"], GEMINI_BASE_URL=""),
    ),
    "cover": ("no cover", lambda scene: scene.set(DAILYCAST_COVER="/nowhere/cover.jpg")),
    "records": ("cannot be imported", lambda scene: scene.set(DAILYCAST_LEARNER_CONTEXT="nowhere.records")),
    "language": ("default language", lambda scene: scene.set(DAILYCAST_LEARNER_CONTEXT=f"{__name__}.klingon")),
    "disk": ("No space left", lambda scene: scene.raise_once(storage, "write_atomic", OSError(28, "No space left"))),
    "database": ("does not answer", lambda scene: scene.raise_once(queue, "_claim", OperationalError("locked"))),
    "last write": ("without figures", refuse_figures),
    "claim lost": (
        "another worker's",
        lambda scene: scene.raise_once(Job, "current_script", ClaimLostError("Now another worker's.")),
    ),
    "no end": ("is not written", lambda scene: scene.patch(Job, "finish", broken)),
    "our bug": ("ZeroDivisionError", lambda scene: scene.raise_once(services, "build_prompt", ZeroDivisionError("!"))),
}


def klingon(user: User) -> dict[str, str]:
    return {"language": "tlh"}


def broken(*_: object, **__: object) -> None:
    raise ZeroDivisionError


@pytest.fixture
def scene(cloud: Cloud, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Scene:
    monkeypatch.setattr(attempts, "RETRY_DELAY", 0.0)
    monkeypatch.setattr(database, "RETRY_DELAY", 0.0)
    settings.DAILYCAST_LLM_PROVIDERS, settings.DAILYCAST_LEARNER_CONTEXT = ["openai"], ""
    return Scene(cloud, settings, monkeypatch)


def lines_of(logged: pytest.LogCaptureFixture, pk: int) -> str:
    """All lines, each of which names the episode, and once only."""
    assert logged.messages
    assert [line for line in logged.messages if len(re.findall(rf"\bepisode {pk}\b", line, re.IGNORECASE)) != 1] == []
    return "\n".join(logged.messages)


@pytest.mark.parametrize("name", SCENES)
def test_each_line_about_an_episode_says_its_number(
    scene: Scene, alex: User, logged: pytest.LogCaptureFixture, name: str
) -> None:
    part, plant = SCENES[name]
    podcast = queue.submit(alex)
    plant(scene)
    services.run(podcast.pk)
    assert part in lines_of(logged, podcast.pk)


@pytest.mark.parametrize("runner", ["thread", "night"])
def test_an_error_that_leaves_the_job_says_its_number(
    scene: Scene, alex: User, logged: pytest.LogCaptureFixture, runner: str
) -> None:
    podcast = queue.submit(alex, request_key=f"daily:{alex.pk}:2026-03-02")
    scene.raise_once(queue, "claim", ZeroDivisionError("!"))
    if runner == "thread":
        thread.start(podcast.pk)
    else:
        nightly.Edition(timezone.now().date().replace(2026, 3, 2)).make()
    assert wait_until(lambda: "will take this up again" in logged.text)
    lines_of(logged, podcast.pk)
    assert thread.pool().wait(0, 10)


def test_a_line_keeps_its_percent_signs_and_one_outside_of_an_episode_gets_no_number(
    logged: pytest.LogCaptureFixture,
) -> None:
    with AboutEpisode(7):
        logger.info("100 %")
        logger.info("Episode %s is 100 %%", 7)
        logger.info("%s of 71", 7)
    logger.info("100 %")
    assert logged.messages == ["100 % (episode 7)", "Episode 7 is 100 %", "7 of 71 (episode 7)", "100 %"]
