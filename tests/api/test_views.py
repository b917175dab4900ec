"""The JSON API on a host that allows everyone everything, as Django REST framework does by default."""

import subprocess
import sys
from base64 import b64encode
from collections.abc import Callable
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.test import Client
from django.utils import timezone
from rest_framework.authentication import BasicAuthentication, SessionAuthentication
from rest_framework.exceptions import NotFound
from rest_framework.parsers import FormParser
from rest_framework.permissions import AllowAny
from rest_framework.renderers import TemplateHTMLRenderer
from rest_framework.response import Response
from rest_framework.test import APIRequestFactory
from rest_framework.versioning import BaseVersioning
from rest_framework.views import APIView

from dailycast.api import views
from dailycast.jobs import queue
from dailycast.models import DailyPodcast, Feed, Source, Status
from tests.api.client import (
    CUES,
    METHODS,
    ROOT,
    ROUTES,
    CarelessAuthentication,
    browser_of,
    send,
    status_and_code,
    view_of,
)

# Who may do what

OTHERS = ["other learner", "staff", "staff with view permission", "superuser"]
NOBODY = ["signed-out", "inactive owner"]
EPISODE_ROUTES = [route for route in ROUTES if "{pk}" in route]


@pytest.mark.parametrize("route", ROUTES)
def test_the_owner_may_use_every_endpoint(client: Client, podcast: DailyPodcast, route: str) -> None:
    method, status, body = ROUTES[route]
    assert send(client, method, route.strip().format(pk=podcast.pk), body).status_code == status


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("who", OTHERS)
@pytest.mark.parametrize("route", EPISODE_ROUTES)
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
    assert status_and_code(send(browser, "GET", "/episodes/today/")) == (404, "no_episode_today")
    assert send(browser, "POST", "/episodes/").json()["id"] != podcast.pk
    assert token not in send(browser, "GET", "/feed/").json()["url"]
    assert token not in send(browser, "POST", "/feed/rotate/").json()["url"]
    assert Feed.objects.get(user=alex).token == token


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("who", NOBODY)
@pytest.mark.parametrize("route", ROUTES)
def test_somebody_who_is_not_signed_in_gets_nothing(
    podcast: DailyPodcast, alex: User, who: str, route: str, method: str
) -> None:
    url, body = route.strip().format(pk=podcast.pk), ROUTES[route][2]
    response = send(browser_of(who, alex), method, url, body)
    assert response.status_code == 403
    assert method == "HEAD" or status_and_code(response) == (403, "not_authenticated")
    assert (DailyPodcast.objects.count(), Feed.objects.count()) == (1, 0)


@pytest.mark.parametrize(("route", "url"), [(route, route.strip()) for route in ROUTES])
def test_other_methods_are_not_allowed(client: Client, podcast: DailyPodcast, route: str, url: str) -> None:
    allowed = {method for other, (method, _, _) in ROUTES.items() if other.strip() == url}
    allowed |= {"HEAD"} & {method.replace("GET", "HEAD") for method in allowed}
    for method in set(METHODS) - allowed:
        response = send(client, method, url.format(pk=podcast.pk))
        assert (method, response.status_code, set(response["Allow"].split(", "))) == (method, 405, allowed)


def leaking_routes(alex: User, podcast: DailyPodcast) -> list[str]:
    """The routes about one episode that answer another learner."""
    browser = browser_of("other learner", alex)
    responses = {
        route: send(browser, ROUTES[route][0], route.format(pk=podcast.pk), {"seconds": 5}) for route in EPISODE_ROUTES
    }
    return [route for route, response in responses.items() if response.status_code != 404]


def test_these_tests_catch_a_view_without_the_owner_filter(
    alex: User, podcast: DailyPodcast, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(views.LearnerView, "own_episodes", lambda self: DailyPodcast.objects.all())
    assert leaking_routes(alex, podcast) == EPISODE_ROUTES


def test_these_tests_catch_a_view_without_its_permission(
    podcast: DailyPodcast, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(views.LearnerView, "permission_classes", (AllowAny,))
    assert send(Client(), "GET", "/episodes/").status_code == 200


def test_each_view_except_the_schema_requires_a_learner() -> None:
    permissions = {pattern.name: view_of(pattern).permission_classes for pattern in views.patterns}
    assert permissions.pop("api-schema") == (AllowAny,)
    assert set(permissions.values()) == {(views.IsActiveUser,)}
    assert len(permissions) == 7


def test_an_inactive_account_is_refused_even_if_the_host_lets_it_in(
    alex: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(views.LearnerView, "authentication_classes", [CarelessAuthentication])
    assert send(Client(), "GET", "/episodes/", **{"X-User": "alex"}).status_code == 200
    User.objects.update(is_active=False)
    for headers in ({"X-User": "alex"}, {}):
        assert status_and_code(send(Client(), "GET", "/episodes/", **headers)) == (401, "not_authenticated")


def test_authentication_is_the_hosts() -> None:
    assert [type(each) for each in views.EpisodesView().get_authenticators()] == [
        SessionAuthentication,
        BasicAuthentication,
    ]


def test_a_session_needs_its_csrf_token_and_a_password_does_not(alex: User) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(alex)
    assert status_and_code(send(strict, "POST", "/episodes/")) == (403, "permission_denied")
    assert DailyPodcast.objects.count() == 0
    basic = {"Authorization": f"Basic {b64encode(b'alex:pw').decode()}"}
    assert send(Client(enforce_csrf_checks=True), "POST", "/episodes/", **basic).status_code == 202


def test_somebody_signed_out_is_not_sent_to_a_login_page(settings: Any, db: None) -> None:
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "django.contrib.auth.middleware.LoginRequiredMiddleware"]
    assert status_and_code(send(Client(), "GET", "/episodes/")) == (403, "not_authenticated")


def test_no_response_sets_a_cookie_or_may_be_stored(client: Client, podcast: DailyPodcast) -> None:
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
    ids = [row["id"] for page in (first, second, third) for row in page["results"]]
    assert ids == [row.pk for row in reversed(rows)]
    assert (first["previous"], third["next"]) == (None, None)
    assert first["next"].startswith("http://testserver/dailycast/api/episodes/?cursor=")
    assert client.get(second["previous"]).json()["results"] == first["results"]


def test_a_new_episode_does_not_move_the_other_pages(client: Client, alex: User) -> None:
    rows = [DailyPodcast.objects.create(user=alex) for _ in range(21)]
    first = send(client, "GET", "/episodes/").json()
    DailyPodcast.objects.create(user=alex)
    assert [row["id"] for row in client.get(first["next"]).json()["results"]] == [rows[0].pk]


def test_the_list_leaves_out_long_texts_and_needs_three_queries(
    client: Client, alex: User, django_assert_num_queries: Callable[[int], Any]
) -> None:
    for number in range(20):
        DailyPodcast.objects.create(user=alex, status=Status.COMPLETED, audio_file=f"{number}.mp3", cues=CUES)
    with django_assert_num_queries(3):  # session, user, rows
        (first, *_) = send(client, "GET", "/episodes/").json()["results"]
    assert first.keys() & {"cues", "script"} == set()
    assert "chapters" in first


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


def test_without_an_episode_today_says_so(client: Client) -> None:
    body = send(client, "GET", "/episodes/today/").json()
    assert body == {"detail": "There is no episode of today yet.", "code": "no_episode_today"}


# Requesting an episode


def test_a_learner_requests_an_episode_and_gets_the_row_at_once(client: Client, alex: User) -> None:
    response = send(client, "POST", "/episodes/", {"language": "pt_br"})
    row = DailyPodcast.objects.get()
    assert (row.user, row.requested_by, row.source, row.language) == (alex, alex, Source.API, "pt-BR")
    assert (response.status_code, response.json()["id"], response.json()["status"]) == (202, row.pk, "pending")
    assert response["Location"] == f"http://testserver{ROOT}/episodes/{row.pk}/"
    assert client.get(response["Location"]).json() == response.json()


def test_with_the_runner_inline_the_response_is_the_finished_episode(settings: Any, client: Client) -> None:
    settings.DAILYCAST_RUNNER, settings.DAILYCAST_LLM_PROVIDERS = "inline", ["template"]
    body = send(client, "POST", "/episodes/", {"language": "en"}).json()
    assert (body["status"], body["reason"]["code"]) == ("completed", "audio_not_configured")
    assert body["script"]


@pytest.mark.django_db(transaction=True)
def test_the_runner_inline_works_on_a_host_with_atomic_requests(
    settings: Any, alex: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    from django.db import connection

    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)
    settings.DAILYCAST_RUNNER, settings.DAILYCAST_LLM_PROVIDERS = "inline", ["template"]
    assert send(browser_of("owner", alex), "POST", "/episodes/").json()["status"] == "completed"


# Status, position, feed


def test_the_status_is_right_after_a_crash(client: Client, alex: User) -> None:
    expired = timezone.now() - timedelta(seconds=1)
    row = DailyPodcast.objects.create(user=alex, status=Status.RUNNING, claim_token="x", lease_until=expired)
    assert send(client, "GET", f"/episodes/{row.pk}/").json()["status"] == "running"
    body = send(client, "GET", f"/episodes/{row.pk}/status/").json()
    assert body == {"id": row.pk, "status": "pending", "progress": "The episode waits to be made.", "reason": None}
    assert queue.due(1) == [row.pk]


@pytest.mark.parametrize(
    ("seconds", "saved", "heard"), [(0, 0, False), (12.5, 12.5, False), (90, 90, True), (1e6, 100, True)]
)
def test_the_position_is_saved(
    client: Client, podcast: DailyPodcast, seconds: float, saved: float, heard: bool
) -> None:
    body = send(client, "PUT", f"/episodes/{podcast.pk}/progress/", {"seconds": seconds}).json()
    podcast.refresh_from_db()
    assert (body["id"], body["position_seconds"], bool(body["heard_at"])) == (podcast.pk, saved, heard)
    assert (podcast.position_seconds, bool(podcast.heard_at)) == (saved, heard)
    assert send(client, "GET", f"/episodes/{podcast.pk}/").json()["position_seconds"] == saved


def test_rotating_replaces_the_feed_url(client: Client, alex: User) -> None:
    old = send(client, "GET", "/feed/").json()["url"]
    new = send(client, "POST", "/feed/rotate/").json()["url"]
    assert old != new == send(client, "GET", "/feed/").json()["url"]
    assert Feed.objects.get(user=alex).token in new


# The host


class RefusingVersioning(BaseVersioning):
    def determine_version(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        raise NotFound("This host has v1 only.")


HOST_DEFAULTS = {
    "versioning_class": RefusingVersioning,
    "renderer_classes": (TemplateHTMLRenderer,),
    "parser_classes": (FormParser,),
    "get_exception_handler": lambda view: lambda error, context: Response("Oh no.", 500),
}


def status_and_type(client: Client, podcast: DailyPodcast) -> list[object]:
    """Of the responses to a list, a position and an unknown episode."""
    client.raise_request_exception = False
    responses = (
        send(client, "GET", "/episodes/"),
        send(client, "PUT", f"/episodes/{podcast.pk}/progress/", {"seconds": 5}),
        send(client, "GET", "/episodes/999/"),
    )
    return [(response.status_code, response["Content-Type"]) for response in responses]


@pytest.mark.parametrize("name", HOST_DEFAULTS)
def test_the_hosts_defaults_change_no_response(
    client: Client, podcast: DailyPodcast, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    expected = [(200, "application/json"), (200, "application/json"), (404, "application/json")]
    monkeypatch.setattr(APIView, name, HOST_DEFAULTS[name])
    assert status_and_type(client, podcast) == expected
    monkeypatch.delattr(views.JsonView, name)
    assert status_and_type(client, podcast) != expected


CHECK_WITHOUT_FRAMEWORK = """
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


def test_dailycast_works_without_rest_framework() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", CHECK_WITHOUT_FRAMEWORK],
        capture_output=True,
        text=True,
        check=False,
        env={"DJANGO_SETTINGS_MODULE": "tests.settings"},
        cwd=Path(__file__).parents[2],
    )
    assert done.stdout.splitlines()[-2:] == ["/dailycast/audio/t/n.mp3 False", "no such address"], done.stderr


def test_the_permission_refuses_a_request_without_a_user(db: None) -> None:
    request: Any = APIRequestFactory().get("/")
    for user, allowed in ((None, False), (AnonymousUser(), False), (User(is_active=False), False), (User(), True)):
        request.user = user
        assert views.IsActiveUser().has_permission(request, APIView()) is allowed
