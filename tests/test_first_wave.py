"""What release 0.1.0 stored is read as before and finished, and nothing that it bought is bought again."""

import json
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from django.contrib.auth.models import User
from django.core import signing
from django.core.management import call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django.utils.html import escape

from dailycast import runners, services
from dailycast.conf import from_environment
from dailycast.errors import CooldownError, ProviderError
from dailycast.learner import Course, DueReview, LearnerContext, Lesson, Mistake, QuizResult, learner_context
from dailycast.models import Budget, DailyPodcast, Feed, ProviderCall, RateLimit
from dailycast.signals import podcast_ready
from tests.cloud import Cloud
from tests.conftest import is_installed
from tests.first_wave import (
    AUDIBLE,
    DAY,
    FOLDER,
    KILLED_SPEAKING,
    KILLED_WRITING,
    NEW_SCRIPT,
    NOT_BOUGHT,
    PODCASTS,
    PUT_BACK,
    RECORDED,
    ROWS,
    UNFINISHED,
    restore_media,
    stored,
)

ALEX, KIM, ADMIN = 1, 2, 4  # keys of users
NIGHTLY, BY_PICO, BY_POLLY, PRUNED, MISSING, NEEDS_PERSON = 14, 2, 5, 1, 12, 9
IDEMPOTENCY_KEY = "tablet-41f0"  # what the client sent for PUT_BACK
needs_api = pytest.mark.skipif(not is_installed("rest_framework"), reason="the API needs Django REST framework")


def records(user: User) -> dict[str, Any]:
    """The host's adapter."""
    return {} if user.is_staff else {"language": "en", "due_reviews": ["ten words about food"]}


@pytest.fixture
def first_wave(db: None, media: Path, settings: Any) -> Path:
    """The rows and the files of release 0.1.0; the media folder."""
    settings.DAILYCAST_LEARNER_CONTEXT = "tests.test_first_wave.records"
    call_command("loaddata", ROWS, verbosity=0)
    restore_media(media)
    return media


@pytest.fixture
def vendors(cloud: Cloud, first_wave: Path) -> Cloud:
    cloud.script = NEW_SCRIPT
    return cloud


@pytest.fixture
def ready() -> Iterator[list[int]]:
    """The keys of the episodes of which the host is notified."""
    keys: list[int] = []

    def note(podcast: DailyPodcast, **_: Any) -> None:
        keys.append(podcast.pk)

    podcast_ready.connect(note)
    yield keys
    podcast_ready.disconnect(note)


def row(pk: int) -> DailyPodcast:
    return DailyPodcast.objects.get(pk=pk)


def signed_in(user: int) -> Client:
    client = Client()
    client.force_login(User.objects.get(pk=user))
    return client


def heard(client: Client, address: str) -> bytes:
    """The audio at `address`; empty for who may not hear it."""
    response = client.get(address)
    return b"".join(response) if response.streaming else b""


def audio_of(media: Path, pk: int) -> bytes:
    return (media / str(PODCASTS[pk]["audio_file"])).read_bytes()


def spoken(cloud: Cloud) -> list[str]:
    return sorted(call.text for call in cloud.calls if call.vendor == "polly")


def prompts(cloud: Cloud) -> list[str]:
    return [call.text for call in cloud.calls if call.vendor != "polly"]


def until(happens: Callable[[], bool], seconds: float = 20) -> None:
    ends = time.monotonic() + seconds
    while not happens():
        assert time.monotonic() < ends, "it took too long"
        time.sleep(0.02)


# What is read


@pytest.mark.parametrize("name", ["webvtt", "chapters_json", "transcript", "has_audio", "progress"])
def test_a_row_is_read_as_before(first_wave: Path, name: str) -> None:
    found = {str(podcast.pk): getattr(podcast, name) for podcast in DailyPodcast.objects.all()}
    assert json.loads(json.dumps(found)) == {pk: recorded[name] for pk, recorded in RECORDED["podcasts"].items()}


def test_the_learners_records_are_read_as_before(first_wave: Path) -> None:
    context = row(NIGHTLY).context
    assert learner_context(context) == LearnerContext(
        first_name="Alex",
        language="en",
        native_language="ja",
        level="A2",
        courses=(Course("Everyday English", "English", 3, 8, "Small talk"),),
        lessons_completed=(Lesson("The Congress of Vienna", "History", "Five powers drew the map of Europe anew."),),
        quiz_results=(QuizResult("Past tenses", "English", 7, 10),),
        mistakes=(Mistake("go, past tense?", "goed", "went", "English", "It is irregular & old."),),
        due_reviews=(DueReview("Who led the Austrian side?", "Metternich", "History"),),
        weakest_subject="English",
        strongest_subject="History",
        active_days=3,
        goal="pass the history exam",
    )
    for pk, fields in PODCASTS.items():
        assert json.loads(json.dumps(learner_context(fields["context"]).as_dict())) == fields["context"], pk


@needs_api
@pytest.mark.parametrize("user", [ALEX, KIM])
def test_the_api_answers_as_before(first_wave: Path, user: int) -> None:
    client = signed_in(user)
    for pk, fields in PODCASTS.items():
        if fields["user"] != user:
            continue
        answer = client.get(f"/dailycast/api/episodes/{pk}/").json()
        expected = {**RECORDED["podcasts"][str(pk)]["api"], "script": fields["script_text"]}
        expected |= {"cues": fields["cues"], "chapters": fields["chapters"]}
        if answer["audio"]:
            address = answer["audio"]["url"]
            answer["audio"]["url"] = address.replace(address.split("/")[-2], "TOKEN")
            assert heard(Client(), address) == audio_of(first_wave, pk)
        assert {name: answer.get(name) for name in expected} == expected


def test_an_audio_address_that_was_signed_before_the_upgrade_works(first_wave: Path) -> None:
    token = signing.dumps([BY_POLLY, str(ALEX)], salt="dailycast.audio")
    assert heard(Client(), reverse("dailycast:audio", args=[token, "episode"])) == audio_of(first_wave, BY_POLLY)


def test_the_feed_has_the_same_items_at_the_same_addresses(first_wave: Path) -> None:
    token = stored("dailycast.feed")[1]["token"]
    assert Feed.objects.get(user_id=ALEX).token == token
    rss = Client().get(f"/dailycast/feed/{token}/podcast.xml")
    assert [item_of(item) for item in ElementTree.fromstring(rss.content).iter("item")] == RECORDED["feed"]
    rows = {fields["guid"]: pk for pk, fields in PODCASTS.items()}
    for item in RECORDED["feed"]:
        pk = rows[item["guid"]]
        recorded = RECORDED["podcasts"][str(pk)]
        assert Client().get(item["transcript"][0]["url"]).content.decode() == recorded["webvtt"]
        assert Client().get(item["chapters"][0]["url"]).json() == recorded["chapters_json"]
        assert heard(Client(), item["enclosure"]["url"]) == audio_of(first_wave, pk)


def item_of(item: ElementTree.Element) -> dict[str, Any]:
    """An item of the feed as `recorded.json` has it."""
    itunes, podcast = "{http://www.itunes.com/dtds/podcast-1.0.dtd}", "{https://podcastindex.org/namespace/1.0}"
    found: dict[str, Any] = {name: item.findtext(name) for name in ("guid", "title", "pubDate")}
    found["enclosure"] = next(item.iter("enclosure")).attrib
    found["duration"] = item.findtext(f"{itunes}duration")
    return found | {name: [each.attrib for each in item.iter(podcast + name)] for name in ("transcript", "chapters")}


def test_the_learners_pages_show_the_old_episodes(first_wave: Path) -> None:
    alex = signed_in(ALEX)
    archive = alex.get("/dailycast/archive/").content.decode()
    assert alex.get("/dailycast/").status_code == 200
    for pk in AUDIBLE:
        if PODCASTS[pk]["user"] != ALEX:
            continue
        page = alex.get(f"/dailycast/episodes/{pk}/").content.decode()
        assert escape(PODCASTS[pk]["title"]) in archive
        assert f'src="/media/{PODCASTS[pk]["audio_file"]}"' in page
        assert f'data-position="{PODCASTS[pk]["position_seconds"]}"' in page
        assert all(escape(cue["text"]) in page for cue in PODCASTS[pk]["cues"])
        assert heard(alex, f"/media/{PODCASTS[pk]['audio_file']}") == audio_of(first_wave, pk)
    assert heard(signed_in(KIM), f"/media/{PODCASTS[BY_POLLY]['audio_file']}") == b""
    assert (row(BY_PICO).position_seconds, row(BY_PICO).heard_at, bool(row(BY_POLLY).heard_at)) == (12.5, None, True)


def test_the_admin_shows_the_old_episodes_and_their_calls(first_wave: Path) -> None:
    staff = signed_in(ADMIN)
    assert staff.get(reverse("admin:dailycast_dailypodcast_changelist")).status_code == 200
    for pk, fields in PODCASTS.items():
        page = staff.get(reverse("admin:dailycast_dailypodcast_change", args=[pk])).content.decode()
        assert escape(RECORDED["podcasts"][str(pk)]["why"] or fields["title"]) in page
    calls = staff.get(reverse("admin:dailycast_providercall_changelist")).content.decode()
    assert all(f'href="/admin/dailycast/providercall/{pk}/change/"' in calls for pk in stored("dailycast.providercall"))


def test_the_example_environment_gives_the_same_settings() -> None:
    lines = (FOLDER / "host" / "env").read_text(encoding="utf-8").splitlines()
    given = from_environment(dict(line.split("=", 1) for line in lines if line and line[0] != "#"))
    assert json.loads(json.dumps(given)) == RECORDED["settings"]


# What is finished


def check_finished(cloud: Cloud) -> None:
    """Each row has its audio, and only what was in neither the ledger nor the store was bought."""
    assert spoken(cloud) == sorted(NOT_BOUGHT)
    assert ["ten words about food" in prompt for prompt in prompts(cloud)] == [True]
    for pk in UNFINISHED:
        podcast = row(pk)
        assert (podcast.status, podcast.error_code, podcast.error_message) == ("completed", "", "")
        assert podcast.has_audio
        assert str(podcast.guid) == PODCASTS[pk]["guid"]
        assert podcast.request_key == PODCASTS[pk]["request_key"]
    billed = {pk: (row(pk).prompt_tokens, row(pk).tts_characters, row(pk).cost_usd) for pk in UNFINISHED[:3]}
    assert billed == {
        PUT_BACK: (600, 18 + 32, Decimal("0.000876")),  # with what the first attempts cost
        KILLED_SPEAKING: (427, 16 + 35 + 27, Decimal("0.001303")),
        KILLED_WRITING: (427, 18, Decimal("0.000344")),
    }
    assert (row(KILLED_WRITING).title, row(KILLED_SPEAKING).title) == ("Going, gone", "Food, once more")
    assert not ProviderCall.objects.exclude(answer="").exists()
    calls = ProviderCall.objects.filter(podcast_id=KILLED_SPEAKING, kind="speech").order_by("pk")
    assert list(calls.values_list("outcome", flat=True)) == ["ok", "lost", "lost", "ok", "ok"]


@pytest.mark.django_db(transaction=True)
def test_a_sweep_finishes_what_the_old_workers_left(vendors: Cloud, settings: Any, ready: list[int]) -> None:
    settings.DAILYCAST_RUNNER = "thread"
    runners.sweep()
    until(lambda: sorted(ready) == sorted(UNFINISHED))
    check_finished(vendors)


@pytest.mark.django_db(transaction=True)
def test_the_nightly_edition_finishes_it_and_makes_none_twice(vendors: Cloud, ready: list[int]) -> None:
    rows = DailyPodcast.objects.count()
    for _ in range(2):
        call_command("generate_daily_podcasts", "--date", DAY, "--concurrency", "1")
        check_finished(vendors)
    assert sorted(ready) == sorted(UNFINISHED)
    assert DailyPodcast.objects.count() == rows


@pytest.mark.parametrize("pk", [PRUNED, MISSING])
def test_audio_that_is_gone_is_made_again_from_the_bought_clips(vendors: Cloud, pk: int) -> None:
    assert runners.retry(row(pk))
    assert row(pk).has_audio
    assert (spoken(vendors), prompts(vendors)) == ([], [])


def test_a_new_episode_takes_the_clips_that_were_bought(vendors: Cloud) -> None:
    vendors.script = '# Once more\nWhat is the past tense of "to go"?\n[pause 2s]\nIt is "went".'
    podcast = services.create_podcast_for_user(User.objects.get(pk=KIM), "en")
    assert podcast.has_audio
    assert (spoken(vendors), podcast.tts_characters) == ([], 0)


def test_what_was_cut_off_too_often_costs_nothing_until_a_person_says_so(vendors: Cloud) -> None:
    runners.sweep()
    assert vendors.calls == []
    call_command("generate_test_podcast", "--retry", str(NEEDS_PERSON))
    outcomes = ProviderCall.objects.filter(podcast_id=NEEDS_PERSON, kind="script").values_list("outcome", flat=True)
    assert sorted(outcomes) == ["ok", "written_off", "written_off"]
    assert row(NEEDS_PERSON).has_audio


# Keys that are stored


def test_a_request_key_gives_the_row_that_it_made(first_wave: Path, settings: Any) -> None:
    settings.DAILYCAST_RUNNER = "worker"
    keys = {pk: fields["request_key"] for pk, fields in PODCASTS.items() if fields["request_key"]}
    assert {key.split(":")[0] for key in keys.values()} >= {"daily", "api", "1"}
    for pk, key in keys.items():
        user = User.objects.get(pk=PODCASTS[pk]["user"])
        assert runners.submit(user, "en", source=PODCASTS[pk]["source"], request_key=key).pk == pk
    assert DailyPodcast.objects.count() == len(PODCASTS)


@needs_api
@pytest.mark.parametrize("sent", [True, False], ids=["by the client's key", "by the day"])
def test_the_api_makes_none_twice(first_wave: Path, settings: Any, sent: bool) -> None:
    settings.DAILYCAST_RUNNER = "worker"
    if not sent:
        DailyPodcast.objects.filter(pk=PUT_BACK).update(request_key=f"api:{ALEX}:{timezone.localdate()}")
    headers = {"Idempotency-Key": IDEMPOTENCY_KEY} if sent else {}
    answer = signed_in(ALEX).post("/dailycast/api/episodes/", {}, content_type="application/json", headers=headers)
    assert (answer.status_code, answer.json()["id"]) == (202, PUT_BACK)


CLIP_KEYS = [
    ("polly", "neural", "en", 'It is "went".', "03dc1717408a4454efac27d8ad5d1688c6ab284f2ccc313c75c7eb1c20808507"),
    ("polly", "standard", "en", 'It is "went".', "2a000b0e72b7a2aada32a7c5f095870e75d299802dcfc4ae5278df5e1f34d79e"),
    (
        "polly",
        "neural",
        "ja",
        "「go」の過去形は「went」です。",
        "7225e4ebaaea106c9ba78ec39abfc13556732fdee9b4a3351c599af885b4219d",
    ),
    (
        "tests.host_providers.Speaker",
        "neural",
        "en",
        'It is "went".',
        "06095bbe0f2790fe6401680bb43a8801edfd0a8653f7dd885ebb2936b1d0b82f",
    ),
]


@pytest.mark.parametrize(("provider", "engine", "language", "text", "key"), CLIP_KEYS)
def test_a_clip_has_the_key_that_it_had(
    cloud: Cloud, media: Path, settings: Any, db: None, provider: str, engine: str, language: str, text: str, key: str
) -> None:
    settings.DAILYCAST_TTS_PROVIDERS, settings.DAILYCAST_POLLY_ENGINE = [provider], engine
    assert services.synthesize_audio(text, language)[0]
    assert [path.name for path in (media / "podcasts" / "clips").iterdir()] == [f"{key}.mp3"]
    assert ProviderCall.objects.get().unit == key


# Limits that are stored


def test_calls_in_flight_keep_their_places(vendors: Cloud, settings: Any) -> None:
    settings.DAILYCAST_RATE_LIMITS = {"polly/neural": "8/2"}
    in_flight = LIMIT_STATE["flying"].values()
    assert len(in_flight) == 2
    assert first_call(vendors, now=min(in_flight) - 0.8) > 0.75


def test_calls_of_the_last_second_count(vendors: Cloud, settings: Any) -> None:
    settings.DAILYCAST_RATE_LIMITS = {"polly/neural": "6/18"}
    starts = LIMIT_STATE["starts"]
    assert starts[-6] > starts[-1] - 0.7
    assert first_call(vendors, now=starts[-1]) > 0.3


LIMIT_STATE = stored("dailycast.ratelimit")[1]["state"]


def first_call(cloud: Cloud, now: float) -> float:
    """The seconds until a clip is asked for, where the limit has the stored state and the clock stands at `now`."""
    shift = time.time() - now
    starts = [start + shift for start in LIMIT_STATE["starts"]]
    in_flight = {ticket: end + shift for ticket, end in LIMIT_STATE["flying"].items()}
    RateLimit.objects.filter(key="polly/neural").update(state={"starts": starts, "flying": in_flight})
    before = time.monotonic()
    services.synthesize_audio("Nobody bought this sentence.", "en")
    written = RateLimit.objects.get(key="polly/neural").state
    assert set(written) == {"starts", "flying"}
    assert written["starts"][-1] == pytest.approx(time.time(), abs=5)
    return min(call.started for call in cloud.calls) - before


@pytest.mark.parametrize("table", ["budget", "ledger"])
def test_what_was_spent_counts_for_the_days_budget(vendors: Cloud, settings: Any, table: str) -> None:
    settings.DAILYCAST_LLM_PROVIDERS, user = ["openai"], User.objects.get(pk=ALEX)
    if table == "budget":  # 0.027481 USD are reserved
        Budget.objects.update(day=timezone.localdate())
        ProviderCall.objects.update(day=timezone.localdate() - timedelta(days=2))
    else:
        Budget.objects.all().delete()
        ProviderCall.objects.filter(day=DAY).update(day=timezone.localdate())
    settings.DAILYCAST_DAILY_BUDGET_USD = "0.03"
    with pytest.raises(ProviderError, match="budget"):
        services.generate_podcast_script(user, "en")
    assert vendors.calls == []
    settings.DAILYCAST_DAILY_BUDGET_USD = "0.04"
    assert services.generate_podcast_script(user, "en")[1] == "openai"


@pytest.mark.parametrize("pk", [BY_POLLY, PUT_BACK], ids=["page", "api"])
def test_who_asked_before_the_upgrade_waits_as_long(first_wave: Path, pk: int) -> None:
    DailyPodcast.objects.exclude(pk=pk).update(created_at=timezone.now() - timedelta(days=9))
    DailyPodcast.objects.filter(pk=pk).update(created_at=timezone.now() - timedelta(hours=1))
    with pytest.raises(CooldownError) as error:
        runners.submit(User.objects.get(pk=ALEX), "en", source="page", request_key="1:another")
    assert error.value.until == row(pk).created_at + timedelta(hours=24)
