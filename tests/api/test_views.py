"""The JSON API on a host that allows everyone everything, as Django REST framework does by default."""

import json
import re
import subprocess
import sys
from base64 import b64encode
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.contrib.auth.models import AnonymousUser, Permission, User
from django.test import Client
from django.utils import timezone, translation
from rest_framework.authentication import BaseAuthentication, BasicAuthentication, SessionAuthentication
from rest_framework.exceptions import NotFound
from rest_framework.parsers import FormParser, JSONParser
from rest_framework.permissions import AllowAny
from rest_framework.renderers import TemplateHTMLRenderer
from rest_framework.response import Response
from rest_framework.test import APIRequestFactory
from rest_framework.throttling import UserRateThrottle
from rest_framework.versioning import BaseVersioning
from rest_framework.views import APIView

from dailycast import runners
from dailycast.api import openapi
from dailycast.api import views as api
from dailycast.audio import storage
from dailycast.errors import DailycastError
from dailycast.jobs import queue as jobs
from dailycast.models import DailyPodcast, Feed, Reason, Source, Status

ROOT = "/dailycast/api"
AUDIO = bytes(range(256)) * 4
NAME = "podcasts/podcast_1_1701920000.mp3"
CUES = [{"start": 0.0, "end": 1.5, "text": "Good morning."}]
MARKS = [{"start": 0.0, "title": "Welcome"}]
TITLE = "Yesterday’s mistakes"
SCRIPT = f"# {TITLE}\nGood morning."
DETAILS = "openai: 401, the key sk-1 is wrong"  # for staff


@pytest.fixture(autouse=True)
def host(settings: Any, media: Path) -> None:
    settings.DAILYCAST_RUNNER = "worker"  # which only takes the row
    assert APIView.permission_classes == [AllowAny]
    storage.write_atomic(NAME, AUDIO)


@pytest.fixture
def podcast(alex: User) -> DailyPodcast:
    return DailyPodcast.objects.create(
        user=alex, status=Status.COMPLETED, audio_file=NAME, audio_bytes=1024, duration_seconds=100.0, cues=CUES,
        chapters=MARKS, title=TITLE, language="en", script_text=SCRIPT,
    )  # fmt: skip


@pytest.fixture
def client(alex: User) -> Client:
    return browser_of("owner", alex)


def browser_of(who: str, alex: User) -> Client:
    """That person, signed in; `inactive owner` signed in before the account was closed."""
    client = Client()
    if who == "signed-out":
        return client
    user = alex
    if "owner" not in who:
        user = User.objects.create_user(who, is_staff="staff" in who, is_superuser=who == "superuser")
    if "permission" in who:
        user.user_permissions.add(Permission.objects.get(codename="view_dailypodcast"))
    client.force_login(user)
    if who == "inactive owner":
        User.objects.filter(pk=user.pk).update(is_active=False)
    return client


def send(client: Client, method: str, url: str, body: object = None, **headers: str) -> Any:
    data = b"" if body is None else json.dumps(body).encode()
    return client.generic(method, f"{ROOT}{url}", data, "application/json", headers=headers)


def told(response: Any) -> tuple[int, str]:
    return response.status_code, response.json()["code"]


# Who may do what

ROUTES: dict[str, tuple[str, int, object]] = {
    "/episodes/": ("GET", 200, None),
    "/episodes/ ": ("POST", 202, {}),
    "/episodes/today/": ("GET", 200, None),
    "/episodes/{pk}/": ("GET", 200, None),
    "/episodes/{pk}/status/": ("GET", 200, None),
    "/episodes/{pk}/progress/": ("PUT", 200, {"seconds": 5}),
    "/feed/": ("GET", 200, None),
    "/feed/rotate/": ("POST", 200, None),
}
OTHERS = ["other learner", "staff", "staff with view permission", "superuser"]
NOBODY = ["signed-out", "inactive owner"]
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"]
ABOUT_ONE = [route for route in ROUTES if "{pk}" in route]


@pytest.mark.parametrize("route", ROUTES)
def test_the_owner_may_use_every_endpoint(client: Client, podcast: DailyPodcast, route: str) -> None:
    method, status, body = ROUTES[route]
    assert send(client, method, route.strip().format(pk=podcast.pk), body).status_code == status


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("who", OTHERS)
@pytest.mark.parametrize("route", ABOUT_ONE)
def test_another_learners_episode_does_not_exist(
    podcast: DailyPodcast, alex: User, who: str, route: str, method: str
) -> None:
    browser = browser_of(who, alex)
    hidden, unknown = (send(browser, method, route.format(pk=pk), {"seconds": 5}) for pk in (podcast.pk, 999))
    assert (hidden.status_code, hidden.content) == (unknown.status_code, unknown.content)
    assert hidden.status_code in (404, 405)
    assert DailyPodcast.objects.get().position_seconds == 0


@pytest.mark.parametrize("who", OTHERS)
def test_what_another_learner_or_staff_get_is_their_own(podcast: DailyPodcast, alex: User, who: str) -> None:
    browser, token = browser_of(who, alex), Feed.objects.create(user=alex).token
    assert send(browser, "GET", "/episodes/").json()["results"] == []
    assert told(send(browser, "GET", "/episodes/today/")) == (404, "no_episode_today")
    assert send(browser, "POST", "/episodes/").json()["id"] != podcast.pk
    assert token not in send(browser, "GET", "/feed/").json()["url"]
    assert token not in send(browser, "POST", "/feed/rotate/").json()["url"]
    assert Feed.objects.get(user=alex).token == token


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("who", NOBODY)
@pytest.mark.parametrize("route", ROUTES)
def test_whoever_is_not_signed_in_gets_nothing(
    podcast: DailyPodcast, alex: User, who: str, route: str, method: str
) -> None:
    url, body = route.strip().format(pk=podcast.pk), ROUTES[route][2]
    response = send(browser_of(who, alex), method, url, body)
    assert response.status_code == 403
    assert method == "HEAD" or told(response) == (403, "not_authenticated")
    assert (DailyPodcast.objects.count(), Feed.objects.count()) == (1, 0)


@pytest.mark.parametrize(("route", "url"), [(route, route.strip()) for route in ROUTES])
def test_no_other_method_is_answered(client: Client, podcast: DailyPodcast, route: str, url: str) -> None:
    mine = {method for other, (method, _, _) in ROUTES.items() if other.strip() == url}
    mine |= {"HEAD"} & {method.replace("GET", "HEAD") for method in mine}
    for method in set(METHODS) - mine:
        response = send(client, method, url.format(pk=podcast.pk))
        assert (method, response.status_code, set(response["Allow"].split(", "))) == (method, 405, mine)


def leaks(alex: User, podcast: DailyPodcast) -> list[str]:
    """The routes about one episode that answer another learner."""
    browser = browser_of("other learner", alex)
    found = {route: send(browser, ROUTES[route][0], route.format(pk=podcast.pk), {"seconds": 5}) for route in ABOUT_ONE}
    return [route for route, response in found.items() if response.status_code != 404]


def test_a_view_without_the_owners_filter_would_be_caught(
    alex: User, podcast: DailyPodcast, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api.LearnerView, "rows", lambda self: DailyPodcast.objects.all())
    assert leaks(alex, podcast) == ABOUT_ONE


def test_a_view_without_its_permission_would_be_caught(podcast: DailyPodcast, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api.LearnerView, "permission_classes", (AllowAny,))
    assert send(Client(), "GET", "/episodes/").status_code == 200


def view_of(pattern: Any) -> type[APIView]:
    found: type[APIView] = pattern.callback.cls
    return found


def test_each_view_but_the_schema_asks_for_a_learner() -> None:
    views = {pattern.name: view_of(pattern).permission_classes for pattern in api.patterns}
    assert views.pop("api-schema") == (AllowAny,)
    assert set(views.values()) == {(api.IsLearner,)}
    assert len(views) == 7


class Loose(BaseAuthentication):
    """A host's own, which forgets to ask whether the account is open."""

    def authenticate(self, request: Any) -> Any:
        name = request.headers.get("X-User")
        return (User.objects.get(username=name), None) if name else None

    def authenticate_header(self, request: Any) -> str:
        return "Bearer"


def test_an_account_that_is_closed_is_refused_whatever_the_host_asks(
    alex: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api.LearnerView, "authentication_classes", [Loose])
    assert send(Client(), "GET", "/episodes/", **{"X-User": "alex"}).status_code == 200
    User.objects.update(is_active=False)
    assert told(send(Client(), "GET", "/episodes/", **{"X-User": "alex"})) == (403, "permission_denied")
    assert told(send(Client(), "GET", "/episodes/")) == (401, "not_authenticated")


def test_the_host_says_who_somebody_is() -> None:
    assert [type(way) for way in api.Episodes().get_authenticators()] == [SessionAuthentication, BasicAuthentication]


def test_a_session_needs_its_csrf_token_and_a_password_does_not(alex: User) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(alex)
    assert told(send(strict, "POST", "/episodes/")) == (403, "permission_denied")
    assert DailyPodcast.objects.count() == 0
    basic = {"Authorization": f"Basic {b64encode(b'alex:pw').decode()}"}
    assert send(Client(enforce_csrf_checks=True), "POST", "/episodes/", **basic).status_code == 202


def test_a_stranger_is_not_sent_to_a_login_page(settings: Any, db: None) -> None:
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "django.contrib.auth.middleware.LoginRequiredMiddleware"]
    assert told(send(Client(), "GET", "/episodes/")) == (403, "not_authenticated")


# What is said


def test_what_an_episode_says(client: Client, podcast: DailyPodcast) -> None:
    said = send(client, "GET", f"/episodes/{podcast.pk}/").json()
    assert said.pop("audio").keys() == {"url", "seconds", "bytes"}
    assert datetime.fromisoformat(said.pop("created_at")).tzinfo is not None
    assert said == {
        "id": podcast.pk,
        "title": TITLE,
        "language": "en",
        "status": "completed",
        "progress": "The episode is ready.",
        "reason": None,
        "chapters": MARKS,
        "cues": CUES,
        "script": SCRIPT,
        "position_seconds": 0.0,
        "heard_at": None,
        "edition_date": None,
    }


def test_its_audio_can_be_heard_for_an_hour_without_a_cookie(
    client: Client, podcast: DailyPodcast, monkeypatch: pytest.MonkeyPatch
) -> None:
    audio = send(client, "GET", f"/episodes/{podcast.pk}/").json()["audio"]
    assert (audio["seconds"], audio["bytes"]) == (100.0, 1024)
    assert re.fullmatch(r"http://testserver/dailycast/audio/[\w:.-]+/yesterdays-mistakes\.mp3", audio["url"])
    assert Client().get(audio["url"]).getvalue() == AUDIO
    later = datetime.now().timestamp() + 3601
    monkeypatch.setattr("time.time", lambda: later)
    assert Client().get(audio["url"]).status_code == 404


@pytest.mark.parametrize("title", ["", "昨日の間違い", "../..", "a/b?c#d", "x" * 200])
def test_any_title_gives_an_address_that_works(client: Client, podcast: DailyPodcast, title: str) -> None:
    DailyPodcast.objects.update(title=title)
    audio = send(client, "GET", f"/episodes/{podcast.pk}/").json()["audio"]
    assert Client().get(audio["url"]).getvalue() == AUDIO


@pytest.mark.parametrize(
    ("status", "values", "progress", "code"),
    [
        (Status.PENDING, {}, "The episode waits to be made.", None),
        (Status.RUNNING, {}, "The script is being written.", None),
        (Status.RUNNING, {"script_text": "Hello."}, "The audio is being made.", None),
        (Status.COMPLETED, {"error_code": Reason.NO_VOICE}, Reason.NO_VOICE.label, "no_voice"),
        (Status.COMPLETED, {"error_code": Reason.MISSING, "audio_file": NAME}, Reason.MISSING.label, "missing"),
        (Status.FAILED, {"error_code": Reason.NO_SCRIPT}, Reason.NO_SCRIPT.label, "no_script"),
        (
            Status.PENDING,
            {"error_code": Reason.AUDIO_FAILED},
            f"The episode waits to be made. {Reason.AUDIO_FAILED.label}",
            "audio_failed",
        ),
    ],
)
def test_without_audio_it_says_why_and_keeps_what_is_for_staff(
    client: Client, alex: User, status: Status, values: dict[str, Any], progress: str, code: str | None
) -> None:
    held = timezone.now() + timedelta(seconds=60)
    row = DailyPodcast.objects.create(user=alex, status=status, error_message=DETAILS, lease_until=held, **values)
    for url in ("/episodes/today/", f"/episodes/{row.pk}/", f"/episodes/{row.pk}/status/"):
        response = send(client, "GET", url)
        said = response.json()
        assert (said["status"], said["progress"], said.get("audio")) == (status, progress, None)
        assert said["reason"] == (code and {"code": code, "text": Reason(code).label})
        assert DETAILS not in response.content.decode()
    assert DETAILS not in send(client, "GET", "/episodes/").content.decode()
    assert DailyPodcast.objects.get().error_message == DETAILS


def test_what_is_for_a_person_is_translated_at_the_request(
    client: Client, alex: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = DailyPodcast.objects.create(user=alex, status=Status.FAILED, error_code=Reason.NO_SCRIPT)
    monkeypatch.setattr(translation._trans, "gettext", lambda text: f"<{text}>")  # type: ignore[attr-defined]
    said = send(client, "GET", f"/episodes/{row.pk}/status/").json()
    words = "<No writer could write the script.>"
    assert (said["progress"], said["reason"]) == (words, {"code": "no_script", "text": words})
    unknown = send(client, "GET", "/episodes/999/").json()
    assert unknown == {"detail": "<There is no such episode.>", "code": "not_found"}


def test_no_answer_sets_a_cookie_or_may_be_kept(client: Client, podcast: DailyPodcast) -> None:
    for route, (method, status, body) in ROUTES.items():
        response = send(client, method, route.strip().format(pk=podcast.pk), body)
        assert (response.status_code, dict(response.cookies)) == (status, {})
        assert response["Cache-Control"] == "private, no-store"
        assert response["Content-Type"] == "application/json"
    assert send(client, "GET", "/episodes/999/")["Cache-Control"] == "private, no-store"


# The list, and today


def test_the_list_is_in_pages_newest_first(client: Client, alex: User) -> None:
    rows = [DailyPodcast.objects.create(user=alex, title=str(number)) for number in range(45)]
    first = send(client, "GET", "/episodes/").json()
    second = client.get(first["next"]).json()
    third = client.get(second["next"]).json()
    seen = [row["id"] for reply in (first, second, third) for row in reply["results"]]
    assert seen == [row.pk for row in reversed(rows)]
    assert (first["previous"], third["next"]) == (None, None)
    assert first["next"].startswith("http://testserver/dailycast/api/episodes/?cursor=")
    assert client.get(second["previous"]).json()["results"] == first["results"]


def test_an_episode_that_comes_meanwhile_moves_no_page(client: Client, alex: User) -> None:
    rows = [DailyPodcast.objects.create(user=alex) for _ in range(21)]
    first = send(client, "GET", "/episodes/").json()
    DailyPodcast.objects.create(user=alex)
    assert [row["id"] for row in client.get(first["next"]).json()["results"]] == [rows[0].pk]


def test_a_list_leaves_out_what_is_long_and_asks_little(
    client: Client, alex: User, django_assert_num_queries: Callable[[int], Any]
) -> None:
    for number in range(20):
        DailyPodcast.objects.create(user=alex, status=Status.COMPLETED, audio_file=f"{number}.mp3", cues=CUES)
    with django_assert_num_queries(3):  # session, user, rows
        (said, *_) = send(client, "GET", "/episodes/").json()["results"]
    assert said.keys() & {"cues", "script"} == set()
    assert "chapters" in said


@pytest.mark.parametrize(
    "cursor",
    ["x", "§", b64encode(b"p=abc").decode(), b64encode(b"p=" + b"9" * 99).decode(), b64encode(b"o=-1").decode()],
)
def test_a_forged_cursor_is_no_page(client: Client, cursor: str) -> None:
    response = client.get(f"{ROOT}/episodes/", {"cursor": cursor})
    assert told(response) == (404, "not_found")


@pytest.mark.parametrize("pk", ["0", "-1", "x", "1.0", "²", "٣", "9" * 19, "9" * 5000, "%00", "None"])
def test_what_is_no_key_is_no_episode(client: Client, podcast: DailyPodcast, pk: str) -> None:
    assert told(send(client, "GET", f"/episodes/{pk}/")) == (404, "not_found")


@pytest.mark.parametrize(
    ("created_at", "edition_date", "is_today"),
    [
        ("2026-03-10 00:00", None, True),
        ("2026-03-10 23:59", None, True),
        ("2026-03-09 23:59", None, False),
        ("2026-03-11 00:00", None, False),
        ("2026-03-09 23:50", "2026-03-10", True),  # made before midnight, for the day after
        ("2026-03-10 23:50", "2026-03-11", False),
    ],
)
@pytest.mark.parametrize("zone", ["UTC", "Asia/Tokyo", "America/New_York"])
def test_today_is_the_newest_of_the_local_day(
    settings: Any, client: Client, alex: User, monkeypatch: pytest.MonkeyPatch, zone: str, created_at: str,
    edition_date: str | None, is_today: bool,
) -> None:  # fmt: skip
    settings.TIME_ZONE = zone
    monkeypatch.setattr("dailycast.models.dates.today", lambda: date(2026, 3, 10))
    when = datetime.fromisoformat(created_at).replace(tzinfo=ZoneInfo(zone))
    row = DailyPodcast.objects.create(user=alex, edition_date=edition_date)
    DailyPodcast.objects.filter(pk=row.pk).update(created_at=when)
    response = send(client, "GET", "/episodes/today/")
    assert response.status_code == (200 if is_today else 404)
    assert response.json().get("id") == (row.pk if is_today else None)


def test_today_is_the_newest_of_several(client: Client, podcast: DailyPodcast, alex: User) -> None:
    newer = DailyPodcast.objects.create(user=alex)
    assert send(client, "GET", "/episodes/today/").json()["id"] == newer.pk


def test_without_one_today_says_so(client: Client) -> None:
    said = send(client, "GET", "/episodes/today/").json()
    assert said == {"detail": "There is no episode of today yet.", "code": "no_episode_today"}


# Asking for an episode


def test_a_learner_asks_and_gets_the_row_at_once(client: Client, alex: User) -> None:
    response = send(client, "POST", "/episodes/", {"language": "pt_br"})
    row = DailyPodcast.objects.get()
    assert (row.user, row.requested_by, row.source, row.language) == (alex, alex, Source.API, "pt-BR")
    assert (response.status_code, response.json()["id"], response.json()["status"]) == (202, row.pk, "pending")
    assert response["Location"] == f"http://testserver{ROOT}/episodes/{row.pk}/"
    assert client.get(response["Location"]).json() == response.json()


def test_under_the_runner_inline_the_answer_is_what_became_of_it(settings: Any, client: Client) -> None:
    settings.DAILYCAST_RUNNER, settings.DAILYCAST_LLM_PROVIDERS = "inline", ["template"]
    said = send(client, "POST", "/episodes/", {"language": "en"}).json()
    assert (said["status"], said["reason"]["code"]) == ("completed", "audio_not_configured")
    assert said["script"]


@pytest.mark.django_db(transaction=True)
def test_the_runner_inline_works_on_a_host_with_atomic_requests(
    settings: Any, alex: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    from django.db import connection

    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)
    settings.DAILYCAST_RUNNER, settings.DAILYCAST_LLM_PROVIDERS = "inline", ["template"]
    assert send(browser_of("owner", alex), "POST", "/episodes/").json()["status"] == "completed"


def test_who_asks_twice_a_day_gets_the_same_episode(client: Client, alex: User) -> None:
    first, second = (send(client, "POST", "/episodes/", body) for body in ({}, {"language": "ja"}))
    assert (first.status_code, second.status_code, first.json()) == (202, 202, second.json())
    assert DailyPodcast.objects.get().request_key == f"api:{alex.pk}:{timezone.localdate()}"


def test_the_day_is_the_local_one(settings: Any, client: Client, alex: User, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.TIME_ZONE = "Asia/Tokyo"
    now = datetime(2026, 3, 10, 23, 0, tzinfo=ZoneInfo("UTC"))
    monkeypatch.setattr("django.utils.timezone.now", lambda: now)
    assert send(client, "POST", "/episodes/").status_code == 202
    assert DailyPodcast.objects.get().request_key == f"api:{alex.pk}:2026-03-11"


def test_on_the_next_day_it_is_another_request_that_may_be_too_soon(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    send(client, "POST", "/episodes/")
    tomorrow = timezone.localdate() + timedelta(days=1)
    monkeypatch.setattr("dailycast.models.dates.today", lambda: tomorrow)
    assert told(send(client, "POST", "/episodes/")) == (429, "cooldown")


@pytest.mark.parametrize("length", [1, 36, 250])
def test_the_same_idempotency_key_gives_the_same_episode(client: Client, length: int) -> None:
    key = "k" * length
    first = send(client, "POST", "/episodes/", **{"Idempotency-Key": key})
    second = send(client, "POST", "/episodes/", {"idempotency_key": key})
    assert first.json()["id"] == second.json()["id"]
    assert told(send(client, "POST", "/episodes/", **{"Idempotency-Key": key.upper()})) == (429, "cooldown")


def test_another_learners_key_is_another_key(client: Client, alex: User) -> None:
    mine = send(client, "POST", "/episodes/", **{"Idempotency-Key": "k"}).json()["id"]
    theirs = send(browser_of("other learner", alex), "POST", "/episodes/", **{"Idempotency-Key": "k"}).json()["id"]
    assert mine != theirs
    assert [row.request_key.split(":")[:2] for row in DailyPodcast.objects.order_by("pk")] == [  # type: ignore[union-attr]
        ["api", str(row.user_id)] for row in DailyPodcast.objects.order_by("pk")
    ]


def test_who_asks_too_soon_is_told_how_long_to_wait(
    client: Client, podcast: DailyPodcast, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = datetime(2026, 3, 10, 12, 0, tzinfo=ZoneInfo("UTC"))
    monkeypatch.setattr("django.utils.timezone.now", lambda: at)
    DailyPodcast.objects.update(source=Source.PAGE, created_at=at - timedelta(hours=23, seconds=0.5))
    response = send(client, "POST", "/episodes/")
    assert (response.status_code, response["Retry-After"]) == (429, "3600")
    assert response.json() == {
        "detail": "The next episode can be asked for from March 10, 2026, 12:59 p.m. on.",
        "code": "cooldown",
        "seconds": 3600,
    }


def test_a_throttle_of_the_hosts_speaks_in_the_same_shape(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    class Once(UserRateThrottle):
        rate = "1/hour"

    monkeypatch.setattr(api.LearnerView, "throttle_classes", [Once])
    assert send(client, "GET", "/episodes/").status_code == 200
    response = send(client, "GET", "/episodes/")
    assert told(response) == (429, "throttled")
    assert int(response["Retry-After"]) - response.json()["seconds"] in (0, -1)


@pytest.mark.parametrize(
    ("body", "code", "detail"),
    [
        (b'{"language": "xx"}', "unknown_language", "language: Unknown language 'xx'."),
        (b'{"language": 5}', "invalid", "language: "),
        (b'{"language": ["en"]}', "invalid", "language: "),
        (b'{"language": "en-' + b"a" * 40 + b'"}', "max_length", "language: "),
        (b'{"language": "en\\u0000"}', "null_characters_not_allowed", "language: "),
        (b'{"idempotency_key": "\\ud800"}', "surrogate_characters_not_allowed", "idempotency_key: "),
        (b'{"idempotency_key": "' + b"k" * 256 + b'"}', "max_length", "idempotency_key: "),
        (b"{", "parse_error", "JSON parse error"),
        (b"[" * 100_000, "parse_error", ""),
        (b"\xff", "parse_error", "JSON parse error"),
        (b"[]", "invalid", "Invalid data."),
        (b'"en"', "invalid", "Invalid data."),
        (b"null", "null", ""),
    ],
)
def test_a_wish_that_cannot_be_is_refused(client: Client, body: bytes, code: str, detail: str) -> None:
    response = client.post(f"{ROOT}/episodes/", body, "application/json")
    assert told(response) == (400, code)
    assert response.json().keys() == {"detail", "code"}
    assert response.json()["detail"].startswith(detail)
    assert DailyPodcast.objects.count() == 0


@pytest.mark.parametrize("body", [None, {}, {"language": None}, {"language": ""}, {"else": 1, "idempotency_key": None}])
def test_nothing_in_a_wish_is_needed(client: Client, body: object) -> None:
    assert send(client, "POST", "/episodes/", body).status_code == 202
    assert DailyPodcast.objects.get().language == ""


def test_only_json_is_taken_and_given(client: Client) -> None:
    form = client.post(f"{ROOT}/episodes/", {"language": "en"})
    assert told(form) == (415, "unsupported_media_type")
    assert told(send(client, "GET", "/episodes/", Accept="text/html")) == (406, "not_acceptable")
    assert send(client, "GET", "/episodes/", Accept="text/html,*/*;q=0.8")["Content-Type"] == "application/json"


def test_an_error_that_nobody_expects_is_the_hosts(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise DailycastError("It is broken.")

    monkeypatch.setattr(runners, "submit", broken)
    with pytest.raises(DailycastError, match="It is broken"):
        send(client, "POST", "/episodes/")


# Status, position, feed


def test_a_poll_tells_the_truth_after_a_crash(client: Client, alex: User) -> None:
    gone = timezone.now() - timedelta(seconds=1)
    row = DailyPodcast.objects.create(user=alex, status=Status.RUNNING, claim_token="x", lease_until=gone)
    assert send(client, "GET", f"/episodes/{row.pk}/").json()["status"] == "running"
    said = send(client, "GET", f"/episodes/{row.pk}/status/").json()
    assert said == {"id": row.pk, "status": "pending", "progress": "The episode waits to be made.", "reason": None}
    assert jobs.due(1) == [row.pk]


@pytest.mark.parametrize(
    ("seconds", "kept", "heard"), [(0, 0, False), (12.5, 12.5, False), (90, 90, True), (1e6, 100, True)]
)
def test_where_the_learner_stopped_is_kept(
    client: Client, podcast: DailyPodcast, seconds: float, kept: float, heard: bool
) -> None:
    said = send(client, "PUT", f"/episodes/{podcast.pk}/progress/", {"seconds": seconds}).json()
    podcast.refresh_from_db()
    assert (said["id"], said["position_seconds"], bool(said["heard_at"])) == (podcast.pk, kept, heard)
    assert (podcast.position_seconds, bool(podcast.heard_at)) == (kept, heard)
    assert send(client, "GET", f"/episodes/{podcast.pk}/").json()["position_seconds"] == kept


@pytest.mark.parametrize(
    "value", ["-1", "1000001", "1e999", "NaN", "-Infinity", '"5"', '"nan"', "true", "null", "[]", "{}", "1" + "0" * 400]
)
def test_a_position_that_is_none_is_refused(client: Client, podcast: DailyPodcast, value: str) -> None:
    response = client.put(f"{ROOT}/episodes/{podcast.pk}/progress/", f'{{"seconds": {value}}}', "application/json")
    assert response.status_code == 400
    podcast.refresh_from_db()
    assert podcast.position_seconds == 0


def test_a_position_must_be_given(client: Client, podcast: DailyPodcast) -> None:
    assert told(send(client, "PUT", f"/episodes/{podcast.pk}/progress/", {})) == (400, "required")


def test_the_feeds_address_is_the_learners_own_and_stays(client: Client, alex: User) -> None:
    urls = {send(client, "GET", "/feed/").json()["url"] for _ in range(2)}
    assert urls == {f"http://testserver/dailycast/feed/{Feed.objects.get(user=alex).token}/podcast.xml"}


def test_a_new_address_takes_the_place_of_the_old_one(client: Client, alex: User) -> None:
    old = send(client, "GET", "/feed/").json()["url"]
    new = send(client, "POST", "/feed/rotate/").json()["url"]
    assert old != new == send(client, "GET", "/feed/").json()["url"]
    assert Feed.objects.get(user=alex).token in new


# The host


class Versioned(BaseVersioning):
    def determine_version(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        raise NotFound("This host has v1 only.")


HABITS = {
    "versioning_class": Versioned,
    "renderer_classes": (TemplateHTMLRenderer,),
    "parser_classes": (FormParser,),
    "get_exception_handler": lambda view: lambda error, context: Response("Oh no.", 500),
}


def answers(client: Client, podcast: DailyPodcast) -> list[object]:
    """What the API says to a list, to a position and to an unknown episode, on whatever host."""
    client.raise_request_exception = False
    said = send(client, "GET", "/episodes/"), send(client, "PUT", f"/episodes/{podcast.pk}/progress/", {"seconds": 5})
    return [(reply.status_code, reply["Content-Type"]) for reply in (*said, send(client, "GET", "/episodes/999/"))]


@pytest.mark.parametrize("habit", HABITS)
def test_what_a_host_likes_changes_no_answer(
    client: Client, podcast: DailyPodcast, monkeypatch: pytest.MonkeyPatch, habit: str
) -> None:
    expected = [(200, "application/json"), (200, "application/json"), (404, "application/json")]
    monkeypatch.setattr(APIView, habit, HABITS[habit])
    assert answers(client, podcast) == expected
    monkeypatch.delattr(api.JsonView, habit)
    assert answers(client, podcast) != expected


def test_a_host_that_reads_json_loosely_gets_no_position_that_is_none(
    client: Client, podcast: DailyPodcast, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(JSONParser, "strict", False)
    response = client.put(f"{ROOT}/episodes/{podcast.pk}/progress/", '{"seconds": NaN}', "application/json")
    assert told(response) == (400, "invalid")


WITHOUT = """
import sys
sys.modules["rest_framework"] = None
import django
django.setup()
from django.core.management import call_command
from django.urls import Resolver404, resolve, reverse
call_command("check")
print(reverse("dailycast:audio", args=["t", "n"]), "dailycast.api.views" in sys.modules)
try:
    resolve("/dailycast/api/episodes/")
except Resolver404:
    print("no such address")
"""


def test_a_host_without_the_framework_does_not_notice() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", WITHOUT],
        capture_output=True,
        text=True,
        check=False,
        env={"DJANGO_SETTINGS_MODULE": "tests.settings"},
        cwd=Path(__file__).parents[2],
    )
    assert done.stdout.splitlines()[-2:] == ["/dailycast/audio/t/n.mp3 False", "no such address"], done.stderr


# The schema


@pytest.fixture
def document(db: None) -> dict[str, Any]:
    said: dict[str, Any] = Client().get(f"{ROOT}/schema/").json()
    return said


def test_the_schema_is_published_with_the_hosts_ways_of_signing_in(document: dict[str, Any]) -> None:
    assert document["openapi"] == "3.1.0"
    assert document["servers"] == [{"url": f"http://testserver{ROOT}"}]
    assert document["components"]["securitySchemes"] == {
        "way1": {"type": "apiKey", "in": "cookie", "name": "sessionid"},
        "way2": {"type": "http", "scheme": "basic"},
    }
    assert document["security"] == [{"way1": []}, {"way2": []}]


@pytest.mark.parametrize("method", METHODS)
def test_the_schema_is_for_anyone_to_read(db: None, method: str) -> None:
    response = send(Client(), method, "/schema/")
    assert response.status_code == (200 if method in ("GET", "HEAD") else 405)
    assert dict(response.cookies) == {}


def test_a_way_of_signing_in_that_nobody_can_tell_is_left_out(monkeypatch: pytest.MonkeyPatch, db: None) -> None:
    monkeypatch.setattr(api.LearnerView, "authentication_classes", [BaseAuthentication, Loose])
    said = Client().get(f"{ROOT}/schema/").json()["components"]["securitySchemes"]
    assert said == {"way1": {"type": "http", "scheme": "bearer"}}


def test_the_schema_has_every_route_and_method_and_no_other(document: dict[str, Any]) -> None:
    told = {(path, method) for path, item in document["paths"].items() for method in item if method != "parameters"}
    assert told == set(real())


def real() -> Iterator[tuple[str, str]]:
    """Every address of the API with each method that it answers."""
    for pattern in api.patterns:
        route = "/" + re.sub(r"<str:(\w+)>", r"{\1}", str(pattern.pattern))
        for method in view_of(pattern)().allowed_methods:
            if method != "HEAD":  # which goes with GET
                yield route, method.lower()


def schema_of(answer: Any) -> dict[str, Any]:
    found: dict[str, Any] = openapi.SCHEMAS[answer["content"]["application/json"]["schema"]["$ref"].split("/")[-1]]
    return found


@pytest.mark.parametrize("route", ROUTES)
def test_an_answer_has_the_fields_that_the_schema_says(client: Client, podcast: DailyPodcast, route: str) -> None:
    method, status, body = ROUTES[route]
    said = send(client, method, route.strip().format(pk=podcast.pk), body).json()
    schema = schema_of(openapi.PATHS[route.strip()][method.lower()]["responses"][str(status)])
    assert said.keys() == schema["properties"].keys() == set(schema["required"])
    for name in ("Audio", "Chapter", "Cue"):
        inner = (said.get("audio") or {}) if name == "Audio" else (said.get(f"{name.lower()}s") or [{}])[0]
        assert not inner or inner.keys() == openapi.SCHEMAS[name]["properties"].keys()


def test_an_error_has_the_fields_that_the_schema_says(client: Client) -> None:
    assert send(client, "GET", "/episodes/1/").json().keys() == set(openapi.SCHEMAS["Error"]["required"])


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        yield from (str(value["$ref"]).split("/")[-1] for _ in range("$ref" in value))
        value = list(value.values())
    for item in value if isinstance(value, list) else ():
        yield from references(item)


def test_the_schema_names_what_it_uses_and_uses_what_it_names(document: dict[str, Any]) -> None:
    assert set(references(document)) == set(openapi.SCHEMAS)


DOCS = Path(__file__).parents[2] / "docs" / "integrating.md"


def test_the_docs_have_every_route_and_method() -> None:
    section = DOCS.read_text(encoding="utf-8").split("## The JSON API")[1].split("\n## ")[0]
    rows = re.findall(r"^\| `([A-Z]+) ([^`]+)` \|", section, re.MULTILINE)
    assert {(f"/{route.removeprefix('/')}", method.lower()) for method, route in rows} == set(real())


def test_the_permission_refuses_a_host_without_anonymous_users(db: None) -> None:
    request: Any = APIRequestFactory().get("/")
    for user, may in ((None, False), (AnonymousUser(), False), (User(is_active=False), False), (User(), True)):
        request.user = user
        assert api.IsLearner().has_permission(request, APIView()) is may
