"""The audio plays and seeks in a real Chromium, in the admin and on the learner's page."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from dailycast import services
from dailycast.models import DailyPodcast

pytestmark = [pytest.mark.services, pytest.mark.django_db(transaction=True)]
FLAGS = (
    "--headless=new --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --autoplay-policy=no-user-gesture-required --mute-audio"
)
SEEK = """
const done = arguments[0], audio = document.querySelector("audio");
audio.addEventListener("seeked", () => done([audio.currentTime, audio.duration, audio.seekable.end(0)]));
audio.addEventListener("error", () => done(audio.error.message));
const seek = () => { audio.currentTime = audio.duration * 0.8; };
audio.readyState ? seek() : audio.addEventListener("loadedmetadata", seek);
"""
PLAY = """
const done = arguments[0], audio = document.querySelector("audio");
audio.addEventListener("timeupdate", () => { if (audio.currentTime > 1) done(audio.currentTime); });
audio.play().catch(error => done(String(error)));
"""


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Any]:
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    for flag in (*FLAGS.split(), f"--user-data-dir={tmp_path / 'profile'}", "--window-size=1280,900"):
        options.add_argument(flag)
    options.binary_location = str(shutil.which("chromium"))
    service = webdriver.ChromeService(executable_path=shutil.which("chromedriver"))
    driver = webdriver.Chrome(options=options, service=service)
    driver.set_script_timeout(20)
    yield driver
    driver.quit()


@pytest.fixture
def episode(settings: Any, alex: User) -> DailyPodcast:
    settings.DAILYCAST_LLM_PROVIDERS = ["template"]
    settings.DAILYCAST_TTS_PROVIDERS = ["pico"]
    podcast = services.create_podcast_for_user(alex, "en")
    assert podcast.has_audio, podcast.error_message
    return podcast


def open_as(user: User, browser: Any, port: int, path: str) -> None:
    client = Client()
    client.force_login(user)
    browser.get(f"http://127.0.0.1:{port}/accounts/nowhere")
    browser.add_cookie({"name": "sessionid", "value": client.cookies["sessionid"].value})
    browser.get(f"http://127.0.0.1:{port}{path}")


@pytest.mark.parametrize("page", ["learner", "admin"])
def test_the_audio_plays_and_seeks(page: str, browser: Any, demo_port: int, episode: DailyPodcast, alex: User) -> None:
    path, user = "/", alex
    if page == "admin":
        path = f"/admin/dailycast/dailypodcast/{episode.pk}/change/"
        user = User.objects.create_superuser("boss")
    open_as(user, browser, demo_port, path)
    position, length, seekable = browser.execute_async_script(SEEK)
    assert length == pytest.approx(episode.duration_seconds, abs=0.2)
    assert (position, seekable) == pytest.approx((0.8 * length, length), abs=0.2)
    assert browser.execute_async_script(PLAY) > 0.8 * length
    errors = [entry["message"] for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]
    assert [line for line in errors if "/accounts/nowhere" not in line and "/favicon.ico" not in line] == []
