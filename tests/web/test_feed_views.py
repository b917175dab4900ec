import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

import dailycast.urls
from dailycast.audio import storage
from dailycast.models import DailyPodcast, Feed, Status
from dailycast.web import feed, feed_views
from tests.web.clients import Browser
from tests.web.feed_host import (
    AUDIO,
    FILES,
    PICTURE,
    REQUESTS,
    feed_address,
    feed_folder,
    make_episode,
    titles,
)

pytestmark = pytest.mark.usefixtures("feed_host")

# How it answers

CONTENT_TYPES = {
    "podcast.xml": "application/rss+xml; charset=utf-8",
    "{guid}.mp3": "audio/mpeg",
    "{guid}.vtt": "text/vtt; charset=utf-8",
    "{guid}.json": "application/json+chapters",
    "cover.jpg": "image/jpeg",
}


@pytest.mark.parametrize("file", FILES)
def test_every_response_is_private(app: Browser, alex: User, episode: DailyPodcast, file: str) -> None:
    response = app.get(feed_folder(alex) + file.format(guid=episode.guid))
    headers = {name: response[name] for name in (*feed_views.HEADERS, "Content-Type", "Content-Length")}
    expected = {"Content-Type": CONTENT_TYPES[file], "Content-Length": str(len(response.body))}
    assert (response.status_code, headers) == (200, feed_views.HEADERS | expected)
    assert feed_views.HEADERS["Cache-Control"] == "private, no-cache"
    assert (feed_views.HEADERS["Referrer-Policy"], feed_views.HEADERS["X-Robots-Tag"]) == ("no-referrer", "noindex")


@pytest.mark.parametrize("file", FILES)
def test_no_session_is_read_and_no_cookie_is_set(
    settings: Any, app: Browser, alex: User, episode: DailyPodcast, file: str
) -> None:
    settings.SESSION_SAVE_EVERY_REQUEST = True
    app.cookies["theme"] = "dark"
    response = app.get(feed_folder(alex) + file.format(guid=episode.guid))
    assert (response.status_code, response.cookies.output()) == (200, "")
    assert not response.wsgi_request.session.accessed


@pytest.mark.parametrize("file", FILES)
def test_an_app_is_not_sent_to_a_login_page(
    settings: Any, app: Browser, alex: User, episode: DailyPodcast, file: str
) -> None:
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "django.contrib.auth.middleware.LoginRequiredMiddleware"]
    assert app.get(feed_folder(alex) + file.format(guid=episode.guid)).status_code == 200


@pytest.mark.parametrize("file", FILES)
def test_an_app_that_has_the_file_gets_304(app: Browser, alex: User, episode: DailyPodcast, file: str) -> None:
    target = feed_folder(alex) + file.format(guid=episode.guid)
    full = app.get(target)
    conditions = [{"If-None-Match": full["ETag"]}, {"If-None-Match": f"W/{full['ETag']}"}]
    if "Last-Modified" in full:
        conditions.append({"If-Modified-Since": full["Last-Modified"]})
    for condition in conditions:
        response = app.get(target, headers=condition)
        assert (response.status_code, response.body, response["ETag"]) == (304, b"", full["ETag"])
        assert response["Referrer-Policy"] == "no-referrer"
    assert app.get(target, headers={"If-None-Match": '"x"'}).body == full.body


@pytest.mark.parametrize("file", FILES)
def test_head_says_the_same_without_a_body(app: Browser, alex: User, episode: DailyPodcast, file: str) -> None:
    target = feed_folder(alex) + file.format(guid=episode.guid)
    get, head = app.get(target), app.head(target)
    assert (head.status_code, dict(head.headers), head.body) == (200, dict(get.headers), b"")


def test_a_change_gives_a_new_etag(app: Browser, alex: User, episode: DailyPodcast) -> None:
    def etag() -> str:
        return str(app.get(feed_address(alex))["ETag"])

    first = etag()
    episode.title = "Another idea"
    episode.save()  # as the admin does
    second = etag()
    episode.delete()
    assert len({first, second, etag()}) == 3


def test_a_deletion_is_seen_by_an_app_that_sends_a_date(app: Browser, alex: User, episode: DailyPodcast) -> None:
    make_episode(alex, "Older", days=-3)
    condition = {"If-Modified-Since": "Fri, 01 Jan 2100 00:00:00 GMT"}
    episode.delete()
    assert app.get(feed_address(alex), headers=condition).status_code == 200


def test_the_feed_has_its_own_content_language(app: Browser, alex: User, episode: DailyPodcast) -> None:
    DailyPodcast.objects.filter(pk=episode.pk).update(language="ja")
    assert app.get(feed_address(alex))["Content-Language"] == "ja"


def test_a_file_that_is_back_is_in_the_feed_again(app: Browser, alex: User, episode: DailyPodcast) -> None:
    path = storage.local_path(str(episode.audio_file)) or Path()
    path.rename(path.with_suffix(".away"))
    assert (app.get(f"{feed_folder(alex)}{episode.guid}.mp3").status_code, titles(app, alex)) == (404, [])
    path.with_suffix(".away").rename(path)
    assert titles(app, alex) == [episode.title]


def test_the_hosts_gzip_and_conditional_middleware_work(
    settings: Any, app: Browser, alex: User, episode: DailyPodcast
) -> None:
    plain = Browser().get(feed_address(alex)).body
    names = ["gzip.GZipMiddleware", "http.ConditionalGetMiddleware"]
    settings.MIDDLEWARE = [f"django.middleware.{name}" for name in names] + settings.MIDDLEWARE
    accept_gzip = {"Accept-Encoding": "gzip"}
    response = app.get(feed_address(alex), headers=accept_gzip)
    assert (response["Content-Encoding"], gzip.decompress(response.body)) == ("gzip", plain)
    second = app.get(feed_address(alex), headers=accept_gzip | {"If-None-Match": response["ETag"]})
    assert (second.status_code, second.body) == (304, b"")


def test_an_app_can_get_a_range_of_the_audio(app: Browser, alex: User, episode: DailyPodcast) -> None:
    target = f"{feed_folder(alex)}{episode.guid}.mp3"
    full = app.get(target)
    same = app.get(target, headers={"Range": "bytes=100-199", "If-Range": full["ETag"]})
    other = app.get(target, headers={"Range": "bytes=100-199", "If-Range": '"another"'})
    assert (same.status_code, same.body, same["Content-Range"]) == (206, AUDIO[100:200], "bytes 100-199/10240")
    assert (other.status_code, other.body, full.body) == (200, AUDIO, AUDIO)
    assert {response["Referrer-Policy"] for response in (full, same, other)} == {"no-referrer"}


def test_the_transcript_and_the_chapters(app: Browser, alex: User, episode: DailyPodcast) -> None:
    vtt = app.get(f"{feed_folder(alex)}{episode.guid}.vtt").body.decode()
    assert vtt.startswith("WEBVTT\n\n00:00:00.000 --> 00:00:01.500\nGood morning, Alex.\n")
    assert json.loads(app.get(f"{feed_folder(alex)}{episode.guid}.json").body) == {
        "version": "1.2.0",
        "chapters": [{"startTime": 0.0, "title": "Welcome back"}, {"startTime": 1.5, "title": "Practice"}],
    }


def test_the_cover(settings: Any, app: Browser, alex: User, tmp_path: Path) -> None:
    assert app.get(f"{feed_folder(alex)}cover.jpg").body == PICTURE
    (tmp_path / "cover.png").write_bytes(b"\x89PNG\r\n\x1a\n a cover")
    settings.DAILYCAST_COVER = str(tmp_path / "cover.png")
    assert app.get(f"{feed_folder(alex)}cover.jpg")["Content-Type"] == "image/png"
    settings.DAILYCAST_COVER = str(tmp_path / "none.jpg")
    assert app.get(f"{feed_folder(alex)}cover.jpg").status_code == 404


def test_a_missing_file_is_not_found_and_leaves_the_feed(app: Browser, alex: User, episode: DailyPodcast) -> None:
    (storage.local_path(str(episode.audio_file)) or Path()).unlink()
    response = app.get(f"{feed_folder(alex)}{episode.guid}.mp3")
    assert (response.status_code, response.body, titles(app, alex)) == (404, b"Not found.", [])


def test_a_redirect_to_a_bucket_reveals_no_token(
    settings: Any, app: Browser, alex: User, episode: DailyPodcast
) -> None:
    settings.STORAGES = {**settings.STORAGES, "default": {"BACKEND": "tests.web.clients.RemoteStorage"}}
    response = app.get(f"{feed_folder(alex)}{episode.guid}.mp3")
    assert (response.status_code, response["Referrer-Policy"]) == (302, "no-referrer")
    assert (response["Cache-Control"], "feed" in response["Location"]) == ("private, no-store", False)


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
@pytest.mark.parametrize("file", FILES)
def test_only_get_and_head_are_answered(alex: User, episode: DailyPodcast, file: str, method: str) -> None:
    strict = Client(enforce_csrf_checks=True)
    response = strict.generic(method, feed_folder(alex) + file.format(guid=episode.guid))
    assert (response.status_code, response["Allow"], response.content) == (405, "GET, HEAD", b"")


# Who gets what


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


def client_and_token(who: str, alex: User) -> tuple[Browser, str]:
    """That person's client and the token it sends: its own, unless `who` names another."""
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


def wrong_responses(who: str, alex: User, guid: UUID) -> list[str]:
    """The responses that differ from TABLE, that contain something of Alex's episode, or whose 404 is another one."""
    client, token = client_and_token(who, alex)
    problems = []
    for kind, send in REQUESTS.items():
        for file, expected in zip(FILES, TABLE[who][kind], strict=True):
            response = send(client, f"/dailycast/feed/{token}/{file.format(guid=guid)}")
            leaked = TABLE[who] is not OWNER and (str(guid).encode() in response.body or AUDIO[:10] in response.body)
            other_404 = response.status_code == 404 and response.body not in (b"Not found.", b"")
            if response.status_code != expected or leaked or other_404:
                problems.append(f"{kind} {file}: {response.status_code}")
    return problems


@pytest.mark.parametrize("who", TABLE)
def test_who_gets_what(alex: User, episode: DailyPodcast, who: str) -> None:
    assert wrong_responses(who, alex, episode.guid) == []


def test_these_tests_catch_a_view_without_the_owner_filter(
    monkeypatch: pytest.MonkeyPatch, alex: User, episode: DailyPodcast
) -> None:
    def any_episode(token: str, guid: UUID) -> DailyPodcast:
        feed_views._feed_or_404(token)
        return DailyPodcast.objects.get(guid=guid)

    monkeypatch.setattr(feed_views, "_episode_or_404", any_episode)
    files = FILES[1:4]
    assert wrong_responses("other learner", alex, episode.guid) == [
        f"{kind} {file}: {206 if (kind, file) == ('Range', FILES[1]) else 200}"
        for kind in ("GET", "HEAD", "Range")
        for file in files
    ]


def test_these_tests_catch_a_feed_without_the_owner_filter(
    monkeypatch: pytest.MonkeyPatch, alex: User, episode: DailyPodcast
) -> None:
    original = feed._newest_episodes
    monkeypatch.setattr(feed, "_newest_episodes", lambda feed: original(Feed.for_user(alex)))
    assert wrong_responses("other learner", alex, episode.guid) == ["GET podcast.xml: 200", "Range podcast.xml: 200"]


def test_these_tests_catch_a_token_that_outlives_its_learner(
    monkeypatch: pytest.MonkeyPatch, alex: User, episode: DailyPodcast
) -> None:
    monkeypatch.setattr(feed_views, "_feed_or_404", lambda token: Feed.objects.get(token=token))
    assert len(wrong_responses("app of an inactive learner", alex, episode.guid)) == 15


@pytest.mark.parametrize("token", ["", "%00", "A" * 42, "A" * 44, "٣" * 43, "%20" * 43, "A" * 42 + "%0A", "A" * 9999])
def test_an_invalid_token_is_not_looked_up(
    app: Browser, alex: User, token: str, django_assert_num_queries: Callable[[int], Any]
) -> None:
    with django_assert_num_queries(0):
        assert app.get(f"/dailycast/feed/{token}/podcast.xml").status_code == 404


def test_a_token_in_another_case_is_another(app: Browser, alex: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """MariaDB compares without regard to case; `iexact` imitates it."""
    queryset = type(Feed.objects.all())
    original = queryset.filter

    def ignore_case(self: Any, *args: Any, **kwargs: Any) -> Any:
        lookups = {name.replace("token", "token__iexact"): value for name, value in kwargs.items()}
        return original(self, *args, **lookups)

    target = feed_address(alex)
    Feed.objects.update(token="Aa" + "b" * 41)
    monkeypatch.setattr(queryset, "filter", ignore_case)
    assert app.get(target.replace(target.split("/")[3], "Aa" + "b" * 41)).status_code == 200
    assert app.get(target.replace(target.split("/")[3], "aA" + "B" * 41)).status_code == 404


@pytest.mark.parametrize("state", [{"status": Status.RUNNING}, {"audio_file": ""}])
def test_an_episode_without_finished_audio_has_no_address(app: Browser, alex: User, state: dict[str, str]) -> None:
    podcast = make_episode(alex)
    DailyPodcast.objects.filter(pk=podcast.pk).update(**state)
    for file in FILES[1:4]:
        assert app.get(feed_folder(alex) + file.format(guid=podcast.guid)).status_code == 404


# A new address


def renew(client: Client, **form: str) -> Any:
    return client.post("/dailycast/feed/new/", form)


def test_a_learner_gets_a_new_address_and_the_old_one_stops_working(
    client: Client, app: Browser, alex: User, episode: DailyPodcast
) -> None:
    client.force_login(alex)
    old = feed_address(alex)
    assert app.get(old).status_code == 200
    response = renew(client)
    assert (response.status_code, response["Location"]) == (302, "/dailycast/")
    revoked, unknown = app.get(old), app.get(f"/dailycast/feed/{'x' * 43}/podcast.xml")
    assert (revoked.status_code, revoked.body, dict(revoked.headers)) == (404, unknown.body, dict(unknown.headers))
    assert titles(app, alex) == ["An idea"]


def test_other_learners_addresses_do_not_change(client: Client, alex: User) -> None:
    before = feed_address(alex)
    client.force_login(User.objects.create_user("yuki"))
    renew(client)
    assert (feed_address(alex), Feed.objects.count()) == (before, 2)


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
def test_it_redirects_only_to_a_page_of_this_site(client: Client, alex: User, after: str, goes_to: str) -> None:
    client.force_login(alex)
    assert renew(client, next=after)["Location"] == goes_to


def test_somebody_signed_out_is_sent_to_the_login_page(client: Client, alex: User) -> None:
    before = feed_address(alex)
    assert renew(client)["Location"] == "/login/?next=/dailycast/feed/new/"
    assert feed_address(alex) == before


def test_it_needs_a_csrf_token_and_a_post(alex: User) -> None:
    before, strict = feed_address(alex), Client(enforce_csrf_checks=True)
    strict.force_login(alex)
    assert (renew(strict).status_code, strict.get("/dailycast/feed/new/").status_code) == (403, 405)
    assert feed_address(alex) == before


def test_a_host_that_includes_our_urls_has_the_feed() -> None:
    assert {pattern.name for pattern in feed_views.patterns} <= {
        getattr(pattern, "name", None) for pattern in dailycast.urls.urlpatterns
    }
