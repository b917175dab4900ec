"""A host that mounts the feed and pages of its own, and readers of its RSS."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from xml.etree import ElementTree

from django.contrib import admin
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.urls import include, path

from dailycast.audio import storage
from dailycast.models import DailyPodcast, Feed, Status
from dailycast.web import audio, feed_views
from tests.web.clients import Browser

AUDIO = bytes(range(256)) * 40
PICTURE = b"\xff\xd8\xff\xe0 a cover \xff\xd9"
MADE = datetime(2026, 3, 2, 6, 30, 15, tzinfo=UTC)
CUES = [
    {"start": 0.0, "end": 1.5, "text": "Good morning, Alex."},
    {"start": 1.5, "end": 4.0, "text": "Seven of ten & more: 1 < 2."},
]
CHAPTERS = [{"start": 0.0, "title": "Welcome back"}, {"start": 1.5, "title": "Practice"}]
TAGS = {
    "itunes": "http://www.itunes.com/dtds/podcast-1.0.dtd",
    "podcast": "https://podcastindex.org/namespace/1.0",
    "atom": "http://www.w3.org/2005/Atom",
}
HOST = "http://testserver"


def page(request: HttpRequest, pk: int = 0) -> HttpResponse:
    return HttpResponse("a page of the learner's")


host_pages = [path("", page, name="today"), path("episodes/<int:pk>/", page, name="episode")]
signed_audio = path("audio/<str:token>/<str:name>.mp3", audio.signed, name="audio")
urlpatterns = [
    path("dailycast/", include(([signed_audio, *feed_views.patterns, *host_pages], "dailycast"))),
    path("admin/", admin.site.urls),
    path("login/", page, name="login"),
]


def make_episode(user: User, title: str = "An idea", days: float = 0, **fields: Any) -> DailyPodcast:
    """An episode with audio, made `days` before MADE."""
    podcast = DailyPodcast(
        user=user,
        title=title,
        language="en",
        script_text="# An idea\n\n## Welcome back\nGood morning, Alex.",
        status=Status.COMPLETED,
        audio_bytes=len(AUDIO),
        duration_seconds=4.4,
        cues=CUES,
        chapters=CHAPTERS,
        completed_at=MADE - timedelta(days=days),
    )
    podcast.audio_file = f"podcasts/podcast_{user.pk}_{podcast.guid}.mp3"
    for name, value in fields.items():
        setattr(podcast, name, value)
    if podcast.audio_file:
        storage.write_atomic(str(podcast.audio_file), AUDIO)
    podcast.save()
    DailyPodcast.objects.filter(pk=podcast.pk).update(updated_at=podcast.completed_at)
    return podcast


def feed_folder(user: User) -> str:
    return f"/dailycast/feed/{Feed.for_user(user).token}/"


def feed_address(user: User) -> str:
    return feed_folder(user) + "podcast.xml"


def channel(app: Browser, user: User) -> ElementTree.Element:
    response = app.get(feed_address(user))
    assert response.status_code == 200
    found = ElementTree.fromstring(response.body).find("channel")
    assert found is not None
    return found


def text(element: ElementTree.Element, tag: str) -> str | None:
    return element.findtext(tag, namespaces=TAGS)


def attributes(element: ElementTree.Element, tag: str) -> dict[str, str]:
    found = element.find(tag, TAGS)
    assert found is not None, tag
    return found.attrib


def titles(app: Browser, user: User) -> list[str | None]:
    return [text(item, "title") for item in channel(app, user).iter("item")]


FILES = ["podcast.xml", "{guid}.mp3", "{guid}.vtt", "{guid}.json", "cover.jpg"]
REQUESTS: dict[str, Callable[[Browser, str], Any]] = {
    "GET": lambda client, url: client.get(url),
    "HEAD": lambda client, url: client.head(url),
    "Range": lambda client, url: client.get(url, headers={"Range": "bytes=0-9"}),
    "POST": lambda client, url: client.read(client.post(url)),
}
