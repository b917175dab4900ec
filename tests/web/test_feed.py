import gzip
import json
import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4
from xml.etree import ElementTree

import pytest
from django import VERSION
from django.contrib import admin
from django.contrib.auth.models import Permission, User
from django.core.files.storage import default_storage
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory
from django.urls import include, path

import dailycast.urls
from dailycast.audio import storage
from dailycast.models import DailyPodcast, Feed, Reason, Status
from dailycast.web import audio as views
from dailycast.web import feed as feeds
from dailycast.web import signed_urls
from dailycast.web.feed import feed_url
from tests.web.test_audio import Browser

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


pages = [path("", page, name="today"), path("episodes/<int:pk>/", page, name="episode")]
audio = path("audio/<str:token>/<str:name>.mp3", views.signed, name="audio")
urlpatterns = [
    path("dailycast/", include(([audio, *feeds.patterns, *pages], "dailycast"))),
    path("admin/", admin.site.urls),
    path("login/", page, name="login"),
]


@pytest.fixture(autouse=True)
def host(settings: Any, tmp_path: Path) -> None:
    settings.ROOT_URLCONF = "tests.web.test_feed"
    settings.DAILYCAST_COVER = str(tmp_path / "cover.jpg")
    (tmp_path / "cover.jpg").write_bytes(PICTURE)


def heard(user: User, title: str = "An idea", days: float = 0, **fields: Any) -> DailyPodcast:
    """An episode that `user` can hear, made some days ago."""
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


@pytest.fixture
def episode(alex: User) -> DailyPodcast:
    return heard(alex)


def folder(user: User) -> str:
    return f"/dailycast/feed/{Feed.for_user(user).token}/"


def address(user: User) -> str:
    return folder(user) + "podcast.xml"


@pytest.fixture
def app() -> Browser:
    """A podcast app: it has an address, and no cookie."""
    return Browser()


def channel(app: Browser, user: User) -> ElementTree.Element:
    response = app.get(address(user))
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


# What it says


def test_a_show_tells_apps_what_it_is_and_directories_to_keep_away(
    app: Browser, alex: User, episode: DailyPodcast
) -> None:
    show, private = channel(app, alex), HOST + folder(alex)
    told = {tag: text(show, tag) for tag in ("title", "link", "language", "itunes:author", "lastBuildDate")}
    assert told == {
        "title": "Daily podcast",
        "link": f"{HOST}/dailycast/",
        "language": "en",
        "itunes:author": "Daily podcast",
        "lastBuildDate": "Mon, 02 Mar 2026 06:30:15 +0000",
    }
    assert "whoever has it can listen" in str(text(show, "description"))
    assert (text(show, "itunes:block"), text(show, "podcast:locked")) == ("Yes", "yes")
    assert (text(show, "itunes:explicit"), text(show, "itunes:type")) == ("false", "episodic")
    assert attributes(show, "itunes:image") == {"href": f"{private}cover.jpg"}
    assert attributes(show, "itunes:category") == {"text": "Education"}
    assert attributes(show, "atom:link") == {"rel": "self", "href": f"{private}podcast.xml"}


def test_an_episode_tells_apps_what_to_play_and_to_show(app: Browser, alex: User, episode: DailyPodcast) -> None:
    (item,) = channel(app, alex).iter("item")
    guid, private = str(episode.guid), HOST + folder(alex)
    told = {tag: text(item, tag) for tag in ("title", "link", "description", "guid", "pubDate", "itunes:duration")}
    assert told == {
        "title": "An idea",
        "link": f"{HOST}/dailycast/episodes/{episode.pk}/",
        "description": "Good morning, Alex. Seven of ten & more: 1 < 2.",
        "guid": guid,
        "pubDate": "Mon, 02 Mar 2026 06:30:15 +0000",
        "itunes:duration": "4",
    }
    assert attributes(item, "guid") == {"isPermaLink": "false"}
    assert attributes(item, "enclosure") == {"url": f"{private}{guid}.mp3", "length": "10240", "type": "audio/mpeg"}
    assert attributes(item, "podcast:transcript") == {"url": f"{private}{guid}.vtt", "type": "text/vtt"}
    chapters = {"url": f"{private}{guid}.json", "type": "application/json+chapters"}
    assert attributes(item, "podcast:chapters") == chapters


def test_its_addresses_are_the_hosts_own(app: Browser, alex: User, episode: DailyPodcast) -> None:
    body = app.get(address(alex), secure=True, headers={"Host": "localhost:8443"}).body.decode()
    assert "http://testserver" not in body
    assert body.count(f"https://localhost:8443{folder(alex)}") == 5


def test_a_show_in_japanese(settings: Any, app: Browser, alex: User) -> None:
    settings.DAILYCAST_TITLE = "毎日の英語"
    cues = [{"start": 0, "end": 1, "text": "おはよう。"}, {"start": 1, "end": 2, "text": "今日は復習です。"}]
    heard(alex, "朝の一歩", language="ja", cues=cues)
    show = channel(app, alex)
    (item,) = show.iter("item")
    assert (text(show, "title"), text(show, "language")) == ("毎日の英語", "ja")
    assert (text(item, "title"), text(item, "description")) == ("朝の一歩", "おはよう。今日は復習です。")


def test_a_show_has_the_language_of_its_newest_episode_that_has_one(app: Browser, alex: User) -> None:
    for days, language in enumerate(["", "pt-BR", "ja"]):
        heard(alex, days=days, language=language)
    assert text(channel(app, alex), "language") == "pt-BR"


@pytest.mark.parametrize(
    ("fields", "description"),
    [
        ({"cues": []}, "Good morning, Alex."),
        ({"cues": [], "script_text": "# A\n[pause 4s]\n\n"}, None),
        ({"cues": [{"start": 0, "end": 1, "text": f"{number}."} for number in range(9)]}, "0. 1. 2. 3."),
    ],
)
def test_what_an_episode_is_about(app: Browser, alex: User, fields: Any, description: str | None) -> None:
    heard(alex, **fields)
    (item,) = channel(app, alex).iter("item")
    assert (text(item, "description") or None) == description


def test_what_an_episode_has_not_is_not_linked(app: Browser, alex: User) -> None:
    heard(alex, cues=[], chapters=[], duration_seconds=None)
    (item,) = channel(app, alex).iter("item")
    assert [item.find(tag, TAGS) for tag in ("podcast:transcript", "podcast:chapters", "itunes:duration")] == [None] * 3


def test_a_character_that_xml_cannot_say_does_not_take_the_feed_away(app: Browser, alex: User) -> None:
    heard(alex, "Bell\x07 & <b>\ufffe", cues=[{"start": 0, "end": 1, "text": "A\x0b B\u00a0C"}])
    (item,) = channel(app, alex).iter("item")
    assert (text(item, "title"), text(item, "description")) == ("Bell & <b>", "A B\u00a0C")


def test_a_row_that_does_not_tell_its_size_is_measured(app: Browser, alex: User) -> None:
    heard(alex, audio_bytes=None)
    (item,) = channel(app, alex).iter("item")
    assert attributes(item, "enclosure")["length"] == "10240"


def test_a_row_that_tells_neither_its_size_nor_has_a_file_leaves_the_feed(app: Browser, alex: User) -> None:
    podcast = heard(alex, audio_bytes=None)
    podcast.audio_file.delete(save=False)
    DailyPodcast.objects.filter(pk=podcast.pk).update(audio_file=f"podcasts/podcast_{podcast.guid}.mp3")
    assert (titles(app, alex), titles(app, alex)) == (["An idea"], [])


def test_a_host_without_time_zones_has_a_feed_too(settings: Any, app: Browser, alex: User) -> None:
    settings.USE_TZ = False
    heard(alex, completed_at=datetime(2026, 3, 2, 6, 30, 15))
    show = channel(app, alex)
    assert text(show, "lastBuildDate") == text(show, "item/pubDate") == "Mon, 02 Mar 2026 06:30:15 +0000"


# What is in it


def test_only_what_can_be_heard_is_in_it(app: Browser, alex: User) -> None:
    heard(alex, "Audible")
    heard(alex, "Script only", audio_file=None)
    heard(alex, "Pruned", audio_file="", error_code=Reason.PRUNED)
    missing = heard(alex, "Missing", error_code=Reason.MISSING)
    default_storage.delete(str(missing.audio_file))
    for status in (Status.PENDING, Status.RUNNING, Status.FAILED):
        heard(alex, status, status=status)
    heard(User.objects.create_user("yuki"), "Another learner's")
    assert titles(app, alex) == ["Audible"]


def test_staff_who_may_hear_everyone_have_a_feed_of_their_own(
    app: Browser, episode: DailyPodcast, admin_user: User
) -> None:
    heard(admin_user, "The teacher's own")
    assert titles(app, admin_user) == ["The teacher's own"]


def test_the_newest_365_are_in_it_newest_first(app: Browser, alex: User) -> None:
    DailyPodcast.objects.bulk_create(
        DailyPodcast(
            user=alex,
            title=str(day),
            status=Status.COMPLETED,
            audio_file=f"podcasts/podcast_1_{day}.mp3",
            audio_bytes=1,
            completed_at=MADE - timedelta(days=day * 7 % 367),
        )
        for day in range(367)
    )
    expected = sorted(range(367), key=lambda day: day * 7 % 367)
    assert titles(app, alex) == [str(day) for day in expected[:365]]


def test_a_year_of_episodes_takes_three_queries(
    app: Browser, alex: User, django_assert_num_queries: Callable[[int], Any]
) -> None:
    for day in range(20):
        heard(alex, days=day)
    target = address(alex)
    with django_assert_num_queries(3):
        app.get(target)


def test_an_empty_feed_is_a_feed(settings: Any, app: Browser, alex: User) -> None:
    settings.DAILYCAST_DEFAULT_LANGUAGE = "ja"
    first, second = app.get(address(alex)), app.get(address(alex))
    assert (first.body, first["ETag"]) == (second.body, second["ETag"])
    show = channel(app, alex)
    assert (text(show, "title"), text(show, "language"), list(show.iter("item"))) == ("Daily podcast", "ja", [])


def test_an_episode_stays_the_same_one_when_it_is_made_again_and_when_the_address_is_new(
    app: Browser, alex: User, episode: DailyPodcast
) -> None:
    guids = {text(item, "guid") for item in channel(app, alex).iter("item")}
    storage.write_atomic(str(episode.audio_file), AUDIO * 2)
    again = {"audio_bytes": 2 * len(AUDIO), "completed_at": MADE + timedelta(days=3)}
    DailyPodcast.objects.filter(pk=episode.pk).update(**again)
    Feed.for_user(alex).renew()
    assert {text(item, "guid") for item in channel(app, alex).iter("item")} == guids == {str(episode.guid)}


# How it answers


FILES = ["podcast.xml", "{guid}.mp3", "{guid}.vtt", "{guid}.json", "cover.jpg"]
KINDS = {
    "podcast.xml": "application/rss+xml; charset=utf-8",
    "{guid}.mp3": "audio/mpeg",
    "{guid}.vtt": "text/vtt; charset=utf-8",
    "{guid}.json": "application/json+chapters",
    "cover.jpg": "image/jpeg",
}


@pytest.mark.parametrize("file", FILES)
def test_an_answer_is_private(app: Browser, alex: User, episode: DailyPodcast, file: str) -> None:
    response = app.get(folder(alex) + file.format(guid=episode.guid))
    said = {name: response[name] for name in (*feeds.HEADERS, "Content-Type", "Content-Length")}
    kept = {"Content-Type": KINDS[file], "Content-Length": str(len(response.body))}
    assert (response.status_code, said) == (200, feeds.HEADERS | kept)
    assert feeds.HEADERS["Cache-Control"] == "private, no-cache"
    assert (feeds.HEADERS["Referrer-Policy"], feeds.HEADERS["X-Robots-Tag"]) == ("no-referrer", "noindex")


@pytest.mark.parametrize("file", FILES)
def test_no_session_is_read_and_no_cookie_is_set(
    settings: Any, app: Browser, alex: User, episode: DailyPodcast, file: str
) -> None:
    settings.SESSION_SAVE_EVERY_REQUEST = True
    app.cookies["theme"] = "dark"
    response = app.get(folder(alex) + file.format(guid=episode.guid))
    assert (response.status_code, response.cookies.output()) == (200, "")
    assert not response.wsgi_request.session.accessed


@pytest.mark.parametrize("file", FILES)
def test_an_app_is_not_sent_to_a_login_page(
    settings: Any, app: Browser, alex: User, episode: DailyPodcast, file: str
) -> None:
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "django.contrib.auth.middleware.LoginRequiredMiddleware"]
    assert app.get(folder(alex) + file.format(guid=episode.guid)).status_code == 200


@pytest.mark.parametrize("file", FILES)
def test_whoever_has_it_is_not_sent_it_again(app: Browser, alex: User, episode: DailyPodcast, file: str) -> None:
    target = folder(alex) + file.format(guid=episode.guid)
    whole = app.get(target)
    conditions = [{"If-None-Match": whole["ETag"]}, {"If-None-Match": f"W/{whole['ETag']}"}]
    if "Last-Modified" in whole:
        conditions.append({"If-Modified-Since": whole["Last-Modified"]})
    for condition in conditions:
        response = app.get(target, headers=condition)
        assert (response.status_code, response.body, response["ETag"]) == (304, b"", whole["ETag"])
        assert response["Referrer-Policy"] == "no-referrer"
    assert app.get(target, headers={"If-None-Match": '"x"'}).body == whole.body


@pytest.mark.parametrize("file", FILES)
def test_head_says_the_same_without_a_body(app: Browser, alex: User, episode: DailyPodcast, file: str) -> None:
    target = folder(alex) + file.format(guid=episode.guid)
    get, head = app.get(target), app.head(target)
    assert (head.status_code, dict(head.headers), head.body) == (200, dict(get.headers), b"")


def test_a_change_is_seen(app: Browser, alex: User, episode: DailyPodcast) -> None:
    def mark() -> str:
        return str(app.get(address(alex))["ETag"])

    first = mark()
    episode.title = "Another idea"
    episode.save()  # an editor's
    second = mark()
    episode.delete()
    assert len({first, second, mark()}) == 3


def test_a_deletion_is_seen_by_who_asks_by_date(app: Browser, alex: User, episode: DailyPodcast) -> None:
    heard(alex, "Older", days=-3)
    asked = {"If-Modified-Since": "Fri, 01 Jan 2100 00:00:00 GMT"}
    episode.delete()
    assert app.get(address(alex), headers=asked).status_code == 200


def test_the_feed_says_its_own_language(app: Browser, alex: User, episode: DailyPodcast) -> None:
    DailyPodcast.objects.filter(pk=episode.pk).update(language="ja")
    assert app.get(address(alex))["Content-Language"] == "ja"


def test_a_file_that_is_back_is_in_the_feed_again(app: Browser, alex: User, episode: DailyPodcast) -> None:
    path = storage.local_path(str(episode.audio_file)) or Path()
    path.rename(path.with_suffix(".away"))
    assert (app.get(f"{folder(alex)}{episode.guid}.mp3").status_code, titles(app, alex)) == (404, [])
    path.with_suffix(".away").rename(path)
    assert titles(app, alex) == [episode.title]


def test_gzip_and_conditions_of_the_host_do_no_harm(
    settings: Any, app: Browser, alex: User, episode: DailyPodcast
) -> None:
    plain = Browser().get(address(alex)).body
    names = ["gzip.GZipMiddleware", "http.ConditionalGetMiddleware"]
    settings.MIDDLEWARE = [f"django.middleware.{name}" for name in names] + settings.MIDDLEWARE
    packed = {"Accept-Encoding": "gzip"}
    response = app.get(address(alex), headers=packed)
    assert (response["Content-Encoding"], gzip.decompress(response.body)) == ("gzip", plain)
    again = app.get(address(alex), headers=packed | {"If-None-Match": response["ETag"]})
    assert (again.status_code, again.body) == (304, b"")


def test_an_app_can_take_a_part_of_the_audio(app: Browser, alex: User, episode: DailyPodcast) -> None:
    target = f"{folder(alex)}{episode.guid}.mp3"
    whole = app.get(target)
    same = app.get(target, headers={"Range": "bytes=100-199", "If-Range": whole["ETag"]})
    other = app.get(target, headers={"Range": "bytes=100-199", "If-Range": '"another"'})
    assert (same.status_code, same.body, same["Content-Range"]) == (206, AUDIO[100:200], "bytes 100-199/10240")
    assert (other.status_code, other.body, whole.body) == (200, AUDIO, AUDIO)
    assert {answer["Referrer-Policy"] for answer in (whole, same, other)} == {"no-referrer"}


def test_the_transcript_and_the_chapters(app: Browser, alex: User, episode: DailyPodcast) -> None:
    vtt = app.get(f"{folder(alex)}{episode.guid}.vtt").body.decode()
    assert vtt.startswith("WEBVTT\n\n00:00:00.000 --> 00:00:01.500\nGood morning, Alex.\n")
    assert json.loads(app.get(f"{folder(alex)}{episode.guid}.json").body) == {
        "version": "1.2.0",
        "chapters": [{"startTime": 0.0, "title": "Welcome back"}, {"startTime": 1.5, "title": "Practice"}],
    }


def test_the_cover(settings: Any, app: Browser, alex: User, tmp_path: Path) -> None:
    assert app.get(f"{folder(alex)}cover.jpg").body == PICTURE
    (tmp_path / "cover.png").write_bytes(b"\x89PNG\r\n\x1a\n a cover")
    settings.DAILYCAST_COVER = str(tmp_path / "cover.png")
    assert app.get(f"{folder(alex)}cover.jpg")["Content-Type"] == "image/png"
    settings.DAILYCAST_COVER = str(tmp_path / "none.jpg")
    assert app.get(f"{folder(alex)}cover.jpg").status_code == 404


def test_a_file_that_is_gone_is_not_found_and_leaves_the_feed(app: Browser, alex: User, episode: DailyPodcast) -> None:
    (storage.local_path(str(episode.audio_file)) or Path()).unlink()
    gone = app.get(f"{folder(alex)}{episode.guid}.mp3")
    assert (gone.status_code, gone.body, titles(app, alex)) == (404, b"Not found.", [])


def test_a_bucket_is_not_told_where_an_app_comes_from(
    settings: Any, app: Browser, alex: User, episode: DailyPodcast
) -> None:
    settings.STORAGES = {**settings.STORAGES, "default": {"BACKEND": "tests.web.test_audio.Elsewhere"}}
    response = app.get(f"{folder(alex)}{episode.guid}.mp3")
    assert (response.status_code, response["Referrer-Policy"]) == (302, "no-referrer")
    assert (response["Cache-Control"], "feed" in response["Location"]) == ("private, no-store", False)


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
@pytest.mark.parametrize("file", FILES)
def test_only_get_and_head_are_answered(alex: User, episode: DailyPodcast, file: str, method: str) -> None:
    strict = Client(enforce_csrf_checks=True)
    response = strict.generic(method, folder(alex) + file.format(guid=episode.guid))
    assert (response.status_code, response["Allow"], response.content) == (405, "GET, HEAD", b"")


# Who gets in


OWNER = {
    "GET": [200] * 5,
    "HEAD": [200] * 5,
    "Range": [200, 206, 200, 200, 200],
    "POST": [405] * 5,
}
OTHERS = {name: [200, 404, 404, 404, 200] for name in ("GET", "HEAD", "Range")} | {"POST": [405] * 5}
NOBODY = {name: [404] * 5 for name in ("GET", "HEAD", "Range")} | {"POST": [405] * 5}
TABLE = {
    "learner": OWNER,
    "the learner's app, signed out": OWNER,
    "other learner": OTHERS,
    "other learner's app": OTHERS,
    "staff without permission": OTHERS,
    "staff": OTHERS,
    "superuser": OTHERS,
    "signed-out": NOBODY,
    "learner with the old token": NOBODY,
    "app with the old token": NOBODY,
    "app of an inactive learner": NOBODY,
    "app of a deleted learner": NOBODY,
    "superuser with a deleted learner's token": NOBODY,
}
ASKED: dict[str, Callable[[Browser, str], Any]] = {
    "GET": lambda client, url: client.get(url),
    "HEAD": lambda client, url: client.head(url),
    "Range": lambda client, url: client.get(url, headers={"Range": "bytes=0-9"}),
    "POST": lambda client, url: client.read(client.post(url)),
}


def comes(who: str, alex: User) -> tuple[Browser, str]:
    """That person's client, and the token it asks with: its own where it has one."""
    client, token = Browser(), Feed.for_user(alex).token
    if who == "signed-out":
        return client, "A" * 43
    person = alex
    if "other" in who or who.startswith(("staff", "superuser")):
        person = User.objects.create_user("someone", is_staff="staff" in who, is_superuser="superuser" in who)
        if who == "staff":
            person.user_permissions.add(Permission.objects.get(codename="view_dailypodcast"))
    if "app" not in who:
        client.force_login(person)
    if "token" not in who:
        token = Feed.for_user(person).token
    if "old" in who:
        Feed.for_user(alex).renew()
    if "inactive" in who:
        User.objects.filter(pk=alex.pk).update(is_active=False)
    if "deleted" in who:
        User.objects.get(pk=alex.pk).delete()
    return client, token


def leaks(who: str, alex: User, guid: UUID) -> list[str]:
    """Where the answers are not those of TABLE, where one tells of Alex's episode, and where a 404 differs."""
    client, token = comes(who, alex)
    found = []
    for asked, ask in ASKED.items():
        for file, expected in zip(FILES, TABLE[who][asked], strict=True):
            response = ask(client, f"/dailycast/feed/{token}/{file.format(guid=guid)}")
            told = TABLE[who] is not OWNER and (str(guid).encode() in response.body or AUDIO[:10] in response.body)
            odd = response.status_code == 404 and response.body not in (b"Not found.", b"")
            if response.status_code != expected or told or odd:
                found.append(f"{asked} {file}: {response.status_code}")
    return found


@pytest.mark.parametrize("who", TABLE)
def test_who_gets_what(alex: User, episode: DailyPodcast, who: str) -> None:
    assert leaks(who, alex, episode.guid) == []


def test_a_view_without_the_owner_filter_is_caught(
    monkeypatch: pytest.MonkeyPatch, alex: User, episode: DailyPodcast
) -> None:
    def anyones(token: str, guid: UUID) -> DailyPodcast:
        feeds._feed(token)
        return DailyPodcast.objects.get(guid=guid)

    monkeypatch.setattr(feeds, "_episode", anyones)
    files = FILES[1:4]
    assert leaks("other learner", alex, episode.guid) == [
        f"{asked} {file}: {206 if (asked, file) == ('Range', FILES[1]) else 200}"
        for asked in ("GET", "HEAD", "Range")
        for file in files
    ]


def test_a_feed_without_the_owner_filter_is_caught(
    monkeypatch: pytest.MonkeyPatch, alex: User, episode: DailyPodcast
) -> None:
    real = feeds._episodes
    monkeypatch.setattr(feeds, "_episodes", lambda feed: real(Feed.for_user(alex)))
    assert leaks("other learner", alex, episode.guid) == ["GET podcast.xml: 200", "Range podcast.xml: 200"]


def test_a_token_that_outlives_its_learner_is_caught(
    monkeypatch: pytest.MonkeyPatch, alex: User, episode: DailyPodcast
) -> None:
    monkeypatch.setattr(feeds, "_feed", lambda token: Feed.objects.get(token=token))
    assert len(leaks("app of an inactive learner", alex, episode.guid)) == 15


@pytest.mark.parametrize("token", ["", "%00", "A" * 42, "A" * 44, "٣" * 43, "%20" * 43, "A" * 42 + "%0A", "A" * 9999])
def test_what_is_no_token_is_not_looked_up(
    app: Browser, alex: User, token: str, django_assert_num_queries: Callable[[int], Any]
) -> None:
    with django_assert_num_queries(0):
        assert app.get(f"/dailycast/feed/{token}/podcast.xml").status_code == 404


def test_a_token_in_another_case_is_another(app: Browser, alex: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """MariaDB compares without regard to case; iexact is that here."""
    rows = type(Feed.objects.all())
    real = rows.filter

    def loose(self: Any, *given: Any, **wanted: Any) -> Any:
        return real(self, *given, **{name.replace("token", "token__iexact"): value for name, value in wanted.items()})

    target = address(alex)
    Feed.objects.update(token="Aa" + "b" * 41)
    monkeypatch.setattr(rows, "filter", loose)
    assert app.get(target.replace(target.split("/")[3], "Aa" + "b" * 41)).status_code == 200
    assert app.get(target.replace(target.split("/")[3], "aA" + "B" * 41)).status_code == 404


@pytest.mark.parametrize("state", [{"status": Status.RUNNING}, {"audio_file": ""}])
def test_an_episode_that_cannot_be_heard_has_no_address(app: Browser, alex: User, state: dict[str, str]) -> None:
    podcast = heard(alex)
    DailyPodcast.objects.filter(pk=podcast.pk).update(**state)
    for file in FILES[1:4]:
        assert app.get(folder(alex) + file.format(guid=podcast.guid)).status_code == 404


# The token stays where it is


def test_no_log_line_has_the_token(
    app: Browser, alex: User, episode: DailyPodcast, caplog: pytest.LogCaptureFixture
) -> None:
    token = Feed.for_user(alex).token
    with caplog.at_level(logging.DEBUG):
        for asked in ASKED.values():
            for guid in (episode.guid, uuid4()):
                for file in FILES:
                    asked(app, f"/dailycast/feed/{token}/{file.format(guid=guid)}")
        target = f"/dailycast/feed/{token}/{episode.guid}.mp3"
        assert app.get(target, headers={"Range": "bytes=99999-"}).status_code == 416
        assert app.get(target, headers={"If-Match": '"x"'}).status_code == 412
        Feed.for_user(alex).renew()
        assert app.get(target).status_code == 404
        assert app.get(f"/dailycast/feed/{token}/favicon.ico").status_code == 404
    lines = [record.getMessage() for record in caplog.records]
    assert [line for line in lines if token in line] == []
    assert "Not Found: /dailycast/feed/***/favicon.ico" in lines


def test_the_log_would_have_it_but_for_our_filter(
    app: Browser, alex: User, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(feeds.Redacted, "filter", lambda self, record: True)
    target = f"{folder(alex)}no-such-page"
    app.get(target)
    assert f"Not Found: {target}" in [record.getMessage() for record in caplog.records]


def test_a_link_that_was_cut_off_and_a_signed_address_stay_out_of_the_log(
    app: Browser, alex: User, episode: DailyPodcast, caplog: pytest.LogCaptureFixture
) -> None:
    token, signed = Feed.for_user(alex).token, signed_urls.audio_token(episode, alex)
    for cut in (folder(alex).rstrip("/"), f"/dailycast/feed/{token[:20]}", f"/dailycast/audio/{signed}"):
        assert app.get(cut).status_code == 404
    assert app.get(f"/dailycast/audio/{signed}/x.mp3", headers={"Range": "bytes=99999-"}).status_code == 416
    lines = " ".join(record.getMessage() for record in caplog.records)
    assert (lines.count("/feed/***"), lines.count("/audio/***"), token[:20] in lines, signed[:20] in lines) == (
        2,
        2,
        False,
        False,
    )


def test_the_mail_about_a_fault_has_no_token(
    app: Browser, alex: User, monkeypatch: pytest.MonkeyPatch, settings: Any, mailoutbox: list[Any]
) -> None:
    settings.ADMINS = ["owner@example.com"] if VERSION >= (6, 0) else [("Owner", "owner@example.com")]
    token = Feed.for_user(alex).token
    monkeypatch.setattr(feeds, "Show", lambda *args: 1 // 0)
    Client(raise_request_exception=False).get(address(alex))
    (mail,) = mailoutbox
    assert ("ZeroDivisionError" in mail.body, "/feed/***/" in mail.body) == (True, True)
    assert token not in mail.subject + mail.body + "".join(str(each) for each in mail.alternatives)


def test_the_log_of_djangos_own_server_has_it_not(alex: User, caplog: pytest.LogCaptureFixture) -> None:
    logger = logging.getLogger("django.server")
    logger.addHandler(caplog.handler)
    logger.warning('"%s" %s %s', f"GET {address(alex)} HTTP/1.1", "200", "512")
    logger.warning("of %(one)s", {"one": "mapping"})
    logger.removeHandler(caplog.handler)
    lines = [record.getMessage() for record in caplog.records]
    assert lines == ['"GET /dailycast/feed/***/podcast.xml HTTP/1.1" 200 512', "of mapping"]


def test_no_page_of_the_admin_has_the_token(
    client: Client, alex: User, episode: DailyPodcast, admin_user: User
) -> None:
    tokens = [Feed.for_user(user).token for user in (alex, admin_user)]
    client.force_login(admin_user)
    for target in (
        "/admin/",
        "/admin/auth/user/",
        f"/admin/auth/user/{alex.pk}/change/",
        f"/admin/auth/user/{alex.pk}/delete/",
        "/admin/dailycast/dailypodcast/",
        f"/admin/dailycast/dailypodcast/{episode.pk}/change/",
    ):
        response = client.get(target)
        assert response.status_code == 200
        assert not any(token in response.content.decode() for token in tokens)
    assert Feed not in admin.site._registry


# A new address


def renewed(client: Client, **form: str) -> Any:
    return client.post("/dailycast/feed/new/", form)


def test_a_learner_gets_a_new_address_and_the_old_one_is_worth_nothing(
    client: Client, app: Browser, alex: User, episode: DailyPodcast
) -> None:
    client.force_login(alex)
    old = address(alex)
    assert app.get(old).status_code == 200
    response = renewed(client)
    assert (response.status_code, response["Location"]) == (302, "/dailycast/")
    revoked, unknown = app.get(old), app.get(f"/dailycast/feed/{'x' * 43}/podcast.xml")
    assert (revoked.status_code, revoked.body, dict(revoked.headers)) == (404, unknown.body, dict(unknown.headers))
    assert titles(app, alex) == ["An idea"]


def test_nobody_elses_address_changes(client: Client, alex: User) -> None:
    before = address(alex)
    client.force_login(User.objects.create_user("yuki"))
    renewed(client)
    assert (address(alex), Feed.objects.count()) == (before, 2)


@pytest.mark.parametrize(
    ("after", "goes_to"),
    [
        ("/courses/1/", "/courses/1/"),
        ("https://evil.example.com/", "/dailycast/"),
        ("//evil.example.com/", "/dailycast/"),
        ("javascript:alert(1)", "/dailycast/"),
        ("", "/dailycast/"),
    ],
)
def test_it_leads_back_to_a_page_of_the_host(client: Client, alex: User, after: str, goes_to: str) -> None:
    client.force_login(alex)
    assert renewed(client, next=after)["Location"] == goes_to


def test_a_stranger_is_asked_to_sign_in_and_changes_nothing(client: Client, alex: User) -> None:
    before = address(alex)
    assert renewed(client)["Location"] == "/login/?next=/dailycast/feed/new/"
    assert address(alex) == before


def test_it_takes_a_form_of_ours(alex: User) -> None:
    before, strict = address(alex), Client(enforce_csrf_checks=True)
    strict.force_login(alex)
    assert (renewed(strict).status_code, strict.get("/dailycast/feed/new/").status_code) == (403, 405)
    assert address(alex) == before


def test_the_address_for_a_page_is_whole_and_stays(alex: User) -> None:
    request = RequestFactory().get("/", secure=True)
    assert feed_url(request, alex) == feed_url(request, alex) == f"https://testserver{address(alex)}"


def test_a_host_that_mounts_our_addresses_has_the_feed() -> None:
    assert {pattern.name for pattern in feeds.patterns} <= {
        getattr(pattern, "name", None) for pattern in dailycast.urls.urlpatterns
    }
