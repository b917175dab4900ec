import re
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone, translation

from dailycast.models import DailyPodcast, Feed, Reason, Status
from tests.api.client import AUDIO, CUES, MARKS, NAME, SCRIPT, TITLE, browser_of, send

STAFF_DETAILS = "openai: 401, the key sk-1 is wrong"


def test_the_json_of_an_episode(client: Client, podcast: DailyPodcast) -> None:
    body = send(client, "GET", f"/episodes/{podcast.pk}/").json()
    assert body.pop("audio").keys() == {"url", "seconds", "bytes"}
    assert datetime.fromisoformat(body.pop("created_at")).tzinfo is not None
    assert body == {
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
        "passed_over": [],
    }


@pytest.mark.parametrize(
    ("who", "shown"),
    [("owner", 0), ("staff", 0), ("staff with view permission", 1), ("learner with view permission", 0)],
)
def test_who_was_passed_over_is_for_staff(podcast: DailyPodcast, alex: User, who: str, shown: int) -> None:
    client = browser_of(who, alex)
    failures = [{"kind": "script", "provider": "openai", "message": STAFF_DETAILS}]
    user = User.objects.get(pk=client.session["_auth_user_id"])
    DailyPodcast.objects.update(user=user, passed_over=failures)
    response = send(client, "GET", f"/episodes/{podcast.pk}/")
    assert (response.json()["passed_over"], response.json()["progress"]) == (failures[:shown], "The episode is ready.")
    assert (STAFF_DETAILS in response.content.decode()) is bool(shown)


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
def test_any_title_gives_a_working_url(client: Client, podcast: DailyPodcast, title: str) -> None:
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
def test_without_audio_it_says_why_without_the_details_for_staff(
    client: Client, alex: User, status: Status, values: dict[str, Any], progress: str, code: str | None
) -> None:
    lease = timezone.now() + timedelta(seconds=60)
    row = DailyPodcast.objects.create(
        user=alex, status=status, error_message=STAFF_DETAILS, lease_until=lease, **values
    )
    for url in ("/episodes/today/", f"/episodes/{row.pk}/", f"/episodes/{row.pk}/status/"):
        response = send(client, "GET", url)
        body = response.json()
        assert (body["status"], body["progress"], body.get("audio")) == (status, progress, None)
        assert body["reason"] == (code and {"code": code, "text": Reason(code).label})
        assert STAFF_DETAILS not in response.content.decode()
    assert STAFF_DETAILS not in send(client, "GET", "/episodes/").content.decode()
    assert DailyPodcast.objects.get().error_message == STAFF_DETAILS


def test_texts_are_translated_for_each_request(client: Client, alex: User, monkeypatch: pytest.MonkeyPatch) -> None:
    row = DailyPodcast.objects.create(user=alex, status=Status.FAILED, error_code=Reason.NO_SCRIPT)
    monkeypatch.setattr(translation._trans, "gettext", lambda text: f"<{text}>")  # type: ignore[attr-defined]
    body = send(client, "GET", f"/episodes/{row.pk}/status/").json()
    text = "<No writer could write the script.>"
    assert (body["progress"], body["reason"]) == (text, {"code": "no_script", "text": text})
    unknown = send(client, "GET", "/episodes/999/").json()
    assert unknown == {"detail": "<There is no such episode.>", "code": "not_found"}


def test_the_feed_url_is_the_learners_own_and_stays(client: Client, alex: User) -> None:
    urls = {send(client, "GET", "/feed/").json()["url"] for _ in range(2)}
    assert urls == {f"http://testserver/dailycast/feed/{Feed.objects.get(user=alex).token}/podcast.xml"}
