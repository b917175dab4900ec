"""The player in a template of the host."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.template import Context, RequestContext, Template
from django.test import RequestFactory

import dailycast.urls
from dailycast.models import DailyPodcast, Status
from dailycast.templatetags.dailycast import clock, direction, download
from tests.web.rows import make_audio_episode, make_episode


@pytest.fixture
def podcast(alex: User) -> DailyPodcast:
    return make_audio_episode(alex)


urlpatterns = dailycast.urls.media  # a host that does not mount the pages


def test_a_host_without_the_pages_shows_no_cover_of_the_owner(
    podcast: DailyPodcast, settings: Any, tmp_path: Path
) -> None:
    settings.DAILYCAST_COVER, settings.ROOT_URLCONF = str(tmp_path / "cover.png"), "tests.templatetags.test_dailycast"
    html = Template("{% load dailycast %}{% podcast_player podcast %}").render(Context({"podcast": podcast}))
    assert "data-cover" not in html
    assert "<img" not in html


TAG = "{% load dailycast %}{% podcast_player podcast %}"


def render(podcast: DailyPodcast | None, template: str = TAG) -> str:
    return Template(template).render(Context({"podcast": podcast}))


def test_the_player_needs_no_request_and_no_context_processor(podcast: DailyPodcast) -> None:
    html = render(podcast)
    assert "<audio" in html
    assert 'data-csrf=""' in html
    assert 'href="/static/dailycast/player.css"' in html
    assert 'src="/static/dailycast/player.js" defer' in html


def test_with_a_request_the_player_can_save_the_position(podcast: DailyPodcast) -> None:
    html = Template(TAG).render(RequestContext(RequestFactory().get("/"), {"podcast": podcast}))
    assert re.search(r'data-csrf="\w{64}"', html)
    assert f'data-position-url="/dailycast/episodes/{podcast.pk}/position/"' in html


@pytest.mark.urls("tests.templatetags.test_dailycast")
def test_a_host_without_the_pages_has_a_player(podcast: DailyPodcast) -> None:
    html = render(podcast)
    assert "<audio" in html
    assert 'data-position-url=""' in html
    assert "Script as text" not in html


@pytest.mark.parametrize(("level", "found"), [(1, "1 2 2 3 3"), (2, "2 3 3 4 4"), (4, "4 5 5 6 6"), (6, "4 5 5 6 6")])
def test_the_headings_start_at_the_given_level(podcast: DailyPodcast, level: int, found: str) -> None:
    html = render(podcast, TAG.replace("podcast %}", f"podcast level={level} %}}"))
    assert re.findall(r"<h(\d)", html) == found.split()


def test_without_an_episode_there_is_no_player() -> None:
    assert render(None).strip() == ""


def test_an_episode_that_is_not_ready_shows_its_state(alex: User) -> None:
    html = render(make_episode(alex, status=Status.RUNNING))
    assert "The audio is being made." in html
    assert "<audio" not in html


@pytest.mark.parametrize(
    ("function", "value", "expected"),
    [
        (clock, 0, "0:00"),
        (clock, 59.9, "0:59"),
        (clock, 275.4, "4:35"),
        (clock, 3723, "1:02:03"),
        (clock, None, "0:00"),
        (direction, "ar", "rtl"),
        (direction, "ar-EG", "rtl"),
        (direction, "zh-Hans-CN", "ltr"),
        (direction, "", "ltr"),
        (direction, "xx", "ltr"),
        (download, "/media/x.mp3", "/media/x.mp3?download=1"),
        (download, "https://s3/x.mp3?signature=1", "https://s3/x.mp3?signature=1"),
    ],
)
def test_the_filters(function: Callable[[Any], str], value: Any, expected: str) -> None:
    assert function(value) == expected
