"""Every address that the resolver knows of, for every kind of person and method: what is Alex's reaches nobody else."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from dailycast import urls
from dailycast.audio import storage
from dailycast.models import DailyPodcast, Feed, Status
from dailycast.web import feed as feeds
from dailycast.web import pages, signed_urls

SECRET = "Metternich-the-secret"
AUDIO = b"\xff\xf3the-secret-audio" * 50
NAME = "podcasts/podcast_1_1701920000.mp3"
FOREIGN = "f" * 43
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


def patterns(found: list[Any], names: tuple[str, ...] = ()) -> Iterator[tuple[str, URLPattern]]:
    for each in found:
        if isinstance(each, URLResolver):
            yield from patterns(each.url_patterns, (*names, *([each.namespace] if each.namespace else [])))
        else:
            yield ":".join((*names, str(each.name))), each


def ours() -> list[tuple[str, URLPattern]]:
    mine = (
        "dailycast.web.audio",
        "dailycast.web.pages",
        "dailycast.web.feed",
        "dailycast.api.views",
        "dailycast.api.openapi",
    )
    known = [(name, each) for name, each in patterns(get_resolver("config.urls").url_patterns)]
    return [(name, each) for name, each in known if name.startswith("dailycast") and module(each).startswith(mine)]


def module(pattern: URLPattern) -> str:
    view: Any = pattern.callback
    return str(getattr(getattr(view, "view_class", None) or getattr(view, "cls", None) or view, "__module__", ""))


def addresses(episode: DailyPodcast, token: str, signed: str) -> dict[str, str]:
    """Each of our addresses, filled in with what is Alex's, but for the tokens that the asker has."""
    values: dict[str, Any] = {"pk": episode.pk, "guid": episode.guid, "path": NAME, "name": "a"}
    found = {}
    for name, pattern in ours():
        kwargs = {each: values.get(each) for each in pattern.pattern.converters}
        if "token" in kwargs:
            kwargs["token"] = signed if name.endswith(":audio") else token
        found[name] = reverse(name, kwargs=kwargs)
    return found


def test_the_resolver_knows_them_all() -> None:
    names = {name for name, _ in ours()}
    assert {"dailycast_media", "dailycast:today", "dailycast:feed", "dailycast:feed_audio", "dailycast:audio"} <= names
    assert len(names) >= 16  # and the API where its framework is installed
    mounted = [*urls.media, *pages.patterns, *feeds.patterns]
    assert {str(each.name) for each in mounted} <= {name.rpartition(":")[2] for name in names}


def people(alex: User) -> dict[str, User | None]:
    make = User.objects.create_user
    gone = make("gone")
    gone.is_active = False
    gone.save()
    return {"other learner": make("other"), "clerk": make("clerk", is_staff=True), "inactive": gone, "signed-out": None}


def leaks(client: Client, method: str, address: str) -> bool:
    """Whether an answer holds anything of Alex's episode."""
    if method == "range":
        response: Any = client.get(address, headers={"Range": "bytes=0-40"})
    else:
        response = getattr(client, method)(address)
    body = response.getvalue() if response.streaming else response.content
    told = b" ".join(f"{name}: {value}".encode() for name, value in response.headers.items())
    return SECRET.encode() in body or b"the-secret-audio" in body or NAME.encode() in told


def found_leaks(episode: DailyPodcast, alex: User, token: str, signed: str) -> list[tuple[str, str, str]]:
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


def test_nothing_of_alex_reaches_anybody_else(episode: DailyPodcast, alex: User) -> None:
    assert found_leaks(episode, alex, FOREIGN, "forged") == []


def test_an_old_link_and_a_deleted_learners_link_are_worth_nothing(episode: DailyPodcast, alex: User) -> None:
    feed = Feed.for_user(alex)
    old = feed.token
    feed.renew()
    assert found_leaks(episode, alex, old, "forged") == []
    signed, token = signed_urls.audio_token(episode, alex), feed.token
    User.objects.filter(pk=alex.pk).update(is_active=False)
    assert found_leaks_again(episode, token, signed) == []


def found_leaks_again(episode: DailyPodcast, token: str, signed: str) -> list[tuple[str, str]]:
    client = Client(raise_request_exception=False)
    known = addresses(episode, token, signed)
    return [(method, name) for name, address in known.items() for method in METHODS if leaks(client, method, address)]


def test_the_owner_gets_what_is_theirs(episode: DailyPodcast, alex: User) -> None:
    """Else the table above would find no leak for want of anything to leak."""
    client = Client()
    client.force_login(alex)
    found = addresses(episode, Feed.for_user(alex).token, signed_urls.audio_token(episode, alex))
    told = {name for name, address in found.items() if leaks(client, "get", address)}
    wanted = {
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
    assert {f"dailycast:{name}" for name in wanted} | {"dailycast_media"} <= told


def test_staff_may_hear_by_permission_alone(episode: DailyPodcast, db: None) -> None:
    teacher = User.objects.create_user("teacher", is_staff=True)
    client = Client()
    client.force_login(teacher)
    assert not leaks(client, "get", f"/media/{NAME}")
    teacher.user_permissions.add(Permission.objects.get(codename="view_dailypodcast"))
    client.force_login(User.objects.get(pk=teacher.pk))
    assert leaks(client, "get", f"/media/{NAME}")


def test_a_view_without_the_owner_filter_is_caught(
    episode: DailyPodcast, alex: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dailycast.models import PodcastQuerySet

    monkeypatch.setattr(PodcastQuerySet, "visible_to", lambda self, user: self.all())
    assert isinstance(episode.guid, UUID)
    assert ("signed-out", "get", "dailycast_media") in found_leaks(episode, alex, FOREIGN, "forged")
