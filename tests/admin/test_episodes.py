import re
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from dailycast import services
from dailycast.admin.episodes import DailyPodcastAdmin
from dailycast.audio import clips
from dailycast.errors import LanguageError, ProviderError
from dailycast.jobs import queue
from dailycast.jobs.job import Job
from dailycast.models import DailyPodcast, Reason, Status
from dailycast.studio.voices import clip_key
from dailycast.tts.base import Voice
from tests.admin.pages import form_data, messages_of, text, url
from tests.admin.providers import SCRIPT, FakeVoice, FakeWriter

# Who may do what

ACTIONS: dict[str, Callable[[Client, DailyPodcast], Any]] = {
    "list": lambda client, row: client.get(url("")),
    "detail": lambda client, row: client.get(url("change/", row.pk)),
    "ask": lambda client, row: client.get(url("generate/")),
    "generate": lambda client, row: client.post(url("generate/"), form_data(row.user)),
    "make audio": lambda client, row: client.post(url("make-audio/", row.pk)),
    "edit": lambda client, row: client.post(url("change/", row.pk), {"title": "New", "script_text": SCRIPT}),
    "delete": lambda client, row: client.post(url("delete/", row.pk), {"post": "yes"}),
}


@pytest.mark.parametrize(
    ("who", "may"),
    [
        ("superuser", [200, 200, 200, 302, 302, 302, 302]),
        ("staff who may view", [200, 200, 403, 403, 403, 403, 403]),
        ("staff who may add", [403, 403, 200, 302, 403, 403, 403]),
        ("staff who may change", [200, 200, 403, 403, 302, 302, 403]),
        ("staff who may delete", [403, 403, 403, 403, 403, 403, 302]),
        ("staff", [403, 403, 403, 403, 403, 403, 403]),
        ("learner who may view", ["login"] * 7),
        ("learner", ["login"] * 7),
        ("signed-out", ["login"] * 7),
    ],
)
def test_who_may_do_what(script_only: DailyPodcast, client: Client, who: str, may: list[Any]) -> None:
    if who == "learner":
        client.force_login(script_only.user)
    elif who != "signed-out":
        user = User.objects.create_user("someone", is_staff="staff" in who, is_superuser=who == "superuser")
        user.is_staff = not who.startswith("learner")
        user.save()
        user.user_permissions.set(Permission.objects.filter(codename=f"{who.split()[-1]}_dailypodcast"))
        client.force_login(user)
    responses = [action(client, script_only) for action in ACTIONS.values()]
    found = [
        "login" if "/login/" in response.headers.get("Location", "") else response.status_code for response in responses
    ]
    assert found == may
    paid = [may[3], may[4]].count(302)
    assert (len(FakeWriter.calls), bool(FakeVoice.calls)) == (int(may[3] == 302), paid > 0)


@pytest.mark.parametrize(
    ("role", "buttons"), [("superuser", (True, True)), ("view", (False, False)), ("change", (False, True))]
)
def test_buttons_are_shown_to_those_who_may_use_them(
    script_only: DailyPodcast, client: Client, role: str, buttons: tuple[bool, bool]
) -> None:
    user = User.objects.create_user("someone", is_staff=True, is_superuser=role == "superuser")
    user.user_permissions.set(Permission.objects.filter(codename=f"{role}_dailypodcast"))
    client.force_login(user)
    pages = client.get(url("")).content.decode(), client.get(url("change/", script_only.pk)).content.decode()
    assert ("/dailypodcast/generate/" in pages[0], "/make-audio/" in pages[1]) == buttons


def test_both_buttons_need_a_csrf_token(superuser_client: Client, script_only: DailyPodcast) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = superuser_client.cookies
    responses = [
        strict.post(url("generate/"), form_data(script_only.user)),
        strict.post(url("make-audio/", script_only.pk)),
    ]
    assert [response.status_code for response in responses] == [403, 403]
    for address in (url("generate/"), url("change/", script_only.pk)):
        assert b"csrfmiddlewaretoken" in strict.get(address).content
    assert DailyPodcast.objects.count() == 1


def test_a_get_makes_no_audio(superuser_client: Client, script_only: DailyPodcast) -> None:
    response = superuser_client.get(url("make-audio/", script_only.pk))
    assert (response.status_code, response["Allow"], FakeVoice.calls) == (405, "POST", [])


# The list


def test_the_list_shows_the_main_figures(superuser_client: Client, episode: DailyPodcast) -> None:
    DailyPodcast.objects.filter(pk=episode.pk).update(created_at=timezone.now().replace(2026, 11, 5, 8, 0))
    page = text(superuser_client.get(url("")))
    assert "alex en-GB completed 4:05 1.9 MB quill / choir $0.0583 Nov. 5, 2026, 8 a.m." in page.replace("\xa0", " ")


def test_a_new_row_shows_dashes(superuser_client: Client, alex: User) -> None:
    DailyPodcast.objects.create(user=alex, language="ja")
    assert "alex ja pending - - - / - -" in text(superuser_client.get(url("")))


def test_search_uses_only_fields_of_the_user_model(rf: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    class Field:
        name = "mail"

    class Meta:
        get_fields = staticmethod(lambda: [Field])

    class MinimalUser:
        USERNAME_FIELD = "mail"
        _meta = Meta

    monkeypatch.setattr("dailycast.admin.episodes.get_user_model", lambda: MinimalUser)
    model_admin = DailyPodcastAdmin(DailyPodcast, admin.site)
    assert model_admin.get_search_fields(rf.get("/")) == ["title", "user__mail"]


def test_the_list_needs_four_queries_however_long_it_is(superuser_client: Client, alex: User) -> None:
    def queries() -> list[str]:
        with CaptureQueriesContext(connection) as captured:
            superuser_client.get(url(""))
        return [query["sql"] for query in captured]

    DailyPodcast.objects.create(user=alex)
    few = queries()
    DailyPodcast.objects.bulk_create([DailyPodcast(user=User.objects.create_user(f"u{n}")) for n in range(20)])
    many = queries()
    assert len(many) == len(few) == 4  # session, user, one count, one page
    assert not any(re.search("script_text|chapters|cues|context|error_message|DISTINCT", sql) for sql in many)


# The page of an episode


def test_an_episode_can_be_heard_and_read(superuser_client: Client, episode: DailyPodcast) -> None:
    html = superuser_client.get(url("change/", episode.pk)).content.decode()
    assert '<audio controls preload="metadata" src="/media/podcasts/podcast_1_1701920000.mp3"></audio>' in html
    assert "<h2>Yesterday &amp; today</h2>" in html
    assert "<h3>Welcome</h3>" in html
    assert "<p>Good morning, Alex.</p>" in html
    assert '<p class="dailycast-pause" lang="en">Pause: 2 s</p>' in html
    assert "<p>It is &quot;went&quot;.</p>" in html
    assert "/make-audio/" not in html
    assert "_addanother" not in html


def test_an_episodes_figures(superuser_client: Client, episode: DailyPodcast) -> None:
    page = text(superuser_client.get(url("change/", episode.pk))).replace("\xa0", " ")
    for figure in (
        "Learner: alex", "Language: en-GB", "Status: completed", "Duration: 4:05", "Size: 1.9 MB", "Cost: $0.0583",
        "Writer: quill", "Model: goose<1>", "Prompt tokens: 1234", "Completion tokens: 567", "Voice provider: choir",
        "Voice: alto", "Billed characters: 3601", "Reason: -", "Source: command", "Requested by: -",
    ):  # fmt: skip
        assert figure in page


def test_the_reason_for_missing_audio_is_shown(superuser_client: Client, script_only: DailyPodcast) -> None:
    DailyPodcast.objects.update(cost_usd=None)
    response = superuser_client.get(url("change/", script_only.pk))
    assert "Reason: Script only: the voice failed. <b>hoarse</b>" in text(response)
    assert "Duration: - Size: - Cost: unknown" in text(response)
    assert b"<audio" not in response.content


def test_who_was_passed_over_is_a_warning(
    superuser_client: Client, episode: DailyPodcast, alex: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures = [{"kind": "script", "provider": "openai", "message": "The key <sk> is wrong."}]
    assert "passed over" not in text(superuser_client.get(url("change/", episode.pk)))
    DailyPodcast.objects.update(passed_over=failures)
    html = superuser_client.get(url("change/", episode.pk)).content.decode()
    assert '<li class="warning">openai was passed over: The key &lt;sk&gt; is wrong.</li>' in html
    row = DailyPodcast.objects.get()
    monkeypatch.setattr("dailycast.runners.submit", lambda *args, **options: row)
    response = superuser_client.post(url("generate/"), form_data(alex))
    assert messages_of(response) == [("warning", row.progress)]


@pytest.mark.parametrize("page", ["", "detail"])
def test_text_from_outside_is_escaped(superuser_client: Client, episode: DailyPodcast, page: str) -> None:
    attack = "<img src=x onerror=alert(1)>"
    User.objects.filter(pk=episode.user.pk).update(username=attack)
    DailyPodcast.objects.update(
        error_message=attack, error_code=Reason.INTERNAL, llm_provider=attack, tts_provider=attack, language="<b>"
    )
    html = superuser_client.get(url("change/", episode.pk) if page else url("")).content.decode()
    assert not re.search(r"<img src=x|<b>|<i>Went|<script>alert|goose<1>", html)
    assert "&lt;img src=x onerror=alert(1)&gt;" in html


def test_only_title_and_script_can_be_edited(superuser_client: Client, episode: DailyPodcast) -> None:
    form = {
        "title": "Mended",
        "script_text": "Hello.\r\n\r\n**[ Pause 1,5 S ]**\r\n\r\nBye.",
        "status": "failed",
        "cost_usd": "0",
    }
    assert superuser_client.post(url("change/", episode.pk), form).status_code == 302
    episode.refresh_from_db()
    assert (episode.title, episode.script_text) == ("Mended", "Hello.\n\n[pause 1.5s]\n\nBye.")
    assert (episode.status, episode.cost_usd) == ("completed", Decimal("0.0583"))


def test_saving_does_not_overwrite_what_a_worker_wrote_meanwhile(
    superuser_client: Client, episode: DailyPodcast, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = DailyPodcastAdmin.get_object

    def get_object(*args: Any) -> DailyPodcast | None:
        podcast = original(*args)
        DailyPodcast.objects.update(tts_characters=99, script_text="Spoken.")
        return podcast

    monkeypatch.setattr(DailyPodcastAdmin, "get_object", get_object)
    superuser_client.post(url("change/", episode.pk), {"title": "Mended", "script_text": episode.script_text})
    episode.refresh_from_db()
    assert (episode.title, episode.tts_characters, episode.script_text) == ("Mended", 99, "Spoken.")


# Generate


def test_generate_makes_an_episode_and_shows_it(superuser_client: Client, alex: User) -> None:
    form = form_data(alex, language="fr")
    response = superuser_client.post(url("generate/"), form)
    row = DailyPodcast.objects.get()
    assert response["Location"] == url("change/", row.pk)
    assert messages_of(response) == [("success", "The episode is ready.")]
    assert (row.user, row.language, row.title, row.status) == (alex, "fr", "Yesterday & today", "completed")
    assert (row.source, row.requested_by, row.request_key) == (
        "admin",
        User.objects.get(username="boss"),
        form["request_key"],
    )
    assert (row.llm_provider, row.tts_provider, row.tts_voice, row.has_audio) == ("quill", "choir", "alto", True)
    assert superuser_client.head(row.audio_file.url)["Content-Length"] == str(row.audio_bytes)


def test_staff_who_may_not_view_episodes_are_sent_to_the_index(client: Client, alex: User) -> None:
    staff = User.objects.create_user("staff", is_staff=True)
    staff.user_permissions.set(Permission.objects.filter(codename="add_dailypodcast"))
    client.force_login(staff)
    response = client.post(url("generate/"), form_data(alex))
    assert (response["Location"], messages_of(response)) == ("/admin/", [("success", "The episode is ready.")])


def test_without_a_voice_the_script_is_saved_and_the_reason_shown(
    superuser_client: Client, alex: User, settings: Any
) -> None:
    settings.DAILYCAST_TTS_PROVIDERS = ()
    response = superuser_client.post(url("generate/"), form_data(alex))
    assert messages_of(response) == [("warning", "Script only: no voice is configured.")]
    assert DailyPodcast.objects.get().script_text.startswith("# Yesterday")


def test_a_failure_of_the_writer_is_shown(
    superuser_client: Client, alex: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FakeWriter, "answer", ProviderError("out of <ink>", permanent=True))
    response = superuser_client.post(url("generate/"), form_data(alex), follow=True)
    assert "No writer could write the script. quill: out of <ink>" in text(response)
    assert ("messagelist", next(iter(response.context["messages"])).level_tag) == ("messagelist", "error")


def test_an_error_of_dailycast_is_shown_on_the_form(
    superuser_client: Client, alex: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: object, **kwargs: object) -> DailyPodcast:
        raise LanguageError("No such <language>.")

    monkeypatch.setattr(queue, "submit", refuse)
    response = superuser_client.post(url("generate/"), form_data(alex))
    assert response.context["form"].non_field_errors() == ["No such <language>."]
    assert b"No such &lt;language&gt;." in response.content


def test_the_add_page_redirects_to_generate(superuser_client: Client) -> None:
    assert superuser_client.get(url("add/"))["Location"] == url("generate/")


@pytest.mark.django_db(transaction=True)
def test_no_transaction_is_open_while_an_episode_is_made(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """A host may have ATOMIC_REQUESTS; the writer and the voice take minutes."""
    in_transaction: list[bool] = []
    original = services.run

    def run(pk: int) -> Job | None:
        in_transaction.append(connection.in_atomic_block)
        return original(pk)

    monkeypatch.setattr(services, "run", run)
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)
    client.force_login(User.objects.create_superuser("boss"))
    client.post(url("generate/"), form_data(User.objects.create_user("alex")))
    row = DailyPodcast.objects.get()
    DailyPodcast.objects.update(audio_file=None)
    client.post(url("make-audio/", row.pk))
    assert in_transaction == [False, False]


# Any site, any size


@pytest.mark.parametrize("site", ["admin", "back/office", "school"])
def test_it_works_at_any_address_of_the_admin(superuser_client: Client, script_only: DailyPodcast, site: str) -> None:
    pages = [url("", site=site), url("change/", script_only.pk, site=site), url("generate/", site=site)]
    for page in pages:
        links = re.findall(r'(?:href|action)="(/[^"]*dailypodcast[^"]*)"', superuser_client.get(page).content.decode())
        assert links
        assert {link for link in links if not link.startswith(f"/{site}/")} == set()
    assert superuser_client.get(url("add/", site=site))["Location"] == pages[2]
    assert superuser_client.post(pages[2], form_data(script_only.user))["Location"].startswith(
        f"/{site}/dailycast/dailypodcast/"
    )
    assert superuser_client.post(url("make-audio/", script_only.pk, site=site))["Location"] == pages[1]


@pytest.mark.parametrize(
    ("site", "permission", "autocompletes"),
    [
        ("admin", "view_user", True),
        ("back/office", "view_user", True),
        ("school", "view_user", False),  # that site has no user admin
        ("admin", "view_group", False),  # this person may not view users
    ],
)
def test_the_form_does_not_list_all_learners(
    client: Client, alex: User, site: str, permission: str, autocompletes: bool
) -> None:
    staff = User.objects.create_user("chooser", is_staff=True)
    staff.user_permissions.set(Permission.objects.filter(codename__in=["add_dailypodcast", permission]))
    client.force_login(staff)
    html = client.get(url("generate/", site=site)).content.decode()
    assert "alex" not in html
    assert (f'data-ajax--url="/{site}/autocomplete/"' in html) is autocompletes
    assert ('<input type="text" name="user"' in html) is ("The learner&#x27;s id" in html) is not autocompletes


# Make the audio


def test_make_audio_does_not_buy_the_script_again(superuser_client: Client, script_only: DailyPodcast) -> None:
    assert (
        f'action="{url("make-audio/", script_only.pk)}"'
        in superuser_client.get(url("change/", script_only.pk)).content.decode()
    )
    response = superuser_client.post(url("make-audio/", script_only.pk))
    script_only.refresh_from_db()
    assert (response["Location"], messages_of(response)) == (
        url("change/", script_only.pk),
        [("success", "The episode is ready.")],
    )
    assert (script_only.has_audio, script_only.tts_provider, script_only.error_code, script_only.script_text) == (
        True,
        "choir",
        "",
        SCRIPT,
    )
    assert (FakeWriter.calls, FakeVoice.calls) == ([], ["Good morning, Alex.", 'It is "went".'])


def test_audio_that_fails_again_is_reported(
    superuser_client: Client, script_only: DailyPodcast, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FakeVoice, "fails", True)
    response = superuser_client.post(url("make-audio/", script_only.pk))
    assert messages_of(response) == [("warning", "Script only: the voice failed. choir: The choir is <b>hoarse</b>.")]


@pytest.mark.parametrize(
    ("values", "made"),
    [
        ({"status": "running"}, False),
        ({"status": "pending"}, True),
        ({"audio_file": "podcasts/a.mp3"}, False),
        ({"script_text": ""}, True),
        ({"status": "failed"}, True),
        ({"status": "failed", "script_text": ""}, True),
    ],
)
def test_when_audio_can_be_made(
    superuser_client: Client, script_only: DailyPodcast, values: dict[str, str], made: bool
) -> None:
    DailyPodcast.objects.update(lease_until=timezone.now() + timedelta(seconds=30), **values)
    assert (b"/make-audio/" in superuser_client.get(url("change/", script_only.pk)).content) is made
    superuser_client.post(url("make-audio/", script_only.pk))
    assert bool(FakeVoice.calls) is made


def test_make_audio_reports_an_episode_in_progress(superuser_client: Client, script_only: DailyPodcast) -> None:
    lease = timezone.now() + timedelta(seconds=30)
    DailyPodcast.objects.update(status=Status.RUNNING, lease_until=lease, error_code="", error_message="")
    assert messages_of(superuser_client.post(url("make-audio/", script_only.pk))) == [
        ("info", "The audio is being made.")
    ]


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"status": "pending"}, "The episode waits to be made."),
        ({"status": "running", "script_text": ""}, "The script is being written."),
        ({"status": "running"}, "The audio is being made."),
        ({"audio_file": "podcasts/a.mp3"}, "The episode is ready."),
        ({"status": "failed", "error_code": Reason.NO_SCRIPT}, "No writer could write the script."),
    ],
)
def test_the_status_that_an_open_page_polls(
    superuser_client: Client, script_only: DailyPodcast, values: dict[str, str], text: str
) -> None:
    lease = timezone.now() + timedelta(seconds=30)
    values = {"status": "completed", "error_code": "", **values}
    DailyPodcast.objects.update(lease_until=lease, error_message="", **values)
    response = superuser_client.get(url("status/", script_only.pk))
    assert (response.status_code, response.json()) == (200, {"status": values["status"], "text": text})


def test_the_status_is_pending_again_after_a_worker_died(superuser_client: Client, script_only: DailyPodcast) -> None:
    DailyPodcast.objects.update(
        status=Status.RUNNING, lease_until=timezone.now() - timedelta(seconds=1), error_code="", error_message=""
    )
    assert superuser_client.get(url("status/", script_only.pk)).json()["status"] == "pending"


def test_the_status_needs_the_view_permission(client: Client, script_only: DailyPodcast) -> None:
    staff = User.objects.create_user("staff", is_staff=True)
    client.force_login(staff)
    assert client.get(url("status/", script_only.pk)).status_code == 403
    staff.user_permissions.set(Permission.objects.filter(codename="view_dailypodcast"))
    assert client.get(url("status/", script_only.pk)).status_code == 200
    assert client.get(url("status/", 999)).status_code == 403


def test_make_audio_of_an_unknown_episode_is_refused(superuser_client: Client) -> None:
    assert superuser_client.post(url("make-audio/", 999)).status_code == 403


@pytest.mark.parametrize(("usd", "price"), [("1000", "$0.0320"), ("0", "$0.00"), (None, "unknown")])
def test_the_button_shows_what_the_audio_still_costs(
    superuser_client: Client, script_only: DailyPodcast, settings: Any, usd: str | None, price: str
) -> None:
    settings.DAILYCAST_PRICES = {"choir/": usd} if usd else {}  # USD a million characters, and it has 32
    page = superuser_client.get(url("change/", script_only.pk))
    assert f"Make the audio ({price})" in text(page)
    clips.store_clip(clip_key("choir", Voice("alto"), "Good morning, Alex."), b"mp3")
    page = superuser_client.get(url("change/", script_only.pk))
    assert ("$0.0130" in text(page)) is (usd == "1000")
