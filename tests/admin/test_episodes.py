import re
from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from html import unescape
from typing import Any
from uuid import uuid4

import pytest
from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.models import Permission, User
from django.contrib.messages import get_messages
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import path, reverse
from django.utils import timezone

import dailycast.urls
from dailycast import services
from dailycast.admin.episodes import DailyPodcastAdmin
from dailycast.audio import storage
from dailycast.errors import LanguageError, ProviderError
from dailycast.jobs import queue as jobs
from dailycast.jobs.job import Job
from dailycast.llm.base import Completion, LLMProvider, Prompt
from dailycast.models import DailyPodcast, Kind, Outcome, ProviderCall, Reason, Source, Status
from dailycast.tts.base import Clip, TTSProvider, Voice

SCRIPT = '# Yesterday & today\n\n## Welcome\n\nGood morning, Alex.\n\n[pause 2s]\n\nIt is "went".'
FRAME = b"\xff\xf3\x64\xc0" + bytes(140)  # 24 ms of silence: MPEG-2 Layer III, mono, 24 kHz, 48 kbit/s

learners_only = admin.AdminSite(name="school")  # a second site under its own name, without the users
learners_only.register(DailyPodcast, DailyPodcastAdmin)
with_users = admin.AdminSite(name="office")
with_users.register(DailyPodcast, DailyPodcastAdmin)
with_users.register(User, UserAdmin)

urlpatterns = [
    *dailycast.urls.media,
    path("back/office/", with_users.urls),
    path("school/", learners_only.urls),
    path("admin/", admin.site.urls),
]


class Writer(LLMProvider):
    name = "quill"
    calls: list[Prompt] = []
    answer: str | ProviderError = SCRIPT
    atomic = False

    def missing(self) -> str:
        return ""

    def unbilled(self) -> bool:
        return True

    def complete(self, prompt: Prompt, timeout: float) -> Completion:
        self.calls.append(prompt)
        if isinstance(self.answer, ProviderError):
            raise self.answer
        return Completion(self.answer, self.name, "goose", 10, 20)


class Choir(TTSProvider):
    name = "choir"
    calls: list[str] = []
    fails = False

    def missing(self) -> str:
        return ""

    def voice(self, language: str) -> Voice | None:
        return Voice("alto")

    def speak(self, text: str, voice: Voice, timeout: float) -> Clip:
        self.calls.append(text)
        if self.fails:
            raise ProviderError("The choir is <b>hoarse</b>.", permanent=True)
        return Clip(FRAME * (3 * len(text)), len(text))


@pytest.fixture(autouse=True)
def house(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.ROOT_URLCONF = "tests.admin.test_episodes"
    settings.DAILYCAST_LEARNER_CONTEXT = ""
    settings.DAILYCAST_LLM_PROVIDERS = ("tests.admin.test_episodes.Writer",)
    settings.DAILYCAST_TTS_PROVIDERS = ("tests.admin.test_episodes.Choir", "tests.admin.test_episodes.NoSuchVoice")
    for fake in (Writer, Choir):
        monkeypatch.setattr(fake, "calls", [])
    # A test's own transaction is never committed; a request that is in none commits at once.
    monkeypatch.setattr("dailycast.runners.dispatch.transaction.on_commit", lambda run, **_: run())


@pytest.fixture
def boss(db: None, client: Client) -> Client:
    client.force_login(User.objects.create_superuser("boss"))
    return client


@pytest.fixture
def episode(alex: User) -> DailyPodcast:
    """Written and spoken, and it cost something; what came from outside tries to be HTML."""
    name = storage.write_atomic("podcasts/podcast_1_1701920000.mp3", FRAME)
    return DailyPodcast.objects.create(
        user=alex, language="en-GB", title="<i>Went</i> & gone", script_text=f"{SCRIPT}\n\n<script>alert(1)</script>",
        audio_file=name, duration_seconds=245.4, audio_bytes=1_963_000, status=Status.COMPLETED, llm_provider="quill",
        llm_model="goose<1>", tts_provider="choir", tts_voice="alto", prompt_tokens=1234, completion_tokens=567,
        tts_characters=3601, cost_usd=Decimal("0.0583"), source=Source.COMMAND, completed_at=timezone.now(),
    )  # fmt: skip


@pytest.fixture
def silent(alex: User) -> DailyPodcast:
    return DailyPodcast.objects.create(
        user=alex, language="en", title="Silent", script_text=SCRIPT, status=Status.COMPLETED, tts_provider="none",
        error_code=Reason.AUDIO_FAILED, error_message="<b>hoarse</b>", cost_usd=Decimal("0.01"),
    )  # fmt: skip


def url(page: str, *args: object, site: str = "admin") -> str:
    middle = "".join(f"{arg}/" for arg in args)
    return f"/{site}/dailycast/dailypodcast/{middle}{page}"


def asked(learner: User, **more: str) -> dict[str, str]:
    return {"user": str(learner.pk), "language": "", "request_key": str(uuid4()), **more}


def said(response: Any) -> list[tuple[str, str]]:
    return [(message.level_tag, message.message) for message in get_messages(response.wsgi_request)]


def text(response: Any) -> str:
    """What a person reads of a page."""
    inside = re.sub(r"<script.*?</script>|<style.*?</style>", "", response.content.decode(), flags=re.DOTALL)
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", inside)).split())


# Who may do what

DOORS: dict[str, Callable[[Client, DailyPodcast], Any]] = {
    "list": lambda client, row: client.get(url("")),
    "detail": lambda client, row: client.get(url("change/", row.pk)),
    "ask": lambda client, row: client.get(url("generate/")),
    "generate": lambda client, row: client.post(url("generate/"), asked(row.user)),
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
def test_who_may_do_what(silent: DailyPodcast, client: Client, who: str, may: list[Any]) -> None:
    if who == "learner":
        client.force_login(silent.user)
    elif who != "signed-out":
        user = User.objects.create_user("someone", is_staff="staff" in who, is_superuser=who == "superuser")
        user.is_staff = not who.startswith("learner")
        user.save()
        user.user_permissions.set(Permission.objects.filter(codename=f"{who.split()[-1]}_dailypodcast"))
        client.force_login(user)
    answers = [ask(client, silent) for ask in DOORS.values()]
    found = ["login" if "/login/" in answer.headers.get("Location", "") else answer.status_code for answer in answers]
    assert found == may
    paid = [may[3], may[4]].count(302)
    assert (len(Writer.calls), bool(Choir.calls)) == (int(may[3] == 302), paid > 0)


@pytest.mark.parametrize(
    ("door", "buttons"), [("superuser", (True, True)), ("view", (False, False)), ("change", (False, True))]
)
def test_buttons_are_shown_to_whom_they_obey(
    silent: DailyPodcast, client: Client, door: str, buttons: tuple[bool, bool]
) -> None:
    user = User.objects.create_user("someone", is_staff=True, is_superuser=door == "superuser")
    user.user_permissions.set(Permission.objects.filter(codename=f"{door}_dailypodcast"))
    client.force_login(user)
    pages = client.get(url("")).content.decode(), client.get(url("change/", silent.pk)).content.decode()
    assert ("/dailypodcast/generate/" in pages[0], "/make-audio/" in pages[1]) == buttons


def test_both_buttons_need_a_token_of_the_page(boss: Client, silent: DailyPodcast) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = boss.cookies
    found = [strict.post(url("generate/"), asked(silent.user)), strict.post(url("make-audio/", silent.pk))]
    assert [response.status_code for response in found] == [403, 403]
    for address in (url("generate/"), url("change/", silent.pk)):
        assert b"csrfmiddlewaretoken" in strict.get(address).content
    assert DailyPodcast.objects.count() == 1


def test_a_get_makes_no_audio(boss: Client, silent: DailyPodcast) -> None:
    response = boss.get(url("make-audio/", silent.pk))
    assert (response.status_code, response["Allow"], Choir.calls) == (405, "POST", [])


# The list


def test_the_list_tells_the_main_figures(boss: Client, episode: DailyPodcast) -> None:
    DailyPodcast.objects.filter(pk=episode.pk).update(created_at=timezone.now().replace(2026, 11, 5, 8, 0))
    page = text(boss.get(url("")))
    assert "alex en-GB completed 4:05 1.9 MB quill / choir $0.0583 Nov. 5, 2026, 8 a.m." in page.replace("\xa0", " ")


def test_a_row_with_nothing_yet_says_so(boss: Client, alex: User) -> None:
    DailyPodcast.objects.create(user=alex, language="ja")
    assert "alex ja pending - - - / - -" in text(boss.get(url("")))


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", ["gamma", "beta", "alpha"]),
        ("status__exact=failed", ["gamma"]),
        ("language=en", ["beta", "alpha"]),
        ("language=ja", ["gamma"]),
        ("language=de", []),
        ("llm_provider=quill", ["alpha"]),
        ("tts_provider=choir", ["alpha"]),
        ("tts_provider=none", ["beta"]),
        ("q=beta", ["beta"]),
        ("q=alex", ["beta", "alpha"]),
        ("q=Alexandra", ["beta", "alpha"]),
        ("q=example.com", ["beta", "alpha"]),
        ("q=nobody", []),
    ],
)
def test_filters_and_search(boss: Client, alex: User, query: str, found: list[str]) -> None:
    User.objects.filter(pk=alex.pk).update(first_name="Alexandra")
    other = User.objects.create_user("other")
    DailyPodcast.objects.create(user=alex, title="alpha", language="en", llm_provider="quill", tts_provider="choir")
    DailyPodcast.objects.create(user=alex, title="beta", language="en-GB", llm_provider="x", tts_provider="none")
    DailyPodcast.objects.create(user=other, title="gamma", language="ja", status=Status.FAILED)
    page = boss.get(f"{url('')}?{query}")
    assert [row.title for row in page.context["cl"].result_list] == found


def test_filters_name_what_the_settings_list(boss: Client, episode: DailyPodcast) -> None:
    specs = {
        spec.title: [name for _, name in spec.lookup_choices]
        for spec in boss.get(url("")).context["cl"].filter_specs[1:]
    }
    assert {title: names for title, names in specs.items() if title != "language"} == {
        "writer": ["quill"],
        "voice": ["choir", "no audio"],
    }
    assert specs["language"][:4] == ["Arabic", "Chinese", "Dutch", "English"]


def test_search_asks_only_for_fields_that_the_user_model_has(rf: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    class Field:
        name = "mail"

    class Meta:
        get_fields = staticmethod(lambda: [Field])

    class Bare:
        USERNAME_FIELD = "mail"
        _meta = Meta

    monkeypatch.setattr("dailycast.admin.episodes.get_user_model", lambda: Bare)
    model_admin = DailyPodcastAdmin(DailyPodcast, admin.site)
    assert model_admin.get_search_fields(rf.get("/")) == ["title", "user__mail"]


def test_the_list_costs_the_same_however_long_it_is(boss: Client, alex: User) -> None:
    def queries() -> list[str]:
        with CaptureQueriesContext(
            connection,
        ) as captured:
            boss.get(url(""))
        return [query["sql"] for query in captured]

    DailyPodcast.objects.create(user=alex)
    few = queries()
    DailyPodcast.objects.bulk_create([DailyPodcast(user=User.objects.create_user(f"u{n}")) for n in range(20)])
    many = queries()
    assert len(many) == len(few) == 4  # session, user, one count, one page
    assert not any(re.search("script_text|chapters|cues|context|error_message|DISTINCT", sql) for sql in many)


# The page of an episode


def test_an_episode_can_be_heard_and_read(boss: Client, episode: DailyPodcast) -> None:
    html = boss.get(url("change/", episode.pk)).content.decode()
    assert '<audio controls preload="metadata" src="/media/podcasts/podcast_1_1701920000.mp3"></audio>' in html
    assert "<h2>Yesterday &amp; today</h2>" in html
    assert "<h3>Welcome</h3>" in html
    assert "<p>Good morning, Alex.</p>" in html
    assert '<p class="dailycast-pause" lang="en">Pause: 2 s</p>' in html
    assert "<p>It is &quot;went&quot;.</p>" in html
    assert "/make-audio/" not in html
    assert "_addanother" not in html


def test_an_episodes_figures(boss: Client, episode: DailyPodcast) -> None:
    page = text(boss.get(url("change/", episode.pk))).replace("\xa0", " ")
    for figure in (
        "Learner: alex", "Language: en-GB", "Status: completed", "Duration: 4:05", "Size: 1.9 MB", "Cost: $0.0583",
        "Writer: quill", "Model: goose<1>", "Prompt tokens: 1234", "Completion tokens: 567", "Voice provider: choir",
        "Voice: alto", "Billed characters: 3601", "Reason: -", "Source: command", "Requested by: -",
    ):  # fmt: skip
        assert figure in page


def test_why_there_is_no_audio_is_told(boss: Client, silent: DailyPodcast) -> None:
    DailyPodcast.objects.update(cost_usd=None)
    response = boss.get(url("change/", silent.pk))
    assert "Reason: Script only: the voice failed. <b>hoarse</b>" in text(response)
    assert "Duration: - Size: - Cost: unknown" in text(response)
    assert b"<audio" not in response.content


@pytest.mark.parametrize("page", ["", "detail"])
def test_text_from_outside_is_escaped(boss: Client, episode: DailyPodcast, page: str) -> None:
    evil = "<img src=x onerror=alert(1)>"
    User.objects.filter(pk=episode.user.pk).update(username=evil)
    DailyPodcast.objects.update(
        error_message=evil, error_code=Reason.INTERNAL, llm_provider=evil, tts_provider=evil, language="<b>"
    )
    html = boss.get(url("change/", episode.pk) if page else url("")).content.decode()
    assert not re.search(r"<img src=x|<b>|<i>Went|<script>alert|goose<1>", html)
    assert "&lt;img src=x onerror=alert(1)&gt;" in html


def test_only_title_and_script_can_be_edited(boss: Client, episode: DailyPodcast) -> None:
    typed = {
        "title": "Mended",
        "script_text": "Hello.\r\n\r\n**[ Pause 1,5 S ]**\r\n\r\nBye.",
        "status": "failed",
        "cost_usd": "0",
    }
    assert boss.post(url("change/", episode.pk), typed).status_code == 302
    episode.refresh_from_db()
    assert (episode.title, episode.script_text) == ("Mended", "Hello.\n\n[pause 1.5s]\n\nBye.")
    assert (episode.status, episode.cost_usd) == ("completed", Decimal("0.0583"))


def test_saving_leaves_what_a_worker_wrote_meanwhile(
    boss: Client, episode: DailyPodcast, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = DailyPodcastAdmin.get_object

    def slow(*args: Any) -> DailyPodcast | None:
        found = real(*args)
        DailyPodcast.objects.update(tts_characters=99, script_text="Spoken.")
        return found

    monkeypatch.setattr(DailyPodcastAdmin, "get_object", slow)
    boss.post(url("change/", episode.pk), {"title": "Mended", "script_text": episode.script_text})
    episode.refresh_from_db()
    assert (episode.title, episode.tts_characters, episode.script_text) == ("Mended", 99, "Spoken.")


@pytest.mark.parametrize(
    ("typed", "problem"),
    [
        ("Hello.\n\n[pause soon]\n\nBye.", "Line 3: [pause soon] is not a pause."),
        ("# Only a title", "There is nothing to speak"),
    ],
)
def test_a_script_that_cannot_be_spoken_is_not_saved(
    boss: Client, silent: DailyPodcast, typed: str, problem: str
) -> None:
    response = boss.post(url("change/", silent.pk), {"title": "T", "script_text": typed})
    assert response.status_code == 200
    assert problem in response.context["adminform"].errors["script_text"][0]
    silent.refresh_from_db()
    assert silent.script_text == SCRIPT


# Generate


def test_generate_makes_an_episode_and_shows_it(boss: Client, alex: User) -> None:
    form = asked(alex, language="fr")
    response = boss.post(url("generate/"), form)
    row = DailyPodcast.objects.get()
    assert response["Location"] == url("change/", row.pk)
    assert said(response) == [("success", "The episode is ready.")]
    assert (row.user, row.language, row.title, row.status) == (alex, "fr", "Yesterday & today", "completed")
    assert (row.source, row.requested_by, row.request_key) == (
        "admin",
        User.objects.get(username="boss"),
        form["request_key"],
    )
    assert (row.llm_provider, row.tts_provider, row.tts_voice, row.has_audio) == ("quill", "choir", "alto", True)
    assert boss.head(row.audio_file.url)["Content-Length"] == str(row.audio_bytes)


def test_who_may_not_see_what_they_made_is_told_on_the_front_page(client: Client, alex: User) -> None:
    helper = User.objects.create_user("helper", is_staff=True)
    helper.user_permissions.set(Permission.objects.filter(codename="add_dailypodcast"))
    client.force_login(helper)
    response = client.post(url("generate/"), asked(alex))
    assert (response["Location"], said(response)) == ("/admin/", [("success", "The episode is ready.")])


def test_the_language_is_the_learners_own_unless_chosen(boss: Client, alex: User, settings: Any) -> None:
    settings.DAILYCAST_DEFAULT_LANGUAGE = "it"
    boss.post(url("generate/"), asked(alex))
    assert DailyPodcast.objects.get().language == "it"
    choices = boss.get(url("generate/")).context["form"].fields["language"].choices
    assert list(choices)[:2] == [("", "The learner's own"), ("ar", "Arabic")]


def test_a_form_that_is_sent_twice_pays_once(boss: Client, alex: User) -> None:
    form = asked(alex)
    first, second = (boss.post(url("generate/"), form) for _ in range(2))
    assert first["Location"] == second["Location"] == url("change/", DailyPodcast.objects.get().pk)
    assert (len(Writer.calls), said(second)) == (1, [("success", "The episode is ready.")] * 2)


def test_each_form_has_a_key_of_its_own(boss: Client) -> None:
    keys = {boss.get(url("generate/")).context["form"]["request_key"].value() for _ in range(2)}
    assert len(keys) == 2


def test_without_a_voice_the_script_stands_and_the_reason_is_told(boss: Client, alex: User, settings: Any) -> None:
    settings.DAILYCAST_TTS_PROVIDERS = ()
    response = boss.post(url("generate/"), asked(alex))
    assert said(response) == [("warning", "Script only: no voice is configured.")]
    assert DailyPodcast.objects.get().script_text.startswith("# Yesterday")


def test_without_a_script_the_failure_is_told(boss: Client, alex: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Writer, "answer", ProviderError("out of <ink>", permanent=True))
    response = boss.post(url("generate/"), asked(alex), follow=True)
    assert "No writer could write the script. quill: out of <ink>" in text(response)
    assert ("messagelist", next(iter(response.context["messages"])).level_tag) == ("messagelist", "error")


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"user": ""}, "user"),
        ({"user": "999999"}, "user"),
        ({"language": "xx"}, "language"),
        ({"request_key": "1"}, "request_key"),
    ],
)
def test_a_form_that_is_filled_in_wrongly_pays_nothing(
    boss: Client, alex: User, wrong: dict[str, str], field: str
) -> None:
    response = boss.post(url("generate/"), asked(alex, **wrong))
    assert (response.status_code, list(response.context["form"].errors)) == (200, [field])
    assert b'class="errorlist' in response.content
    assert not DailyPodcast.objects.exists()


def test_an_error_of_ours_is_told_on_the_form(boss: Client, alex: User, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **kwargs: object) -> DailyPodcast:
        raise LanguageError("No such <language>.")

    monkeypatch.setattr(jobs, "submit", refuse)
    response = boss.post(url("generate/"), asked(alex))
    assert response.context["form"].non_field_errors() == ["No such <language>."]
    assert b"No such &lt;language&gt;." in response.content


def test_the_usual_add_page_leads_to_generate(boss: Client) -> None:
    assert boss.get(url("add/"))["Location"] == url("generate/")


@pytest.mark.django_db(transaction=True)
def test_no_transaction_is_held_while_an_episode_is_made(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """A host may have ATOMIC_REQUESTS; the writer and the voice take minutes."""
    atomic: list[bool] = []
    real = services.run

    def watch(pk: int) -> Job | None:
        atomic.append(connection.in_atomic_block)
        return real(pk)

    monkeypatch.setattr(services, "run", watch)
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)
    client.force_login(User.objects.create_superuser("boss"))
    client.post(url("generate/"), asked(User.objects.create_user("alex")))
    row = DailyPodcast.objects.get()
    DailyPodcast.objects.update(audio_file=None)
    client.post(url("make-audio/", row.pk))
    assert atomic == [False, False]


# Any site, any size


@pytest.mark.parametrize("site", ["admin", "back/office", "school"])
def test_it_works_wherever_the_admin_is_mounted(boss: Client, silent: DailyPodcast, site: str) -> None:
    pages = [url("", site=site), url("change/", silent.pk, site=site), url("generate/", site=site)]
    for page in pages:
        links = re.findall(r'(?:href|action)="(/[^"]*dailypodcast[^"]*)"', boss.get(page).content.decode())
        assert links
        assert {link for link in links if not link.startswith(f"/{site}/")} == set()
    assert boss.get(url("add/", site=site))["Location"] == pages[2]
    assert boss.post(pages[2], asked(silent.user))["Location"].startswith(f"/{site}/dailycast/dailypodcast/")
    assert boss.post(url("make-audio/", silent.pk, site=site))["Location"] == pages[1]


@pytest.mark.parametrize(
    ("site", "permission", "autocompletes"),
    [
        ("admin", "view_user", True),
        ("back/office", "view_user", True),
        ("school", "view_user", False),  # that site does not know the users
        ("admin", "view_group", False),  # and this person may not look them up
    ],
)
def test_ten_thousand_learners_are_not_put_on_the_page(
    client: Client, alex: User, site: str, permission: str, autocompletes: bool
) -> None:
    chooser = User.objects.create_user("chooser", is_staff=True)
    chooser.user_permissions.set(Permission.objects.filter(codename__in=["add_dailypodcast", permission]))
    client.force_login(chooser)
    html = client.get(url("generate/", site=site)).content.decode()
    assert "alex" not in html
    assert (f'data-ajax--url="/{site}/autocomplete/"' in html) is autocompletes
    assert ('<input type="text" name="user"' in html) is ("The learner&#x27;s id" in html) is not autocompletes


# Make the audio


def test_make_the_audio_does_not_pay_for_the_script_again(boss: Client, silent: DailyPodcast) -> None:
    assert f'action="{url("make-audio/", silent.pk)}"' in boss.get(url("change/", silent.pk)).content.decode()
    response = boss.post(url("make-audio/", silent.pk))
    silent.refresh_from_db()
    assert (response["Location"], said(response)) == (url("change/", silent.pk), [("success", "The episode is ready.")])
    assert (silent.has_audio, silent.tts_provider, silent.error_code, silent.script_text) == (True, "choir", "", SCRIPT)
    assert (Writer.calls, Choir.calls) == ([], ["Good morning, Alex.", 'It is "went".'])


def test_audio_that_fails_again_is_told(boss: Client, silent: DailyPodcast, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Choir, "fails", True)
    response = boss.post(url("make-audio/", silent.pk))
    assert said(response) == [("warning", "Script only: the voice failed. choir: The choir is <b>hoarse</b>.")]


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
def test_when_audio_can_be_made(boss: Client, silent: DailyPodcast, values: dict[str, str], made: bool) -> None:
    DailyPodcast.objects.update(lease_until=timezone.now() + timedelta(seconds=30), **values)
    assert (b"/make-audio/" in boss.get(url("change/", silent.pk)).content) is made
    boss.post(url("make-audio/", silent.pk))
    assert bool(Choir.calls) is made


def test_an_episode_that_is_being_made_is_said_to_be(boss: Client, silent: DailyPodcast) -> None:
    lease = timezone.now() + timedelta(seconds=30)
    DailyPodcast.objects.update(status=Status.RUNNING, lease_until=lease, error_code="", error_message="")
    assert said(boss.post(url("make-audio/", silent.pk))) == [("info", "The audio is being made.")]


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"status": "pending"}, "The episode waits to be made."),
        ({"status": "running", "script_text": ""}, "The script is being written."),
        ({"status": "running"}, "The audio is being made."),
        ({"audio_file": "podcasts/a.mp3"}, "The episode is ready."),
        ({"status": "failed", "error_code": Reason.NO_SCRIPT}, "No writer could write the script."),
    ],
)
def test_an_open_page_may_ask_how_far_it_is(
    boss: Client, silent: DailyPodcast, values: dict[str, str], told: str
) -> None:
    lease = timezone.now() + timedelta(seconds=30)
    values = {"status": "completed", "error_code": "", **values}
    DailyPodcast.objects.update(lease_until=lease, error_message="", **values)
    response = boss.get(url("status/", silent.pk))
    assert (response.status_code, response.json()) == (200, {"status": values["status"], "text": told})


def test_the_state_is_told_truly_though_the_worker_is_gone(boss: Client, silent: DailyPodcast) -> None:
    DailyPodcast.objects.update(
        status=Status.RUNNING, lease_until=timezone.now() - timedelta(seconds=1), error_code="", error_message=""
    )
    assert boss.get(url("status/", silent.pk)).json()["status"] == "pending"


def test_the_state_is_told_to_whom_may_see_the_episode(client: Client, silent: DailyPodcast) -> None:
    helper = User.objects.create_user("helper", is_staff=True)
    client.force_login(helper)
    assert client.get(url("status/", silent.pk)).status_code == 403
    helper.user_permissions.set(Permission.objects.filter(codename="view_dailypodcast"))
    assert client.get(url("status/", silent.pk)).status_code == 200
    assert client.get(url("status/", 999)).status_code == 403


def test_no_audio_is_made_for_an_episode_that_is_not_there(boss: Client) -> None:
    assert boss.post(url("make-audio/", 999)).status_code == 403


def test_the_ledger_is_shown_and_cannot_be_changed(boss: Client, alex: User) -> None:
    call = ProviderCall.objects.create(
        day=date(2026, 11, 23), provider="polly", model="neural", kind=Kind.SPEECH, units=100, answer="the script"
    )
    ProviderCall.objects.update(cost_usd=Decimal("0.0016"), outcome=Outcome.LOST)
    shown = boss.get(reverse("admin:dailycast_providercall_changelist")).content.decode()
    assert all(word in shown for word in ("polly", "neural", "$0.0016", "lost"))
    page = reverse("admin:dailycast_providercall_change", args=[call.pk])
    assert "the script" not in boss.get(page).content.decode()
    assert boss.post(page, {"outcome": "ok"}).status_code == 403
    assert boss.get(reverse("admin:dailycast_providercall_add")).status_code == 403
    assert boss.post(reverse("admin:dailycast_providercall_delete", args=[call.pk]), {"post": "yes"}).status_code == 403
