from base64 import b64encode
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from rest_framework.parsers import JSONParser

from dailycast.models import DailyPodcast
from tests.api.client import ROOT, browser_of, send, status_and_code


@pytest.mark.parametrize(
    "cursor",
    ["x", "§", b64encode(b"p=abc").decode(), b64encode(b"p=" + b"9" * 99).decode(), b64encode(b"o=-1").decode()],
)
def test_a_forged_cursor_is_not_found(client: Client, cursor: str) -> None:
    response = client.get(f"{ROOT}/episodes/", {"cursor": cursor})
    assert status_and_code(response) == (404, "not_found")


@pytest.mark.parametrize("pk", ["0", "-1", "x", "1.0", "²", "٣", "9" * 19, "9" * 5000, "%00", "None"])
def test_an_id_that_no_row_can_have_is_not_found(client: Client, podcast: DailyPodcast, pk: str) -> None:
    assert status_and_code(send(client, "GET", f"/episodes/{pk}/")) == (404, "not_found")


def test_two_requests_on_one_day_give_the_same_episode(client: Client, alex: User) -> None:
    first, second = (send(client, "POST", "/episodes/", body) for body in ({}, {"language": "ja"}))
    assert (first.status_code, second.status_code, first.json()) == (202, 202, second.json())
    assert DailyPodcast.objects.get().request_key == f"api:{alex.pk}:{timezone.localdate()}"


def test_the_day_is_the_local_one(settings: Any, client: Client, alex: User, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.TIME_ZONE = "Asia/Tokyo"
    now = datetime(2026, 3, 10, 23, 0, tzinfo=ZoneInfo("UTC"))
    monkeypatch.setattr("django.utils.timezone.now", lambda: now)
    assert send(client, "POST", "/episodes/").status_code == 202
    assert DailyPodcast.objects.get().request_key == f"api:{alex.pk}:2026-03-11"


@pytest.mark.parametrize("length", [1, 36, 250])
def test_the_same_idempotency_key_gives_the_same_episode(client: Client, length: int) -> None:
    key = "k" * length
    first = send(client, "POST", "/episodes/", **{"Idempotency-Key": key})
    second = send(client, "POST", "/episodes/", {"idempotency_key": key})
    assert first.json()["id"] == second.json()["id"]
    assert status_and_code(send(client, "POST", "/episodes/", **{"Idempotency-Key": key.upper()})) == (429, "cooldown")


def test_the_same_key_of_another_learner_is_another_key(client: Client, alex: User) -> None:
    mine = send(client, "POST", "/episodes/", **{"Idempotency-Key": "k"}).json()["id"]
    theirs = send(browser_of("other learner", alex), "POST", "/episodes/", **{"Idempotency-Key": "k"}).json()["id"]
    assert mine != theirs
    assert [row.request_key.split(":")[:2] for row in DailyPodcast.objects.order_by("pk")] == [  # type: ignore[union-attr]
        ["api", str(row.user_id)] for row in DailyPodcast.objects.order_by("pk")
    ]


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
def test_an_invalid_request_is_refused(client: Client, body: bytes, code: str, detail: str) -> None:
    response = client.post(f"{ROOT}/episodes/", body, "application/json")
    assert status_and_code(response) == (400, code)
    assert response.json().keys() == {"detail", "code"}
    assert response.json()["detail"].startswith(detail)
    assert DailyPodcast.objects.count() == 0


@pytest.mark.parametrize("body", [None, {}, {"language": None}, {"language": ""}, {"else": 1, "idempotency_key": None}])
def test_every_field_of_a_request_is_optional(client: Client, body: object) -> None:
    assert send(client, "POST", "/episodes/", body).status_code == 202
    assert DailyPodcast.objects.get().language == ""


def test_requests_and_responses_are_json_only(client: Client) -> None:
    form = client.post(f"{ROOT}/episodes/", {"language": "en"})
    assert status_and_code(form) == (415, "unsupported_media_type")
    assert status_and_code(send(client, "GET", "/episodes/", Accept="text/html")) == (406, "not_acceptable")
    assert send(client, "GET", "/episodes/", Accept="text/html,*/*;q=0.8")["Content-Type"] == "application/json"


@pytest.mark.parametrize(
    "value", ["-1", "1000001", "1e999", "NaN", "-Infinity", '"5"', '"nan"', "true", "null", "[]", "{}", "1" + "0" * 400]
)
def test_an_invalid_position_is_refused(client: Client, podcast: DailyPodcast, value: str) -> None:
    response = client.put(f"{ROOT}/episodes/{podcast.pk}/progress/", f'{{"seconds": {value}}}', "application/json")
    assert response.status_code == 400
    podcast.refresh_from_db()
    assert podcast.position_seconds == 0


def test_a_position_is_required(client: Client, podcast: DailyPodcast) -> None:
    assert status_and_code(send(client, "PUT", f"/episodes/{podcast.pk}/progress/", {})) == (400, "required")


def test_not_a_number_is_refused_where_the_hosts_json_parser_accepts_it(
    client: Client, podcast: DailyPodcast, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(JSONParser, "strict", False)
    response = client.put(f"{ROOT}/episodes/{podcast.pk}/progress/", '{"seconds": NaN}', "application/json")
    assert status_and_code(response) == (400, "invalid")
