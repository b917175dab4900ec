"""The learner's pages: who sees them, what they show, what the player requests and sends."""

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import Permission, User
from django.contrib.staticfiles import finders
from django.db import transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format

from dailycast import runners
from dailycast.errors import LearnerContextError
from dailycast.jobs import cooldown
from dailycast.models import DailyPodcast, Feed, Source, Status
from dailycast.web import pages
from tests.web.rows import CHAPTERS, CUES, NAME, make_audio_episode, make_episode

ATTACK = "</script><script>alert(1)</script><b onclick='x'>\""


@pytest.fixture
def podcast(alex: User) -> DailyPodcast:
    return make_audio_episode(alex)


@pytest.fixture
def page(client: Client, alex: User) -> Client:
    client.force_login(alex)
    return client


def html_of(client: Client, name: str, *args: object, **data: str) -> str:
    response = client.get(reverse(f"dailycast:{name}", args=args), data)
    assert response.status_code == 200
    return response.content.decode()


# Who sees them


PEOPLE = [
    "owner",
    "other learner",
    "learner with view permission",
    "staff without permission",
    "staff with view permission",
    "superuser",
    "signed-out",
    "inactive owner",
]
EPISODE_PAGES = ["episode", "status", "transcript_vtt", "transcript_txt", "chapters"]
COMMON_PAGES = ["today", "archive", "picture"]


def client_of(who: str, alex: User) -> Client:
    client, user = Client(), alex
    if who == "signed-out":
        return client
    if "owner" not in who:
        staff = "staff" in who or who == "superuser"
        user = User.objects.create_user(who, is_staff=staff, is_superuser=who == "superuser")
    if "with view permission" in who:
        user.user_permissions.add(Permission.objects.get(codename="view_dailypodcast"))
    client.force_login(user)
    if who == "inactive owner":
        User.objects.filter(pk=user.pk).update(is_active=False)
    return client


def outcome(response: Any) -> int | str:
    """The status, or the address of a redirect."""
    if response.status_code != 302:
        return int(response.status_code)
    return "login" if response["Location"].startswith("/login/?next=") else str(response["Location"])


def expected(who: str, method: str, name: str) -> int | str:
    if who in ("signed-out", "inactive owner"):
        return "login"
    reads, writes = {"GET", "HEAD"}, {"ask": {"POST"}, "position": {"POST", "PUT"}}
    if method not in writes.get(name, reads):
        return 405
    if name == "ask":
        return 400  # the tests send no key, so that no episode is made
    if name in COMMON_PAGES or who == "owner":
        return 200
    return 404


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "DELETE"])
@pytest.mark.parametrize("who", PEOPLE)
def test_who_may_do_what(who: str, method: str, podcast: DailyPodcast, alex: User) -> None:
    client, found, wanted = client_of(who, alex), {}, {}
    for pattern in pages.patterns:
        name = str(pattern.name)
        args = [] if name in (*COMMON_PAGES, "ask") else [podcast.pk]
        response = client.generic(method, reverse(f"dailycast:{name}", args=args), '{"seconds": 5}', "application/json")
        found[name], wanted[name] = outcome(response), expected(who, method, name)
        if "owner" not in who:
            assert b"Two rivers" not in response.content
            assert b"Seine" not in response.content
    assert len(found) == 10
    assert found == wanted


def test_another_learners_episode_does_not_exist(podcast: DailyPodcast, alex: User) -> None:
    client = client_of("other learner", alex)
    for name in EPISODE_PAGES:
        hidden = client.get(reverse(f"dailycast:{name}", args=[podcast.pk]))
        unknown = client.get(reverse(f"dailycast:{name}", args=[podcast.pk + 1]))
        assert hidden.status_code == unknown.status_code == 404
        assert hidden.content == unknown.content


def test_these_tests_catch_a_view_without_the_owner_filter(
    podcast: DailyPodcast, alex: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "_own_episodes", lambda request: DailyPodcast.objects.all())
    client = client_of("other learner", alex)
    leaks = {name: client.get(reverse(f"dailycast:{name}", args=[podcast.pk])).status_code for name in EPISODE_PAGES}
    assert leaks == dict.fromkeys(EPISODE_PAGES, 200)


@pytest.mark.parametrize("who", ["superuser", "staff with view permission", "other learner"])
def test_lists_have_the_learners_own_episodes_only(who: str, podcast: DailyPodcast, alex: User) -> None:
    client = client_of(who, alex)
    for name in ("today", "archive"):
        assert "Two rivers" not in html_of(client, name)
    assert "Two rivers" not in html_of(client, "archive", q="Seine")


def test_nobody_changes_another_learners_position(podcast: DailyPodcast, alex: User) -> None:
    for who in ("other learner", "superuser", "signed-out"):
        client_of(who, alex).put(f"/dailycast/episodes/{podcast.pk}/position/", {"seconds": 95}, "application/json")
    podcast.refresh_from_db()
    assert (podcast.position_seconds, podcast.heard_at) == (0, None)


def test_position_and_request_need_the_csrf_token_of_a_page(podcast: DailyPodcast, alex: User) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(alex)
    address = f"/dailycast/episodes/{podcast.pk}/position/"
    assert client.put(address, {"seconds": 5}, "application/json").status_code == 403
    assert client.post("/dailycast/ask/", {"request_key": str(uuid4())}).status_code == 403
    html = html_of(client, "episode", podcast.pk)
    match = re.search(r'data-csrf="(\w+)"', html)
    assert match
    response = client.put(address, {"seconds": 5}, "application/json", headers={"X-CSRFToken": match[1]})
    assert response.json() == {"seconds": 5.0, "heard": False}


@pytest.mark.parametrize("who", PEOPLE)
def test_no_shared_cache_stores_anything(who: str, podcast: DailyPodcast, alex: User) -> None:
    client = client_of(who, alex)
    for name in (*COMMON_PAGES, *EPISODE_PAGES):
        response = client.get(reverse(f"dailycast:{name}", args=[podcast.pk] if name in EPISODE_PAGES else []))
        if response.status_code != 404:
            assert response["Cache-Control"] == f"private, {'no-cache' if name == 'picture' else 'no-store'}", name
        assert "Cookie" in response["Vary"], name


@pytest.mark.parametrize("pk", ["99999999999999999999999999", "0"])
def test_an_impossible_id_is_not_found(page: Client, pk: str) -> None:
    assert page.get(f"/dailycast/episodes/{pk}/").status_code == 404


# The newest episode, and requesting one


def test_the_newest_episode_is_shown_with_its_player(page: Client, alex: User) -> None:
    make_audio_episode(alex, title="Old")
    podcast = make_audio_episode(alex, title="New")
    html = html_of(page, "today")
    assert f'<audio class="dailycast-audio" controls preload="metadata" src="/media/{NAME}"' in html
    assert f'id="dailycast-{podcast.pk}-title"><bdi lang="en" dir="ltr">New</bdi>' in html
    assert ">Old<" not in html


def test_a_learner_without_an_episode_is_offered_one(page: Client) -> None:
    html = html_of(page, "today")
    assert "There is no episode yet." in html
    assert 'action="/dailycast/ask/"' in html


def ask(client: Client, key: str = "") -> Any:
    return client.post("/dailycast/ask/", {"request_key": key or str(uuid4())})


def test_asking_makes_an_episode_for_the_learner(page: Client, alex: User, settings: Any) -> None:
    settings.DAILYCAST_LLM_PROVIDERS = ["template"]
    assert outcome(ask(page)) == "/dailycast/"
    podcast = DailyPodcast.objects.get()
    assert (podcast.user, podcast.requested_by, podcast.source) == (alex, alex, Source.PAGE)
    assert podcast.status == Status.COMPLETED
    assert podcast.title in html_of(page, "today")


def test_a_form_that_is_sent_twice_makes_one_episode(page: Client, settings: Any) -> None:
    settings.DAILYCAST_RUNNER = "worker"
    match = re.search(r'name="request_key" value="([^"]+)"', html_of(page, "today"))
    assert match
    assert [outcome(ask(page, match[1])) for _ in range(2)] == ["/dailycast/"] * 2
    assert DailyPodcast.objects.count() == 1


def test_the_key_of_another_learner_gives_an_episode_of_ones_own(page: Client, alex: User, settings: Any) -> None:
    settings.DAILYCAST_RUNNER = "worker"
    key = str(uuid4())
    ask(client_of("other learner", alex), key)
    ask(page, key)
    assert DailyPodcast.objects.filter(user=alex).count() == 1
    assert DailyPodcast.objects.count() == 2


@pytest.mark.parametrize("key", ["", "1", "daily:1:2026-01-01", "\0"])
def test_an_invalid_key_is_refused(page: Client, key: str) -> None:
    assert page.post("/dailycast/ask/", {"request_key": key}).status_code == 400
    assert not DailyPodcast.objects.exists()


def test_a_request_too_soon_says_until_when(page: Client, settings: Any) -> None:
    settings.DAILYCAST_RUNNER = "worker"
    settings.DAILYCAST_LLM_PROVIDERS = ["template"]
    ask(page)
    DailyPodcast.objects.update(status=Status.COMPLETED, created_at=datetime.now(UTC) - timedelta(hours=1))
    response = ask(page)
    until = cooldown.cooldown_until(User.objects.get())
    assert until
    assert response.status_code == 429
    html = response.content.decode()
    assert f"You can ask for the next episode from {date_format(until, 'DATETIME_FORMAT')} on." in html
    assert 'action="/dailycast/ask/"' not in html
    assert DailyPodcast.objects.count() == 1


def test_an_error_of_the_host_is_shown_without_details(page: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise LearnerContextError("DAILYCAST_LEARNER_CONTEXT=secret.path cannot be imported.")

    monkeypatch.setattr(runners, "submit", fail)
    response = ask(page)
    assert response.status_code == 503
    assert "An episode cannot be made right now. Please try again later." in response.content.decode()
    assert "secret.path" not in response.content.decode()


@pytest.mark.django_db(transaction=True)
def test_a_host_with_a_transaction_around_each_request_can_ask(page: Client, settings: Any) -> None:
    settings.DAILYCAST_LLM_PROVIDERS = ["template"]
    connection = transaction.get_connection()
    connection.settings_dict["ATOMIC_REQUESTS"] = True
    try:
        assert outcome(ask(page)) == "/dailycast/"
    finally:
        connection.settings_dict["ATOMIC_REQUESTS"] = False
    assert DailyPodcast.objects.get().status == Status.COMPLETED


def test_a_refusal_by_the_budget_is_shown(page: Client, alex: User) -> None:
    make_episode(
        alex, status=Status.FAILED, title="", error_code="budget", error_message="DAILYCAST_DAILY_BUDGET_USD=5"
    )
    html = html_of(page, "today")
    assert "The episode could not be made. The budget of the day does not allow it." in html
    assert "DAILYCAST_DAILY_BUDGET_USD" not in html
    assert 'action="/dailycast/ask/"' in html, "a failed one does not count"


def test_an_episode_in_progress_is_polled_and_the_previous_one_is_shown(page: Client, alex: User) -> None:
    make_audio_episode(alex, title="Yesterday's")
    in_progress = make_episode(alex, title="", script_text="", status=Status.PENDING)
    html = html_of(page, "today")
    assert f'data-dailycast-poll="/dailycast/episodes/{in_progress.pk}/status/"' in html
    assert "The episode waits to be made." in html
    assert '<noscript><p><a href="/dailycast/">' in html
    assert "Yesterday&#x27;s" in html
    assert 'action="/dailycast/ask/"' not in html


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"status": Status.PENDING}, "The episode waits to be made."),
        ({"status": Status.PENDING, "error_code": "budget"}, "The episode waits to be made. The budget of the day"),
        ({"status": Status.RUNNING, "script_text": ""}, "The script is being written."),
        ({"status": Status.RUNNING}, "The audio is being made."),
        ({"status": Status.FAILED, "error_code": "no_script"}, "No writer could write the script."),
        ({"status": Status.COMPLETED, "error_code": "no_voice"}, "Script only: no voice speaks this language."),
        ({"status": Status.COMPLETED, "audio_file": NAME}, "The episode is ready."),
    ],
)
def test_the_status_that_a_page_polls(
    page: Client, alex: User, values: dict[str, Any], text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweeps: list[bool] = []
    monkeypatch.setattr(runners, "sweep", lambda: sweeps.append(True))
    podcast = make_episode(alex, error_message="OpenAI: key sk-123 is wrong", **values)
    state = page.get(reverse("dailycast:status", args=[podcast.pk])).json()
    assert state["text"].startswith(text)
    assert "sk-123" not in state["text"] + html_of(page, "episode", podcast.pk) + html_of(page, "today")
    assert state["in_the_making"] is (values["status"] in (Status.PENDING, Status.RUNNING))
    assert sweeps
    podcast.refresh_from_db()
    assert podcast.error_message == "OpenAI: key sk-123 is wrong"


def test_the_status_is_pending_again_after_a_worker_died(page: Client, alex: User) -> None:
    expired = timezone.now() - timedelta(hours=1)
    podcast = make_episode(alex, status=Status.RUNNING, lease_until=expired, claim_token="x")
    assert page.get(reverse("dailycast:status", args=[podcast.pk])).json()["status"] == "pending"


# One episode


def test_an_episode_has_its_sentences_under_their_chapters(page: Client, podcast: DailyPodcast) -> None:
    html = html_of(page, "episode", podcast.pk)
    positions = [
        html.index(text) for text in ("<h3>Welcome</h3>", "Good morning", "<h3>Practice</h3>", "Which", "Seine")
    ]
    assert positions == sorted(positions)
    assert '<li data-start="8.0">The Seine.</li>' in html
    assert '<li data-start="2.5"><span class="dailycast-time">0:02</span>' in html
    assert f'href="/media/{NAME}?download=1"' in html
    assert re.findall(r"<h(\d)", html) == ["1", "2", "2", "3", "3"]


def test_cues_before_the_first_chapter_are_shown(page: Client, podcast: DailyPodcast) -> None:
    DailyPodcast.objects.update(chapters=CHAPTERS[1:])
    html = html_of(page, "episode", podcast.pk)
    assert html.index("Good morning") < html.index("<h3>Practice</h3>")


def test_an_episode_with_audio_and_no_cues_shows_its_script(page: Client, alex: User) -> None:
    html = html_of(page, "episode", make_audio_episode(alex, cues=[], chapters=[]).pk)
    assert "<audio" in html
    assert "<p>Good morning, Alex.</p>" in html


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"error_code": "audio_not_configured"}, "Script only: no voice is configured."),
        ({"error_code": "pruned"}, "The audio was deleted because of its age; the script is kept."),
        ({"error_code": "missing", "audio_file": NAME, "cues": CUES}, "The audio file is missing on the server."),
    ],
)
def test_an_episode_without_audio_shows_script_and_reason(
    page: Client, alex: User, values: dict[str, Any], reason: str
) -> None:
    html = html_of(page, "episode", make_episode(alex, tts_provider="none", **values).pk)
    assert f"This episode is one to read. {reason}" in html
    assert "<audio" not in html
    assert "<p>Good morning, Alex.</p>" in html
    assert html.index("Which river?") < html.index("Pause: 4 s") < html.index("The Seine.")


def test_the_page_knows_where_the_learner_stopped(page: Client, podcast: DailyPodcast) -> None:
    DailyPodcast.objects.update(position_seconds=42.5)
    assert 'data-position="42.5"' in html_of(page, "episode", podcast.pk)


@pytest.mark.parametrize("language", ["de", "ar", "ja"])
def test_numbers_for_javascript_are_the_same_in_every_language(
    page: Client, alex: User, settings: Any, language: str
) -> None:
    settings.LANGUAGE_CODE = language
    settings.USE_THOUSAND_SEPARATOR = True
    podcast = make_audio_episode(alex, pk=1234567, position_seconds=1234.5)
    html = html_of(page, "episode", podcast.pk)
    assert 'data-position="1234.5"' in html
    assert '<li data-start="8.0">' in html
    assert 'id="dailycast-1234567-title"' in html
    assert f'<html lang="{language}" dir="{"rtl" if language == "ar" else "ltr"}">' in html


def test_a_right_to_left_script_has_its_direction(page: Client, alex: User) -> None:
    html = html_of(page, "episode", make_audio_episode(alex, language="ar", title="نهران").pk)
    assert '<bdi lang="ar" dir="rtl">نهران</bdi>' in html
    assert '<div class="dailycast-script" lang="ar" dir="rtl">' in html


def test_html_in_an_episode_is_escaped(page: Client, alex: User) -> None:
    values = {
        "title": ATTACK,
        "script_text": f"## {ATTACK}\n{ATTACK}",
        "language": '"><script>',
        "cues": [{"start": 0.0, "end": 1.0, "text": ATTACK}],
        "chapters": [{"start": 0.0, "title": ATTACK}],
    }
    for podcast in (make_audio_episode(alex, **values), make_episode(alex, **values)):
        for html in (
            html_of(page, "episode", podcast.pk),
            html_of(page, "today"),
            html_of(page, "archive", q=ATTACK[:20]),
        ):
            assert "alert(1)" in html
            assert "<script>" not in html
            assert "<b " not in html


def test_a_page_has_no_inline_code_and_no_other_origin(page: Client, podcast: DailyPodcast) -> None:
    for html in (html_of(page, "episode", podcast.pk), html_of(page, "today"), html_of(page, "archive")):
        relative = html.replace("http://testserver/", "/")
        for forbidden in ("<style", " style=", " onclick", " onload", "http://", "https://", "javascript:"):
            assert forbidden not in relative
        assert re.findall(r"<script(?![^>]* src=\"/static/dailycast/player\.js\")", relative) == []


def test_every_static_file_of_a_page_exists(page: Client, podcast: DailyPodcast) -> None:
    names = set(re.findall(r'"/static/([^"]+)"', html_of(page, "episode", podcast.pk)))
    assert names == {"dailycast/player.css", "dailycast/player.js", "dailycast/cover.jpg"}
    assert all(finders.find(name) for name in names)


def test_the_owners_cover_replaces_the_built_in_one(
    page: Client, podcast: DailyPodcast, settings: Any, tmp_path: Path
) -> None:
    (tmp_path / "cover.png").write_bytes(b"\x89PNG of the owner's")
    settings.DAILYCAST_COVER = str(tmp_path / "cover.png")
    html, address = html_of(page, "episode", podcast.pk), reverse("dailycast:picture")
    assert (f'data-cover="{address}"' in html, f'src="{address}"' in html) == (True, True)
    assert "/static/dailycast/cover.jpg" not in html.partition("<section")[2]
    response = page.get(address)
    assert (response.content, response["Content-Type"]) == (b"\x89PNG of the owner's", "image/png")
    assert page.get(address, headers={"If-None-Match": response["ETag"]}).status_code == 304
    (tmp_path / "cover.png").unlink()
    settings.DAILYCAST_COVER = str(tmp_path / "none.png")
    assert page.get(address).status_code == 404


# The position


def send_position(client: Client, podcast: DailyPodcast, body: str, method: str = "PUT") -> Any:
    address = reverse("dailycast:position", args=[podcast.pk])
    response = client.generic(method, address, body, "application/json")
    podcast.refresh_from_db()
    return response


@pytest.mark.parametrize("method", ["PUT", "POST"])
def test_the_position_is_saved(page: Client, podcast: DailyPodcast, method: str) -> None:
    assert send_position(page, podcast, '{"seconds": 12.5}', method).json() == {"seconds": 12.5, "heard": False}
    assert podcast.position_seconds == 12.5


def test_at_nine_tenths_an_episode_counts_as_heard_for_good(page: Client, podcast: DailyPodcast) -> None:
    assert send_position(page, podcast, '{"seconds": 89.9}').json()["heard"] is False
    assert send_position(page, podcast, '{"seconds": 90}').json()["heard"] is True
    assert send_position(page, podcast, '{"seconds": 0}').json() == {"seconds": 0.0, "heard": True}
    assert re.search(r'<span class="dailycast-heard">✓ Heard', html_of(page, "archive"))


@pytest.mark.parametrize(
    ("body", "seconds"), [('{"seconds": -5}', 0.0), ('{"seconds": 1e9}', 100.0), ('{"seconds": 3, "x": 1}', 3.0)]
)
def test_a_position_outside_the_episode_is_clamped(
    page: Client, podcast: DailyPodcast, body: str, seconds: float
) -> None:
    assert send_position(page, podcast, body).json()["seconds"] == seconds


@pytest.mark.parametrize(
    "body",
    [
        *("", "x", "[]", "7", "null", "{}", '"seconds"', '{"seconds": null}', '{"seconds": "5"}', '{"seconds": true}'),
        *('{"seconds": NaN}', '{"seconds": Infinity}', '{"seconds": [1]}', '{"seconds": 1' + "0" * 400 + "}", "\udcff"),
        "[" * 100_000,
    ],
    ids=lambda body: body[:16].encode("ascii", "replace").decode() + str(len(body)),
)
def test_a_position_that_is_no_number_is_refused(page: Client, podcast: DailyPodcast, body: str) -> None:
    response = send_position(page, podcast, body.encode("utf-8", "surrogateescape").decode("latin-1"))
    assert response.status_code == 400
    assert (podcast.position_seconds, podcast.heard_at) == (0, None)


# Transcript and chapters


def test_the_transcript_as_webvtt(page: Client, podcast: DailyPodcast) -> None:
    response = page.get(reverse("dailycast:transcript_vtt", args=[podcast.pk]))
    assert response["Content-Type"] == "text/vtt; charset=utf-8"
    assert response.content.decode().startswith("WEBVTT\n\n00:00:00.000 --> 00:00:02.500\nGood morning, Alex.\n")


def test_the_transcript_as_text(page: Client, podcast: DailyPodcast) -> None:
    response = page.get(reverse("dailycast:transcript_txt", args=[podcast.pk]))
    assert response["Content-Type"] == "text/plain; charset=utf-8"
    assert response.content.decode() == (
        "Two rivers\n\nWELCOME\n\nGood morning, Alex.\n\nPRACTICE\n\nWhich river?\n\nThe Seine.\n"
    )


def test_the_chapters_as_json(page: Client, podcast: DailyPodcast) -> None:
    response = page.get(reverse("dailycast:chapters", args=[podcast.pk]))
    assert response["Content-Type"] == "application/json+chapters"
    assert json.loads(response.content)["chapters"][1] == {"startTime": 2.5, "title": "Practice"}


@pytest.mark.parametrize("name", ["transcript_vtt", "chapters"])
def test_an_episode_without_audio_or_cues_has_no_timed_transcript(page: Client, alex: User, name: str) -> None:
    for podcast in (
        make_episode(alex),
        make_audio_episode(alex, error_code="missing"),
        make_audio_episode(alex, cues=[]),
    ):
        assert page.get(reverse(f"dailycast:{name}", args=[podcast.pk])).status_code == 404
    assert "Seine" in html_of(page, "transcript_txt", make_episode(alex).pk)


# The archive


def set_created(podcast: DailyPodcast, day: str) -> None:
    DailyPodcast.objects.filter(pk=podcast.pk).update(created_at=datetime.fromisoformat(day + "T12:00:00+00:00"))


def headings(html: str) -> list[str]:
    return re.findall(r"<h2>(.*?)</h2>|<bdi[^>]*>(.*?)</bdi>", html)


def test_the_archive_goes_by_month_newest_first(page: Client, alex: User) -> None:
    for title, day in (("A", "2026-02-01"), ("B", "2026-01-31"), ("C", "2026-02-28"), ("D", "2025-02-10")):
        set_created(make_audio_episode(alex, title=title), day)
    for status in (Status.PENDING, Status.RUNNING, Status.FAILED):
        make_episode(alex, title="Not yet", status=status)
    listed = ["".join(pair) for pair in headings(html_of(page, "archive"))]
    assert listed == ["February 2026", "C", "A", "January 2026", "B", "February 2025", "D"]


def test_months_are_local(page: Client, alex: User, settings: Any) -> None:
    settings.TIME_ZONE = "Asia/Tokyo"
    podcast = make_audio_episode(alex)
    DailyPodcast.objects.filter(pk=podcast.pk).update(created_at=datetime(2026, 1, 31, 16, tzinfo=UTC))
    assert "<h2>February 2026</h2>" in html_of(page, "archive")


def test_the_archive_shows_length_and_position(page: Client, alex: User) -> None:
    make_audio_episode(alex, duration_seconds=275.4, position_seconds=61)
    make_episode(alex, title="Read me")
    html = html_of(page, "archive")
    assert "4:35" in html
    assert "Stopped at 1:01" in html
    assert html.count("To read") == 1


def test_the_archive_loads_no_scripts_and_needs_four_queries(
    page: Client, alex: User, django_assert_max_num_queries: Any
) -> None:
    for number in range(40):
        make_audio_episode(alex, title=f"No {number}", script_text="long")
    with django_assert_max_num_queries(4):  # session, user, count, page
        first = page.get("/dailycast/archive/")
    assert "script_text" in first.context["page"][0].get_deferred_fields()
    assert len(first.context["page"]) == 30
    assert 'href="?page=2"' in first.content.decode()
    assert len(page.get("/dailycast/archive/?page=2").context["page"]) == 10
    assert page.get("/dailycast/archive/?page=nonsense").status_code == 200


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("seine", ["Two rivers"]),
        ("RIVER", ["Two rivers", "Three rivers"]),
        ("rivers seine", ["Two rivers"]),
        ("  rivers \t seine ", ["Two rivers"]),
        ("rivers nile", ["Three rivers"]),
        ("seine nile", []),
        ("%", []),
        ("_", []),
        ("' OR 1=1 --", []),
        ("\0seine", ["Two rivers"]),
        ("", ["Two rivers", "Three rivers"]),
        ("\0", ["Two rivers", "Three rivers"]),
    ],
)
def test_search_finds_all_words_in_title_or_script(page: Client, alex: User, query: str, found: list[str]) -> None:
    make_episode(alex, title="Three rivers", script_text="The Nile, the Po, the Tiber.")
    make_episode(alex)
    listed = page.get("/dailycast/archive/", {"q": query}).context["page"]
    assert [podcast.title for podcast in listed] == found


def test_a_search_shows_its_count_and_keeps_its_words_on_the_next_page(page: Client, alex: User) -> None:
    for _ in range(31):
        make_episode(alex)
    html = html_of(page, "archive", q="Seine rivers")
    assert "31 episodes found for “Seine rivers”." in html
    assert 'href="?q=Seine%20rivers&amp;page=2"' in html
    assert "1 episode found" not in html_of(page, "archive", q="Rhine")


def test_a_long_search_works(page: Client, podcast: DailyPodcast) -> None:
    assert page.get("/dailycast/archive/", {"q": "river " * 1000}).status_code == 200
    assert page.get("/dailycast/archive/", {"q": "x" * 100_000}).context["query"] == "x" * 200


# The private feed


def test_the_feed_panel_has_the_learners_own_link(page: Client, alex: User) -> None:
    html = html_of(page, "today")
    link = "http://testserver" + reverse("dailycast:feed", args=[Feed.objects.get(user=alex).token])
    assert f'readonly dir="ltr" value="{link}"' in html
    assert f'<form method="post" action="{reverse("dailycast:feed_new")}">' in html
    assert "Whoever has this link can listen to your episodes" in html


def test_other_pages_do_not_have_the_feed_link(page: Client, alex: User, podcast: DailyPodcast) -> None:
    html_of(page, "today")
    token = Feed.objects.get(user=alex).token
    assert token not in html_of(page, "episode", podcast.pk) + html_of(page, "archive")


# In a host


def test_a_host_can_replace_the_base_template_without_context_processors(
    page: Client, podcast: DailyPodcast, settings: Any, tmp_path: Path
) -> None:
    (tmp_path / "dailycast").mkdir()
    base = "<title>{% block title %}{% endblock %}</title>Our school{% block main %}{% endblock %}"
    (tmp_path / "dailycast/base.html").write_text(base)
    engine = {"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}
    settings.TEMPLATES = [{**engine, "DIRS": [tmp_path]}]
    for html in (html_of(page, "today"), html_of(page, "archive", q="rivers"), html_of(page, "episode", podcast.pk)):
        assert "Our school" in html
        assert "Two rivers" in html
        assert "dailycast-header" not in html
