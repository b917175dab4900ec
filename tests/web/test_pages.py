"""The learner's pages: whose they are, what they show, what the player asks for and tells."""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import Permission, User
from django.contrib.staticfiles import finders
from django.db import transaction
from django.template import Context, RequestContext, Template
from django.test import Client, RequestFactory
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format

import dailycast.urls
from dailycast import runners
from dailycast.errors import LearnerContextError
from dailycast.jobs import cooldown
from dailycast.models import DailyPodcast, Feed, Source, Status
from dailycast.templatetags.dailycast import clock, direction, download
from dailycast.web import pages

urlpatterns = dailycast.urls.media  # of a host that mounts no pages
NAME = "podcasts/podcast_1_1701920000.mp3"
SCRIPT = "# Two rivers\n## Welcome\nGood morning, Alex.\n## Practice\nWhich river?\n[pause 4s]\nThe Seine."
CUES = [
    {"start": 0.0, "end": 2.5, "text": "Good morning, Alex."},
    {"start": 2.5, "end": 4.0, "text": "Which river?"},
    {"start": 8.0, "end": 9.5, "text": "The Seine."},
]
CHAPTERS = [{"start": 0.0, "title": "Welcome"}, {"start": 2.5, "title": "Practice"}]
ATTACK = "</script><script>alert(1)</script><b onclick='x'>\""


def episode(user: User, **values: Any) -> DailyPodcast:
    usual = {"language": "en", "title": "Two rivers", "script_text": SCRIPT, "status": Status.COMPLETED}
    return DailyPodcast.objects.create(user=user, **usual | values)


def heard(user: User, **values: Any) -> DailyPodcast:
    """An episode with audio."""
    usual = {"audio_file": NAME, "duration_seconds": 100.0, "cues": CUES, "chapters": CHAPTERS, "tts_provider": "pico"}
    return episode(user, **usual | values)


@pytest.fixture
def podcast(alex: User) -> DailyPodcast:
    return heard(alex)


@pytest.fixture
def page(client: Client, alex: User) -> Client:
    client.force_login(alex)
    return client


def html_of(client: Client, name: str, *args: object, **data: str) -> str:
    response = client.get(reverse(f"dailycast:{name}", args=args), data)
    assert response.status_code == 200
    return response.content.decode()


# Whose pages they are

WHO = [
    "owner",
    "other learner",
    "learner with view permission",
    "staff without permission",
    "staff with view permission",
    "superuser",
    "signed-out",
    "inactive owner",
]
OF_ONE = ["episode", "status", "transcript_vtt", "transcript_txt", "chapters"]
OF_ALL = ["today", "archive", "picture"]


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
    """The status, or where one is sent."""
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
        return 400  # without a key, on purpose: the table asks for no episode
    if name in OF_ALL or who == "owner":
        return 200
    return 404


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "DELETE"])
@pytest.mark.parametrize("who", WHO)
def test_who_may_do_what(who: str, method: str, podcast: DailyPodcast, alex: User) -> None:
    client, found, wanted = client_of(who, alex), {}, {}
    for pattern in pages.patterns:
        name = str(pattern.name)
        args = [] if name in (*OF_ALL, "ask") else [podcast.pk]
        response = client.generic(method, reverse(f"dailycast:{name}", args=args), '{"seconds": 5}', "application/json")
        found[name], wanted[name] = outcome(response), expected(who, method, name)
        if "owner" not in who:
            assert b"Two rivers" not in response.content
            assert b"Seine" not in response.content
    assert len(found) == 10
    assert found == wanted


def test_anothers_episode_is_answered_as_one_that_does_not_exist(podcast: DailyPodcast, alex: User) -> None:
    client = client_of("other learner", alex)
    for name in OF_ONE:
        hidden = client.get(reverse(f"dailycast:{name}", args=[podcast.pk]))
        unknown = client.get(reverse(f"dailycast:{name}", args=[podcast.pk + 1]))
        assert hidden.status_code == unknown.status_code == 404
        assert hidden.content == unknown.content


def test_a_view_that_forgets_its_owner_is_seen_by_the_table(
    podcast: DailyPodcast, alex: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "_mine", lambda request: DailyPodcast.objects.all())
    client = client_of("other learner", alex)
    leaks = {name: client.get(reverse(f"dailycast:{name}", args=[podcast.pk])).status_code for name in OF_ONE}
    assert leaks == dict.fromkeys(OF_ONE, 200)


@pytest.mark.parametrize("who", ["superuser", "staff with view permission", "other learner"])
def test_nobody_sees_anothers_episodes_in_their_own_list(who: str, podcast: DailyPodcast, alex: User) -> None:
    client = client_of(who, alex)
    for name in ("today", "archive"):
        assert "Two rivers" not in html_of(client, name)
    assert "Two rivers" not in html_of(client, "archive", q="Seine")


def test_nobody_moves_anothers_place(podcast: DailyPodcast, alex: User) -> None:
    for who in ("other learner", "superuser", "signed-out"):
        client_of(who, alex).put(f"/dailycast/episodes/{podcast.pk}/position/", {"seconds": 95}, "application/json")
    podcast.refresh_from_db()
    assert (podcast.position_seconds, podcast.heard_at) == (0, None)


def test_a_place_and_a_wish_need_the_token_of_a_page(podcast: DailyPodcast, alex: User) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(alex)
    address = f"/dailycast/episodes/{podcast.pk}/position/"
    assert client.put(address, {"seconds": 5}, "application/json").status_code == 403
    assert client.post("/dailycast/ask/", {"request_key": str(uuid4())}).status_code == 403
    html = html_of(client, "episode", podcast.pk)
    found = re.search(r'data-csrf="(\w+)"', html)
    assert found
    sent = client.put(address, {"seconds": 5}, "application/json", headers={"X-CSRFToken": found[1]})
    assert sent.json() == {"seconds": 5.0, "heard": False}


@pytest.mark.parametrize("who", WHO)
def test_nothing_is_kept_by_a_shared_cache(who: str, podcast: DailyPodcast, alex: User) -> None:
    client = client_of(who, alex)
    for name in (*OF_ALL, *OF_ONE):
        response = client.get(reverse(f"dailycast:{name}", args=[podcast.pk] if name in OF_ONE else []))
        if response.status_code != 404:
            assert response["Cache-Control"] == f"private, {'no-cache' if name == 'picture' else 'no-store'}", name
        assert "Cookie" in response["Vary"], name


@pytest.mark.parametrize("pk", ["99999999999999999999999999", "0"])
def test_an_impossible_number_is_just_not_found(page: Client, pk: str) -> None:
    assert page.get(f"/dailycast/episodes/{pk}/").status_code == 404


# The newest episode, and asking for one


def test_the_newest_is_shown_with_its_player(page: Client, alex: User) -> None:
    heard(alex, title="Old")
    podcast = heard(alex, title="New")
    html = html_of(page, "today")
    assert f'<audio class="dailycast-audio" controls preload="metadata" src="/media/{NAME}"' in html
    assert f'id="dailycast-{podcast.pk}-title"><bdi lang="en" dir="ltr">New</bdi>' in html
    assert ">Old<" not in html


def test_who_has_none_is_offered_one(page: Client) -> None:
    html = html_of(page, "today")
    assert "There is no episode yet." in html
    assert 'action="/dailycast/ask/"' in html


def ask(client: Client, key: str = "") -> Any:
    return client.post("/dailycast/ask/", {"request_key": key or str(uuid4())})


def test_asking_makes_one_with_ones_name_on_it(page: Client, alex: User, settings: Any) -> None:
    settings.DAILYCAST_LLM_PROVIDERS = ["template"]
    assert outcome(ask(page)) == "/dailycast/"
    podcast = DailyPodcast.objects.get()
    assert (podcast.user, podcast.requested_by, podcast.source) == (alex, alex, Source.PAGE)
    assert podcast.status == Status.COMPLETED
    assert podcast.title in html_of(page, "today")


def test_a_form_that_is_sent_twice_asks_once(page: Client, settings: Any) -> None:
    settings.DAILYCAST_RUNNER = "worker"
    found = re.search(r'name="request_key" value="([^"]+)"', html_of(page, "today"))
    assert found
    assert [outcome(ask(page, found[1])) for _ in range(2)] == ["/dailycast/"] * 2
    assert DailyPodcast.objects.count() == 1


def test_the_key_of_another_learner_gives_nothing_of_theirs(page: Client, alex: User, settings: Any) -> None:
    settings.DAILYCAST_RUNNER = "worker"
    key = str(uuid4())
    ask(client_of("other learner", alex), key)
    ask(page, key)
    assert DailyPodcast.objects.filter(user=alex).count() == 1
    assert DailyPodcast.objects.count() == 2


@pytest.mark.parametrize("key", ["", "1", "daily:1:2026-01-01", "\0"])
def test_a_key_that_no_page_gave_is_refused(page: Client, key: str) -> None:
    assert page.post("/dailycast/ask/", {"request_key": key}).status_code == 400
    assert not DailyPodcast.objects.exists()


def test_who_asks_too_soon_is_told_until_when(page: Client, settings: Any) -> None:
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


def test_what_the_learner_cannot_mend_is_told_without_details(page: Client, monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_what_the_budget_refuses_ends_on_the_page(page: Client, alex: User) -> None:
    episode(alex, status=Status.FAILED, title="", error_code="budget", error_message="DAILYCAST_DAILY_BUDGET_USD=5")
    html = html_of(page, "today")
    assert "The episode could not be made. The budget of the day does not allow it." in html
    assert "DAILYCAST_DAILY_BUDGET_USD" not in html
    assert 'action="/dailycast/ask/"' in html, "a failed one does not count"


def test_one_in_the_making_is_watched_and_the_last_one_stays_to_hear(page: Client, alex: User) -> None:
    heard(alex, title="Yesterday's")
    making = episode(alex, title="", script_text="", status=Status.PENDING)
    html = html_of(page, "today")
    assert f'data-dailycast-poll="/dailycast/episodes/{making.pk}/status/"' in html
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
def test_the_state_is_told_to_a_page_that_asks(
    page: Client, alex: User, values: dict[str, Any], text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    swept: list[bool] = []
    monkeypatch.setattr(runners, "sweep", lambda: swept.append(True))
    podcast = episode(alex, error_message="OpenAI: key sk-123 is wrong", **values)
    told = page.get(reverse("dailycast:status", args=[podcast.pk])).json()
    assert told["text"].startswith(text)
    assert "sk-123" not in told["text"] + html_of(page, "episode", podcast.pk) + html_of(page, "today")
    assert told["in_the_making"] is (values["status"] in (Status.PENDING, Status.RUNNING))
    assert swept
    podcast.refresh_from_db()
    assert podcast.error_message == "OpenAI: key sk-123 is wrong"


def test_a_worker_that_is_gone_does_not_leave_a_page_waiting(page: Client, alex: User) -> None:
    gone = timezone.now() - timedelta(hours=1)
    podcast = episode(alex, status=Status.RUNNING, lease_until=gone, claim_token="x")
    assert page.get(reverse("dailycast:status", args=[podcast.pk])).json()["status"] == "pending"


# One episode


def test_an_episode_has_its_sentences_under_their_chapters(page: Client, podcast: DailyPodcast) -> None:
    html = html_of(page, "episode", podcast.pk)
    places = [html.index(text) for text in ("<h3>Welcome</h3>", "Good morning", "<h3>Practice</h3>", "Which", "Seine")]
    assert places == sorted(places)
    assert '<li data-start="8.0">The Seine.</li>' in html
    assert '<li data-start="2.5"><span class="dailycast-time">0:02</span>' in html
    assert f'href="/media/{NAME}?download=1"' in html
    assert re.findall(r"<h(\d)", html) == ["1", "2", "2", "3", "3"]


def test_what_is_said_before_the_first_chapter_is_there_too(page: Client, podcast: DailyPodcast) -> None:
    DailyPodcast.objects.update(chapters=CHAPTERS[1:])
    html = html_of(page, "episode", podcast.pk)
    assert html.index("Good morning") < html.index("<h3>Practice</h3>")


def test_an_episode_with_audio_and_no_cues_shows_its_script(page: Client, alex: User) -> None:
    html = html_of(page, "episode", heard(alex, cues=[], chapters=[]).pk)
    assert "<audio" in html
    assert "<p>Good morning, Alex.</p>" in html


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"error_code": "audio_not_configured"}, "Script only: no voice is configured."),
        ({"error_code": "pruned"}, "The audio was deleted because of its age; the script is kept."),
        ({"error_code": "missing", "audio_file": NAME, "cues": CUES}, "The audio file is missing on the server."),
    ],
)
def test_an_episode_without_audio_is_read_and_says_why(
    page: Client, alex: User, values: dict[str, Any], why: str
) -> None:
    html = html_of(page, "episode", episode(alex, tts_provider="none", **values).pk)
    assert f"This episode is one to read. {why}" in html
    assert "<audio" not in html
    assert "<p>Good morning, Alex.</p>" in html
    assert html.index("Which river?") < html.index("Pause: 4 s") < html.index("The Seine.")


def test_the_page_knows_where_the_learner_stopped(page: Client, podcast: DailyPodcast) -> None:
    DailyPodcast.objects.update(position_seconds=42.5)
    assert 'data-position="42.5"' in html_of(page, "episode", podcast.pk)


@pytest.mark.parametrize("language", ["de", "ar", "ja"])
def test_numbers_for_scripts_are_written_alike_in_every_language(
    page: Client, alex: User, settings: Any, language: str
) -> None:
    settings.LANGUAGE_CODE = language
    settings.USE_THOUSAND_SEPARATOR = True
    podcast = heard(alex, pk=1234567, position_seconds=1234.5)
    html = html_of(page, "episode", podcast.pk)
    assert 'data-position="1234.5"' in html
    assert '<li data-start="8.0">' in html
    assert 'id="dailycast-1234567-title"' in html
    assert f'<html lang="{language}" dir="{"rtl" if language == "ar" else "ltr"}">' in html


def test_a_script_from_right_to_left_says_so(page: Client, alex: User) -> None:
    html = html_of(page, "episode", heard(alex, language="ar", title="نهران").pk)
    assert '<bdi lang="ar" dir="rtl">نهران</bdi>' in html
    assert '<div class="dailycast-script" lang="ar" dir="rtl">' in html


def test_text_from_outside_is_shown_and_not_run(page: Client, alex: User) -> None:
    values = {
        "title": ATTACK,
        "script_text": f"## {ATTACK}\n{ATTACK}",
        "language": '"><script>',
        "cues": [{"start": 0.0, "end": 1.0, "text": ATTACK}],
        "chapters": [{"start": 0.0, "title": ATTACK}],
    }
    for podcast in (heard(alex, **values), episode(alex, **values)):
        for html in (
            html_of(page, "episode", podcast.pk),
            html_of(page, "today"),
            html_of(page, "archive", q=ATTACK[:20]),
        ):
            assert "alert(1)" in html
            assert "<script>" not in html
            assert "<b " not in html


def test_a_page_has_nothing_inline_and_nothing_from_elsewhere(page: Client, podcast: DailyPodcast) -> None:
    for html in (html_of(page, "episode", podcast.pk), html_of(page, "today"), html_of(page, "archive")):
        own = html.replace("http://testserver/", "/")
        for forbidden in ("<style", " style=", " onclick", " onload", "http://", "https://", "javascript:"):
            assert forbidden not in own
        assert re.findall(r"<script(?![^>]* src=\"/static/dailycast/player\.js\")", own) == []


def test_every_static_file_of_a_page_is_there(page: Client, podcast: DailyPodcast) -> None:
    named = set(re.findall(r'"/static/([^"]+)"', html_of(page, "episode", podcast.pk)))
    assert named == {"dailycast/player.css", "dailycast/player.js", "dailycast/cover.jpg"}
    assert all(finders.find(name) for name in named)


def test_a_cover_of_the_owners_takes_the_place_of_ours(
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


def test_where_the_pages_are_not_mounted_the_owners_cover_is_left_out(
    podcast: DailyPodcast, settings: Any, tmp_path: Path
) -> None:
    settings.DAILYCAST_COVER, settings.ROOT_URLCONF = str(tmp_path / "cover.png"), "tests.web.test_pages"
    html = Template("{% load dailycast %}{% podcast_player podcast %}").render(Context({"podcast": podcast}))
    assert "data-cover" not in html
    assert "<img" not in html


# Where the learner stopped


def stop(client: Client, podcast: DailyPodcast, body: str, method: str = "PUT") -> Any:
    address = reverse("dailycast:position", args=[podcast.pk])
    response = client.generic(method, address, body, "application/json")
    podcast.refresh_from_db()
    return response


@pytest.mark.parametrize("method", ["PUT", "POST"])
def test_the_place_is_kept(page: Client, podcast: DailyPodcast, method: str) -> None:
    assert stop(page, podcast, '{"seconds": 12.5}', method).json() == {"seconds": 12.5, "heard": False}
    assert podcast.position_seconds == 12.5


def test_at_nine_tenths_it_counts_as_heard_for_good(page: Client, podcast: DailyPodcast) -> None:
    assert stop(page, podcast, '{"seconds": 89.9}').json()["heard"] is False
    assert stop(page, podcast, '{"seconds": 90}').json()["heard"] is True
    assert stop(page, podcast, '{"seconds": 0}').json() == {"seconds": 0.0, "heard": True}
    assert re.search(r'<span class="dailycast-heard">✓ Heard', html_of(page, "archive"))


@pytest.mark.parametrize(
    ("body", "seconds"), [('{"seconds": -5}', 0.0), ('{"seconds": 1e9}', 100.0), ('{"seconds": 3, "x": 1}', 3.0)]
)
def test_a_place_outside_the_episode_is_put_inside(
    page: Client, podcast: DailyPodcast, body: str, seconds: float
) -> None:
    assert stop(page, podcast, body).json()["seconds"] == seconds


@pytest.mark.parametrize(
    "body",
    [
        *("", "x", "[]", "7", "null", "{}", '"seconds"', '{"seconds": null}', '{"seconds": "5"}', '{"seconds": true}'),
        *('{"seconds": NaN}', '{"seconds": Infinity}', '{"seconds": [1]}', '{"seconds": 1' + "0" * 400 + "}", "\udcff"),
        "[" * 100_000,
    ],
    ids=lambda body: body[:16].encode("ascii", "replace").decode() + str(len(body)),
)
def test_what_is_no_number_is_refused(page: Client, podcast: DailyPodcast, body: str) -> None:
    response = stop(page, podcast, body.encode("utf-8", "surrogateescape").decode("latin-1"))
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
def test_without_audio_nothing_has_a_time(page: Client, alex: User, name: str) -> None:
    for podcast in (episode(alex), heard(alex, error_code="missing"), heard(alex, cues=[])):
        assert page.get(reverse(f"dailycast:{name}", args=[podcast.pk])).status_code == 404
    assert "Seine" in html_of(page, "transcript_txt", episode(alex).pk)


# The archive


def made(podcast: DailyPodcast, when: str) -> None:
    DailyPodcast.objects.filter(pk=podcast.pk).update(created_at=datetime.fromisoformat(when + "T12:00:00+00:00"))


def headings(html: str) -> list[str]:
    return re.findall(r"<h2>(.*?)</h2>|<bdi[^>]*>(.*?)</bdi>", html)


def test_the_archive_goes_by_month_newest_first(page: Client, alex: User) -> None:
    for title, when in (("A", "2026-02-01"), ("B", "2026-01-31"), ("C", "2026-02-28"), ("D", "2025-02-10")):
        made(heard(alex, title=title), when)
    for status in (Status.PENDING, Status.RUNNING, Status.FAILED):
        episode(alex, title="Not yet", status=status)
    listed = ["".join(pair) for pair in headings(html_of(page, "archive"))]
    assert listed == ["February 2026", "C", "A", "January 2026", "B", "February 2025", "D"]


def test_months_are_the_learners_own(page: Client, alex: User, settings: Any) -> None:
    settings.TIME_ZONE = "Asia/Tokyo"
    podcast = heard(alex)
    DailyPodcast.objects.filter(pk=podcast.pk).update(created_at=datetime(2026, 1, 31, 16, tzinfo=UTC))
    assert "<h2>February 2026</h2>" in html_of(page, "archive")


def test_each_says_how_long_it_is_and_how_far_one_got(page: Client, alex: User) -> None:
    heard(alex, duration_seconds=275.4, position_seconds=61)
    episode(alex, title="Read me")
    html = html_of(page, "archive")
    assert "4:35" in html
    assert "Stopped at 1:01" in html
    assert html.count("To read") == 1


def test_the_archive_loads_no_scripts_and_asks_little(
    page: Client, alex: User, django_assert_max_num_queries: Any
) -> None:
    for number in range(40):
        heard(alex, title=f"No {number}", script_text="long")
    with django_assert_max_num_queries(4):  # session, user, count, page
        first = page.get("/dailycast/archive/")
    assert "script_text" in first.context["page"][0].get_deferred_fields()
    assert len(first.context["page"]) == 30
    assert 'href="?page=2"' in first.content.decode()
    assert len(page.get("/dailycast/archive/?page=2").context["page"]) == 10
    assert page.get("/dailycast/archive/?page=nonsense").status_code == 200


@pytest.mark.parametrize(
    ("asked", "found"),
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
def test_search_finds_all_words_in_title_or_script(page: Client, alex: User, asked: str, found: list[str]) -> None:
    episode(alex, title="Three rivers", script_text="The Nile, the Po, the Tiber.")
    episode(alex)
    listed = page.get("/dailycast/archive/", {"q": asked}).context["page"]
    assert [podcast.title for podcast in listed] == found


def test_a_search_says_what_it_found_and_keeps_its_words_over_pages(page: Client, alex: User) -> None:
    for _ in range(31):
        episode(alex)
    html = html_of(page, "archive", q="Seine rivers")
    assert "31 episodes found for “Seine rivers”." in html
    assert 'href="?q=Seine%20rivers&amp;page=2"' in html
    assert "1 episode found" not in html_of(page, "archive", q="Rhine")


def test_a_search_of_any_length_is_answered(page: Client, podcast: DailyPodcast) -> None:
    assert page.get("/dailycast/archive/", {"q": "river " * 1000}).status_code == 200


# The private feed


def test_the_panel_has_the_learners_own_link(page: Client, alex: User) -> None:
    html = html_of(page, "today")
    link = "http://testserver" + reverse("dailycast:feed", args=[Feed.objects.get(user=alex).token])
    assert f'readonly dir="ltr" value="{link}"' in html
    assert f'<form method="post" action="{reverse("dailycast:feed_new")}">' in html
    assert "Whoever has this link can listen to your episodes" in html


def test_only_the_panel_has_the_link(page: Client, alex: User, podcast: DailyPodcast) -> None:
    html_of(page, "today")
    token = Feed.objects.get(user=alex).token
    assert token not in html_of(page, "episode", podcast.pk) + html_of(page, "archive")


# In a host


def test_a_host_has_a_frame_of_its_own_and_need_not_have_context_processors(
    page: Client, podcast: DailyPodcast, settings: Any, tmp_path: Path
) -> None:
    (tmp_path / "dailycast").mkdir()
    frame = "<title>{% block title %}{% endblock %}</title>Our school{% block main %}{% endblock %}"
    (tmp_path / "dailycast/base.html").write_text(frame)
    engine = {"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}
    settings.TEMPLATES = [{**engine, "DIRS": [tmp_path]}]
    for html in (html_of(page, "today"), html_of(page, "archive", q="rivers"), html_of(page, "episode", podcast.pk)):
        assert "Our school" in html
        assert "Two rivers" in html
        assert "dailycast-header" not in html


TAG = "{% load dailycast %}{% podcast_player podcast %}"


def rendered(podcast: DailyPodcast | None, template: str = TAG) -> str:
    return Template(template).render(Context({"podcast": podcast}))


def test_a_host_needs_no_request_and_no_context_processor(podcast: DailyPodcast) -> None:
    html = rendered(podcast)
    assert "<audio" in html
    assert 'data-csrf=""' in html
    assert 'href="/static/dailycast/player.css"' in html
    assert 'src="/static/dailycast/player.js" defer' in html


def test_a_page_that_is_rendered_for_a_request_can_keep_the_place(podcast: DailyPodcast) -> None:
    html = Template(TAG).render(RequestContext(RequestFactory().get("/"), {"podcast": podcast}))
    assert re.search(r'data-csrf="\w{64}"', html)
    assert f'data-position-url="/dailycast/episodes/{podcast.pk}/position/"' in html


@pytest.mark.urls("tests.web.test_pages")
def test_a_host_that_mounts_no_pages_has_a_player_all_the_same(podcast: DailyPodcast) -> None:
    html = rendered(podcast)
    assert "<audio" in html
    assert 'data-position-url=""' in html
    assert "Script as text" not in html


@pytest.mark.parametrize(("level", "found"), [(1, "1 2 2 3 3"), (2, "2 3 3 4 4"), (4, "4 5 5 6 6"), (6, "4 5 5 6 6")])
def test_the_headings_follow_the_hosts(podcast: DailyPodcast, level: int, found: str) -> None:
    html = rendered(podcast, TAG.replace("podcast %}", f"podcast level={level} %}}"))
    assert re.findall(r"<h(\d)", html) == found.split()


def test_no_episode_is_no_player() -> None:
    assert rendered(None).strip() == ""


def test_one_that_is_not_ready_tells_its_state(alex: User) -> None:
    html = rendered(episode(alex, status=Status.RUNNING))
    assert "The audio is being made." in html
    assert "<audio" not in html


@pytest.mark.parametrize(
    ("show", "given", "shown"),
    [
        (clock, 0, "0:00"),
        (clock, 59.9, "0:59"),
        (clock, 275.4, "4:35"),
        (clock, 3723, "1:02:03"),
        (clock, None, "0:00"),
        (direction, "ar", "rtl"),
        (direction, "ar-EG", "rtl"),
        (direction, "zh-Hans-CN", "ltr"),
        (direction, "", "ltr"),
        (direction, "xx", "ltr"),
        (download, "/media/x.mp3", "/media/x.mp3?download=1"),
        (download, "https://s3/x.mp3?signature=1", "https://s3/x.mp3?signature=1"),
    ],
)
def test_how_things_are_written(show: Callable[[Any], str], given: Any, shown: str) -> None:
    assert show(given) == shown
