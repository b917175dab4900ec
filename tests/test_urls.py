import runpy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.urls import Resolver404, get_resolver, reverse, set_script_prefix
from django.urls.resolvers import RegexPattern, URLPattern, URLResolver

import config
from dailycast.urls import media_patterns
from dailycast.web import audio

AUDIO = "podcasts/podcast_1_1701920000.mp3"


@pytest.fixture
def mounted_at() -> Iterator[Any]:
    yield set_script_prefix
    set_script_prefix("/")


def is_claimed(patterns: list[Any], address: str) -> bool:
    try:
        return URLResolver(RegexPattern(r"^/"), patterns).resolve(address).func is audio.media
    except Resolver404:
        return False


@pytest.mark.parametrize(
    "path",
    [
        *[
            AUDIO,
            "podcasts",
            "podcasts/",
            "podcasts/clips/x.mp3",
            "PODCASTS/x.mp3",
            "podcaſts/x.mp3",
            "podcasts./x",
            "podcasts /x",
        ],
        *[
            "/podcasts/x",
            "//podcasts/x",
            "./podcasts/x",
            "../media/podcasts/x",
            "..",
            ".",
            "/",
            "x//y",
            "x/./y",
            "x/../y",
            "x/..",
        ],
        *["x//", "x/./", "a\\b", "\\podcasts\\x", "x\0", "x\n", "\npodcasts/x", "x\x7f", "x\x85"],
    ],
)
def test_private_audio_claims_these_paths(path: str) -> None:
    assert is_claimed(media_patterns("/media/"), f"/media/{path}")


@pytest.mark.parametrize(
    "path",
    [
        *[
            "courses/a.pdf",
            "courses/",
            "a",
            ".hidden",
            "..a/b",
            "a..",
            "資料　2.pdf",
            "100%.pdf",
            "a b.pdf",
            "podcasts2/x",
            "podcast/x",
        ],
        *["courses/podcasts/x.mp3", "-podcasts/x", "%2e%2e/x", ""],
    ],
)
def test_these_paths_are_left_to_the_host(path: str) -> None:
    assert not is_claimed(media_patterns("/media/"), f"/media/{path}")


@pytest.mark.parametrize(
    ("media_url", "script_name", "address"),
    [
        ("/media/", "/", "/media/"),
        ("/files/of/ours/", "/", "/files/of/ours/"),
        ("https://cdn.example.com/files/", "/", "/media/"),
        ("", "/", "/media/"),
        ("/lms/media/", "/lms/", "/media/"),
        ("/media/", "/lms/", "/media/"),
    ],
)
def test_the_prefix_of_private_audio(mounted_at: Any, media_url: str, script_name: str, address: str) -> None:
    mounted_at(script_name)
    patterns = media_patterns(media_url)
    assert is_claimed(patterns, address + AUDIO)
    assert not is_claimed(patterns, f"/elsewhere{address}{AUDIO}")


def test_the_address_of_an_episode_can_be_reversed() -> None:
    assert reverse("dailycast_media", args=[AUDIO]) == f"/media/{AUDIO}"


def test_private_audio_is_first_in_the_demo() -> None:
    assert is_claimed(get_resolver("config.urls").url_patterns, f"/media/{AUDIO}")


@pytest.mark.parametrize(("debug", "is_served"), [(True, True), (False, False)])
def test_the_demo_serves_the_rest_of_media_only_under_debug(settings: Any, debug: bool, is_served: bool) -> None:
    settings.DEBUG = debug
    patterns = runpy.run_path(str(Path(config.__file__).with_name("urls.py")))["urlpatterns"]
    patterns = [each for each in patterns if isinstance(each, URLPattern)]
    assert any(each.resolve("media/courses/a.pdf") for each in patterns) is is_served
