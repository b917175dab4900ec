from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.test import Client
from django.utils import timezone
from rest_framework.throttling import UserRateThrottle

from dailycast import runners
from dailycast.api import views
from dailycast.errors import DailycastError
from dailycast.models import DailyPodcast, Source
from tests.api.client import send, status_and_code


def test_a_request_on_the_next_day_is_another_one_and_may_be_too_soon(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    send(client, "POST", "/episodes/")
    tomorrow = timezone.localdate() + timedelta(days=1)
    monkeypatch.setattr("dailycast.models.dates.today", lambda: tomorrow)
    assert status_and_code(send(client, "POST", "/episodes/")) == (429, "cooldown")


def test_a_request_too_soon_says_how_long_to_wait(
    client: Client, podcast: DailyPodcast, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = datetime(2026, 3, 10, 12, 0, tzinfo=ZoneInfo("UTC"))
    monkeypatch.setattr("django.utils.timezone.now", lambda: now)
    DailyPodcast.objects.update(source=Source.PAGE, created_at=now - timedelta(hours=23, seconds=0.5))
    response = send(client, "POST", "/episodes/")
    assert (response.status_code, response["Retry-After"]) == (429, "3600")
    assert response.json() == {
        "detail": "The next episode can be asked for from March 10, 2026, 12:59 p.m. on.",
        "code": "cooldown",
        "seconds": 3600,
    }


def test_a_throttled_request_has_the_same_shape(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    class Once(UserRateThrottle):
        rate = "1/hour"

    monkeypatch.setattr(views.LearnerView, "throttle_classes", [Once])
    assert send(client, "GET", "/episodes/").status_code == 200
    response = send(client, "GET", "/episodes/")
    assert status_and_code(response) == (429, "throttled")
    assert int(response["Retry-After"]) - response.json()["seconds"] in (0, -1)


def test_an_unexpected_error_is_raised_to_the_host(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise DailycastError("It is broken.")

    monkeypatch.setattr(runners, "submit", fail)
    with pytest.raises(DailycastError, match="It is broken"):
        send(client, "POST", "/episodes/")
