"""Every address of dailycast, for every kind of person and every method: nobody but Alex gets Alex's episode."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
from django.contrib.auth.backends import BaseBackend
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from dailycast import urls
from dailycast.audio import storage
from dailycast.models import DailyPodcast, Feed, Status
from dailycast.web import feed_views, pages, signed_urls

SECRET = "Metternich-the-secret"
AUDIO = b"\xff\xf3the-secret-audio" * 50
NAME = "podcasts/podcast_1_1701920000.mp3"
UNKNOWN_TOKEN = "f" * 43
AUTH = "django.contrib.auth.backends"
METHODS = ["get", "head", "range", "post", "put", "delete", "options"]


@pytest.fixture
def episode(alex: User) -> DailyPodcast:
    storage.write_atomic(NAME, AUDIO)
    return DailyPodcast.objects.create(
        user=alex,
        title=SECRET,
        script_text=f"# {SECRET}\nGood morning, {SECRET}.",
        status=Status.COMPLETED,
        audio_file=NAME,
        audio_bytes=len(AUDIO),
        duration_seconds=10,
        chapters=[{"start": 0, "title": SECRET}],
        cues=[{"start": 0, "end": 1, "text": SECRET}],
        language="en",
    )


def patterns(entries: list[Any], names: tuple[str, ...] = ()) -> Iterator[tuple[str, URLPattern]]:
    """Each URL pattern with its name, namespaces included."""
    for each in entries:
        if isinstance(each, URLResolver):
            yield from patterns(each.url_patterns, (*names, *([each.namespace] if each.namespace else [])))
        else:
            yield ":".join((*names, str(each.name))), each


def dailycast_patterns() -> list[tuple[str, URLPattern]]:
    modules = ("dailycast.web.audio", "dailycast.web.pages", "dailycast.web.feed_views", "dailycast.api.views")
    return [
        (name, pattern)
        for name, pattern in patterns(get_resolver("config.urls").url_patterns)
        if name.startswith("dailycast") and module(pattern) in modules
    ]


def module(pattern: URLPattern) -> str:
    view: Any = pattern.callback
    return str(getattr(getattr(view, "view_class", None) or getattr(view, "cls", None) or view, "__module__", ""))


def addresses(episode: DailyPodcast, token: str, signed: str) -> dict[str, str]:
    """Each of our addresses by name, for Alex's episode, with the given tokens of feed and audio."""
    values: dict[str, Any] = {"pk": episode.pk, "guid": episode.guid, "path": NAME, "name": "a"}
    urls_by_name = {}
    for name, pattern in dailycast_patterns():
        kwargs = {each: values.get(each) for each in pattern.pattern.converters}
        if "token" in kwargs:
            kwargs["token"] = signed if name.endswith(":audio") else token
        urls_by_name[name] = reverse(name, kwargs=kwargs)
    return urls_by_name


def test_the_table_has_all_our_addresses() -> None:
    names = {name for name, _ in dailycast_patterns()}
    assert {"dailycast_media", "dailycast:today", "dailycast:feed", "dailycast:feed_audio", "dailycast:audio"} <= names
    assert len(names) >= 16  # more with the API
    mounted = [*urls.media, *pages.patterns, *feed_views.patterns]
    assert {str(each.name) for each in mounted} <= {name.rpartition(":")[2] for name in names}


def people(alex: User) -> dict[str, User | None]:
    make = User.objects.create_user
    inactive = make("inactive")
    inactive.is_active = False
    inactive.save()
    return {
        "other learner": make("other"),
        "clerk": make("clerk", is_staff=True),
        "inactive": inactive,
        "signed-out": None,
    }


def leaks(client: Client, method: str, address: str) -> bool:
    """Whether the response contains anything of Alex's episode."""
    if method == "range":
        response: Any = client.get(address, headers={"Range": "bytes=0-40"})
    else:
        response = getattr(client, method)(address)
    body = response.getvalue() if response.streaming else response.content
    headers = b" ".join(f"{name}: {value}".encode() for name, value in response.headers.items())
    return SECRET.encode() in body or b"the-secret-audio" in body or NAME.encode() in headers


def leaks_to_others(episode: DailyPodcast, alex: User, token: str, signed: str) -> list[tuple[str, str, str]]:
    client_of = {name: Client(raise_request_exception=False) for name in people(alex)}
    for name, client in client_of.items():
        user = User.objects.filter(username={"other learner": "other"}.get(name, name)).first()
        if user is not None:
            client.force_login(user)
    return [
        (who, method, name)
        for name, address in addresses(episode, token, signed).items()
        for who, client in client_of.items()
        for method in METHODS
        if leaks(client, method, address)
    ]


def test_nobody_else_gets_anything_of_the_episode(episode: DailyPodcast, alex: User) -> None:
    assert leaks_to_others(episode, alex, UNKNOWN_TOKEN, "forged") == []


def test_an_old_link_and_an_inactive_learners_links_stop_working(episode: DailyPodcast, alex: User) -> None:
    feed = Feed.for_user(alex)
    old = feed.token
    feed.renew()
    assert leaks_to_others(episode, alex, old, "forged") == []
    signed, token = signed_urls.audio_token(episode, alex), feed.token
    User.objects.filter(pk=alex.pk).update(is_active=False)
    assert leaks_by_token(episode, token, signed) == []


class CarelessBackend(BaseBackend):
    """A host's own backend, which lets everybody in."""

    def get_user(self, user_id: int) -> User | None:
        return User.objects.filter(pk=user_id).first()


@pytest.mark.parametrize("backend", [f"{__name__}.CarelessBackend", f"{AUTH}.AllowAllUsersModelBackend"])
def test_a_deactivated_owner_gets_what_somebody_gets_who_is_signed_out(
    episode: DailyPodcast, alex: User, settings: Any, backend: str
) -> None:
    settings.AUTHENTICATION_BACKENDS = [backend]
    deactivated = Client()
    deactivated.force_login(alex, backend)
    urls_by_name = addresses(episode, Feed.for_user(alex).token, signed_urls.audio_token(episode, alex))
    assert deactivated.get(urls_by_name["dailycast:today"]).status_code == 200
    User.objects.filter(pk=alex.pk).update(is_active=False)
    differing = [
        (method, name)
        for name, address in urls_by_name.items()
        for method in ("get", "head", "post", "put")
        if response_to(deactivated, method, address) != response_to(Client(), method, address)
    ]
    assert differing == []
    assert {response_to(deactivated, "get", address)[0] for address in urls_by_name.values()} <= {
        200,
        302,
        401,
        403,
        404,
        405,
    }
    assert not [name for name, address in urls_by_name.items() if leaks(deactivated, "get", address)]


def response_to(client: Client, method: str, address: str) -> tuple[int, str, bytes]:
    response: Any = getattr(client, method)(address)
    return response.status_code, response.headers.get("Location", ""), response.getvalue()


def leaks_by_token(episode: DailyPodcast, token: str, signed: str) -> list[tuple[str, str]]:
    client = Client(raise_request_exception=False)
    urls_by_name = addresses(episode, token, signed)
    return [
        (method, name) for name, address in urls_by_name.items() for method in METHODS if leaks(client, method, address)
    ]


def test_the_owner_gets_the_episode(episode: DailyPodcast, alex: User) -> None:
    """So the tests above can find a leak."""
    client = Client()
    client.force_login(alex)
    urls_by_name = addresses(episode, Feed.for_user(alex).token, signed_urls.audio_token(episode, alex))
    found = {name for name, address in urls_by_name.items() if leaks(client, "get", address)}
    expected = {
        "today",
        "archive",
        "episode",
        "transcript_vtt",
        "transcript_txt",
        "chapters",
        "feed",
        "audio",
        "feed_audio",
    }
    assert {f"dailycast:{name}" for name in expected} | {"dailycast_media"} <= found


def test_staff_need_the_view_permission(episode: DailyPodcast, db: None) -> None:
    teacher = User.objects.create_user("teacher", is_staff=True)
    client = Client()
    client.force_login(teacher)
    assert not leaks(client, "get", f"/media/{NAME}")
    teacher.user_permissions.add(Permission.objects.get(codename="view_dailypodcast"))
    client.force_login(User.objects.get(pk=teacher.pk))
    assert leaks(client, "get", f"/media/{NAME}")


def test_these_tests_catch_a_view_without_the_owner_filter(
    episode: DailyPodcast, alex: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dailycast.models import PodcastQuerySet

    monkeypatch.setattr(PodcastQuerySet, "visible_to", lambda self, user: self.all())
    assert isinstance(episode.guid, UUID)
    assert ("signed-out", "get", "dailycast_media") in leaks_to_others(episode, alex, UNKNOWN_TOKEN, "forged")
