"""The steps from a user to an episode, with the vendors' real SDKs and a stand-in for the vendors."""

import logging
import re
import shutil
import threading
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.db.models import Sum
from django.utils import timezone
from tinytag import TinyTag

from dailycast import services
from dailycast.audio import mp3, storage
from dailycast.errors import LanguageError, LearnerContextError, Mp3Error, ProviderError, ScriptError
from dailycast.jobs import queue
from dailycast.jobs.job import Job
from dailycast.models import Budget, DailyPodcast, Outcome, ProviderCall, Reason, Status
from dailycast.purchases import ledger
from dailycast.signals import podcast_ready
from dailycast.studio import voices, writers
from dailycast.tts import polly
from tests.cloud import Cloud, Fault
from tests.host_providers import Speaker

SCRIPT = """\
# Vienna, and one question
## Welcome
Good morning, Alex. Yesterday you read about the Congress of Vienna.
## Practice
Who led the Austrian side?
[pause 4s]
It was Metternich.
"""
AWS = "Dailycast: AWS credentials not configured, skipping audio generation"
SPOKEN = [
    "Good morning, Alex. Yesterday you read about the Congress of Vienna.",
    "Who led the Austrian side?",
    "It was Metternich.",
]
records: dict[str, Any] = {"goal": "Pass the exam", "language": "en"}


def learner(user: User) -> dict[str, Any]:
    return records


@pytest.fixture(autouse=True)
def host(settings: Any) -> None:
    settings.DAILYCAST_LEARNER_CONTEXT = "tests.test_services.learner"


def spoken(cloud: Cloud) -> list[str]:
    return [call.text for call in cloud.calls if call.vendor == "polly"]


def writers_asked(cloud: Cloud) -> list[str]:
    return [call.vendor for call in cloud.calls if call.vendor != "polly"]


def warnings(logged: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in logged.records if record.levelno >= logging.WARNING]


# The steps


def test_a_learner_gets_an_episode(cloud: Cloud, alex: User, media: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.time", lambda: 1701920000.0)
    cloud.script = SCRIPT
    podcast = services.create_podcast_for_user(alex, "en")
    row = DailyPodcast.objects.get()
    assert podcast == row
    assert (row.user, row.language, row.status, row.error_code) == (alex, "en", "completed", "")
    assert (row.title, row.script_text) == ("Vienna, and one question", SCRIPT.strip())
    assert row.audio_file.name == f"podcasts/podcast_{alex.pk}_1701920000.mp3"
    data = (media / row.audio_file.name).read_bytes()
    assert row.audio_bytes == len(data)
    assert row.duration_seconds == pytest.approx(mp3.duration(data), abs=0.001)
    assert (row.llm_provider, row.llm_model, row.tts_provider) == ("openai", "gpt-6-luna", "polly")
    assert "Joanna" in row.tts_voice
    assert row.context == {"first_name": "Alex", "goal": "Pass the exam", "language": "en"}
    assert row.completed_at is not None


def test_the_row_counts_what_the_vendors_bill(cloud: Cloud, alex: User) -> None:
    cloud.script = SCRIPT
    row = services.create_podcast_for_user(alex, "en")
    assert row.tts_characters == cloud.billed("polly") == sum(map(len, SPOKEN))
    assert (row.prompt_tokens or 0) + (row.completion_tokens or 0) == cloud.billed("openai") > 0
    tokens = Decimal(row.prompt_tokens or 0) * Decimal("0.10") + Decimal(row.completion_tokens or 0) * Decimal("0.50")
    assert row.cost_usd == round((tokens + 16 * Decimal(row.tts_characters or 0)) / 1_000_000, 6)


def test_chapters_and_cues_follow_the_measured_speech(cloud: Cloud, alex: User) -> None:
    cloud.script = SCRIPT
    row = services.create_podcast_for_user(alex, "en")
    assert [cue["text"] for cue in row.cues] == [
        "Good morning, Alex.",
        "Yesterday you read about the Congress of Vienna.",
        *SPOKEN[1:],
    ]
    assert [chapter["title"] for chapter in row.chapters] == ["Welcome", "Practice"]
    pause = row.cues[3]["start"] - row.cues[2]["end"]
    assert pause == pytest.approx(4, abs=0.03)
    assert row.cues[-1]["end"] == pytest.approx(row.duration_seconds, abs=0.002)
    assert row.chapters[1]["start"] == row.cues[2]["start"]


def test_no_address_id_or_account_name_reaches_a_vendor(
    cloud: Cloud, db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(records, "goal", "Write to kim@school.example")
    user = User.objects.create_user(
        "kim_account_77", pk=987654321, first_name="kim@school.example", email="kim@school.example"
    )
    services.create_podcast_for_user(user, "en")
    sent = " ".join(f"{call.text} {call.body}" for call in cloud.calls)
    assert "Write to" in sent
    for private in ("school.example", "987654321", "kim_account_77"):
        assert private not in sent


def test_without_a_language_it_is_the_learners_own_then_the_default(
    cloud: Cloud, alex: User, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(records, "language", "fr_ca")
    assert services.create_podcast_for_user(alex).language == "fr-CA"
    monkeypatch.setitem(records, "language", "")
    settings.DAILYCAST_DEFAULT_LANGUAGE = "de"
    assert services.create_podcast_for_user(alex).language == "de"
    assert services.create_podcast_for_user(alex, "EN_gb").language == "en-GB"


def test_an_unknown_language_is_refused_before_anything_is_paid(cloud: Cloud, alex: User) -> None:
    with pytest.raises(LanguageError, match="Unknown language 'klingon'"):
        services.create_podcast_for_user(alex, "klingon")
    assert (DailyPodcast.objects.count(), cloud.calls) == (0, [])


# The chain of writers


@pytest.mark.parametrize(
    ("down", "writer", "asked"),
    [
        ([], "openai", ["openai"]),
        (["openai"], "gemini", ["openai", "openai", "gemini"]),
        (["openai", "gemini"], "template", ["openai", "openai", "gemini", "gemini"]),
    ],
)
def test_a_writer_that_is_down_is_asked_twice_then_the_next(
    cloud: Cloud, alex: User, down: list[str], writer: str, asked: list[str], no_waiting: None
) -> None:
    for vendor in down:
        cloud.fail(vendor, Fault.UNAVAILABLE, times=None)
    row = services.create_podcast_for_user(alex, "en")
    assert (row.llm_provider, row.status, row.tts_provider) == (writer, "completed", "polly")
    assert writers_asked(cloud) == asked


@pytest.fixture
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dailycast.purchases.attempts.RETRY_DELAY", 0)


@pytest.mark.parametrize("fault", [Fault.BAD_KEY, Fault.QUOTA, Fault.REFUSAL, Fault.FILTER, Fault.LENGTH])
def test_a_writer_that_fails_for_good_is_asked_once(cloud: Cloud, alex: User, fault: Fault) -> None:
    cloud.fail("openai", fault, times=None)
    row = services.create_podcast_for_user(alex, "en")
    assert (row.llm_provider, writers_asked(cloud)) == ("gemini", ["openai", "gemini"])


@pytest.mark.parametrize(
    "fault", [Fault.EMPTY, Fault.NO_CHOICES, Fault.BAD_JSON, Fault.HTML, Fault.CUT_LENGTH, Fault.RESET]
)
def test_a_transient_fault_costs_one_more_call(cloud: Cloud, alex: User, fault: Fault, no_waiting: None) -> None:
    cloud.fail("openai", fault, times=1)
    row = services.create_podcast_for_user(alex, "en")
    assert (row.llm_provider, writers_asked(cloud)) == ("openai", ["openai", "openai"])


def test_an_answer_with_nothing_to_speak_is_a_failure(cloud: Cloud, alex: User) -> None:
    cloud.script = "# A title alone\n[music]"
    row = services.create_podcast_for_user(alex, "en")
    assert (row.llm_provider, writers_asked(cloud)) == ("template", ["openai", "gemini"])


def test_no_writer_at_all_is_a_failed_row_that_says_why(cloud: Cloud, alex: User, settings: Any) -> None:
    settings.DAILYCAST_LLM_PROVIDERS = ["openai"]
    cloud.fail("openai", Fault.BAD_KEY)
    row = services.create_podcast_for_user(alex, "en")
    assert (row.status, row.error_code, row.script_text) == ("failed", Reason.NO_SCRIPT, "")
    assert "OPENAI_API_KEY" in row.error_message
    assert settings.OPENAI_API_KEY not in row.error_message
    assert spoken(cloud) == []


def test_a_hanging_writer_is_given_up(cloud: Cloud, alex: User, settings: Any, no_waiting: None) -> None:
    settings.DAILYCAST_LLM_TIMEOUT = 0.3
    settings.DAILYCAST_LLM_PROVIDERS = ["openai", "template"]
    cloud.fail("openai", Fault.DRIP, times=None)
    assert services.create_podcast_for_user(alex, "en").llm_provider == "template"


def test_an_episode_out_of_time_ends(cloud: Cloud, alex: User, settings: Any) -> None:
    settings.DAILYCAST_LLM_PROVIDERS = ["openai"]
    settings.DAILYCAST_JOB_TIMEOUT = 3  # a slow machine takes a second until the writer is called
    cloud.fail("openai", Fault.HANG, times=None)
    row = services.create_podcast_for_user(alex, "en")
    assert (row.status, row.error_code) == ("failed", Reason.NO_SCRIPT)
    assert re.search(r"no (whole )?answer within [0-3]\.\d", row.error_message)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"mistkes": []}, "unknown key mistkes (did you mean mistakes?)"),
        ({"goal": []}, "goal must be a text, not list"),
    ],
)
def test_records_that_cannot_be_read_fail_before_anything_is_paid(
    cloud: Cloud, alex: User, monkeypatch: pytest.MonkeyPatch, bad: dict[str, Any], message: str
) -> None:
    monkeypatch.setattr("tests.test_services.records", bad)
    row = services.create_podcast_for_user(alex, "en")
    assert (row.status, row.error_code, cloud.calls) == ("failed", Reason.LEARNER, [])
    assert message in row.error_message


@pytest.mark.parametrize("language", ["klingon", "English", "??", "en-" + "-".join(["abcdefgh"] * 5)])
def test_records_in_an_unknown_language_get_the_default_and_a_warning_that_names_the_adapter(
    cloud: Cloud,
    alex: User,
    settings: Any,
    logged: pytest.LogCaptureFixture,
    language: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings.DAILYCAST_DEFAULT_LANGUAGE = "de"
    monkeypatch.setitem(records, "language", language)
    row = services.create_podcast_for_user(alex)
    assert (row.status, row.language, row.error_code, row.has_audio) == ("completed", "de", "", True)
    (warning,) = warnings(logged)
    adapter = settings.DAILYCAST_LEARNER_CONTEXT
    assert warning.startswith(f"Dailycast: {adapter}: the default language is used, because of this: Unknown language")


def test_a_default_that_is_unknown_fails_before_anything_is_paid(
    cloud: Cloud, alex: User, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(records, "language", "")
    settings.DAILYCAST_DEFAULT_LANGUAGE = "klingon"
    row = services.create_podcast_for_user(alex)
    assert (row.status, row.error_code, cloud.calls) == ("failed", Reason.LEARNER, [])
    assert row.error_message.startswith("Unknown language 'klingon'.")


def test_a_hosts_own_bug_ends_on_the_row_and_in_the_log(
    cloud: Cloud, alex: User, monkeypatch: pytest.MonkeyPatch, logged: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("tests.test_services.records", None)
    monkeypatch.setattr("tests.test_services.learner", lambda user: 1 / 0)
    row = services.create_podcast_for_user(alex, "en")
    assert (row.status, row.error_code, row.error_message) == (
        "failed",
        Reason.INTERNAL,
        "ZeroDivisionError in <lambda>",
    )
    assert "1 / 0" in logged.text


def test_an_interrupted_episode_does_not_stay_running(alex: User, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(services, "write_script", interrupt)
    with pytest.raises(KeyboardInterrupt):
        services.create_podcast_for_user(alex, "en")
    row = DailyPodcast.objects.get()
    assert (row.status, row.error_message) == ("failed", "KeyboardInterrupt in interrupt")


def test_no_writer_configured_says_what_to_set(alex: User, settings: Any) -> None:
    settings.DAILYCAST_LLM_PROVIDERS = ["openai"]
    row = services.create_podcast_for_user(alex, "en")
    assert (row.status, row.error_code) == ("failed", Reason.NO_SCRIPT)
    assert row.error_message.startswith("no writer is configured. openai: set OPENAI_API_KEY")


@pytest.mark.parametrize(("characters", "writer"), [(11_990, "openai"), (12_050, "template")])
def test_a_script_that_is_far_too_long_is_not_spoken(cloud: Cloud, alex: User, characters: int, writer: str) -> None:
    cloud.script = "# Long\n" + "Ten chars. " * (characters // 11)
    row = services.retry_now(queue.submit(alex, "en", with_audio=False))
    assert row.llm_provider == writer


def test_a_long_episode_may_be_long(cloud: Cloud, alex: User) -> None:
    cloud.script = "# Long\n" + "Ten chars. " * 1_300
    assert services.retry_now(queue.submit(alex, "en", minutes=10, with_audio=False)).llm_provider == "openai"


# The voice


def test_without_aws_keys_the_episode_is_script_only(
    cloud: Cloud, alex: User, settings: Any, media: Path, logged: pytest.LogCaptureFixture
) -> None:
    settings.AWS_ACCESS_KEY_ID = ""
    row = services.create_podcast_for_user(alex, "en")
    assert (row.status, row.tts_provider, row.error_code) == ("completed", "none", Reason.AUDIO_NOT_CONFIGURED)
    assert not row.audio_file
    assert not media.exists()
    assert (row.tts_characters, row.duration_seconds, row.has_audio) == (None, None, False)
    assert warnings(logged) == [f"{AWS} (episode {row.pk})"]
    assert spoken(cloud) == []


def test_a_language_without_a_voice_is_script_only_and_says_so(
    cloud: Cloud, alex: User, logged: pytest.LogCaptureFixture
) -> None:
    row = services.create_podcast_for_user(alex, "uk")
    assert (row.status, row.tts_provider, row.error_code) == ("completed", "none", Reason.NO_VOICE)
    assert row.error_message == "polly: no voice for Ukrainian (uk)"
    warning = "Dailycast: polly: no voice for Ukrainian (uk), skipping audio generation"
    assert warnings(logged) == [f"{warning} (episode {row.pk})"]
    assert spoken(cloud) == []


@pytest.mark.parametrize(
    "fault",
    [Fault.BAD_KEY, Fault.EXPIRED_TOKEN, Fault.SERVER_ERROR, Fault.HALF_AUDIO, Fault.NO_AUDIO, Fault.CUT_SILENT],
)
def test_where_the_voice_fails_the_script_stays_and_is_never_paid_for_again(
    cloud: Cloud, alex: User, fault: Fault, media: Path, no_waiting: None
) -> None:
    cloud.script = SCRIPT
    cloud.fail("polly", fault, times=None)
    row = services.create_podcast_for_user(alex, "en")
    assert (row.status, row.tts_provider, row.error_code) == ("completed", "none", Reason.AUDIO_FAILED)
    assert row.script_text == SCRIPT.strip()
    assert "polly: " in row.error_message
    assert not row.audio_file
    assert not media.exists()
    cloud.clear_faults()
    row = services.retry_now(DailyPodcast.objects.get())
    assert (row.status, row.tts_provider, row.error_code, row.error_message) == ("completed", "polly", "", "")
    assert (media / str(row.audio_file)).exists()
    assert writers_asked(cloud) == ["openai"]


def test_where_the_voice_fails_what_was_bought_is_counted(cloud: Cloud, alex: User) -> None:
    cloud.script = SCRIPT
    cloud.latency = {"polly": 0.1}
    cloud.fail("polly", Fault.TEXT_TOO_LONG, times=None, matching="Metternich")
    services.create_podcast_for_user(alex, "en")
    before = DailyPodcast.objects.get()
    assert before.error_code == Reason.AUDIO_FAILED
    cloud.clear_faults()
    after = services.retry_now(before)
    assert after.tts_provider == "polly"
    assert after.tts_characters is not None
    assert sum(map(len, SPOKEN)) <= after.tts_characters <= cloud.billed("polly")


def test_polly_at_its_limit_of_calls_a_second_still_gives_an_episode(cloud: Cloud, alex: User) -> None:
    cloud.rate = {"polly": 8}
    cloud.script = "# Many\n" + "\n\n".join(f"This is the sentence with the number {number}." for number in range(24))
    row = services.create_podcast_for_user(alex, "en")
    assert (row.tts_provider, row.error_message) == ("polly", "")
    assert [call.outcome for call in cloud.calls if call.vendor == "polly"].count("ok") == 24


def test_one_clip_that_fails_once_does_not_fail_the_episode(cloud: Cloud, alex: User, no_waiting: None) -> None:
    cloud.script = SCRIPT
    cloud.fail("polly", Fault.RATE_LIMIT, times=1, matching="Austrian")
    row = services.create_podcast_for_user(alex, "en")
    assert row.tts_provider == "polly"
    assert sorted(spoken(cloud)) == sorted([*SPOKEN, SPOKEN[1]])


def test_the_next_voice_speaks_the_whole_script(cloud: Cloud, alex: User, settings: Any) -> None:
    pytest.importorskip("py_nanotts")
    settings.DAILYCAST_TTS_PROVIDERS = ["polly", "pico"]
    cloud.script = SCRIPT
    cloud.fail("polly", Fault.BAD_KEY, times=1, matching="Metternich")
    row = services.create_podcast_for_user(alex, "en")
    assert (row.tts_provider, row.error_code) == ("pico", "")
    assert [cue["text"] for cue in row.cues][-1] == "It was Metternich."


def test_clips_are_spoken_eight_at_a_time_in_order_and_a_repeated_text_is_bought_once(cloud: Cloud, alex: User) -> None:
    cloud.latency = {"polly": 0.4}
    lines = [f"This is the sentence with the number {number}, and it is spoken once." for number in range(20)]
    cloud.script = "\n\n".join(["# Numbers", *lines, lines[0]])
    row = services.create_podcast_for_user(alex, "en")
    assert sorted(spoken(cloud)) == sorted(lines)
    assert cloud.peak("polly") == 8
    assert [cue["text"] for cue in row.cues] == [*lines, lines[0]]
    assert row.tts_characters == sum(map(len, lines))


def test_a_script_of_9000_characters_is_spoken_whole_within_the_limits(cloud: Cloud, alex: User) -> None:
    sentence = "The Congress of Vienna met from 1814 to 1815, and its order lasted for a long time after that. "
    cloud.script = "# Long\n" + "\n\n".join(sentence * 19 + f"Part {part} ends here." for part in range(5))
    row = services.create_podcast_for_user(alex, "en")
    assert len(row.script_text) > 9000
    assert max(map(len, spoken(cloud))) <= 600
    assert " ".join(cue["text"] for cue in row.cues).split() == row.script_text.removeprefix("# Long").split()
    assert row.tts_characters == cloud.billed("polly")


def test_clips_that_differ_in_form_are_not_joined(cloud: Cloud, alex: User, monkeypatch: pytest.MonkeyPatch) -> None:
    cloud.script = SCRIPT
    monkeypatch.setattr(mp3, "join", refuse_to_join)
    row = services.create_podcast_for_user(alex, "en")
    assert (row.error_code, row.error_message) == (
        Reason.AUDIO_FAILED,
        "polly: the clips cannot be joined: 24000 Hz and 22050 Hz",
    )


def refuse_to_join(parts: object) -> None:
    raise Mp3Error("24000 Hz and 22050 Hz")


def test_script_only_asks_no_voice(cloud: Cloud, alex: User, logged: pytest.LogCaptureFixture) -> None:
    row = services.retry_now(queue.submit(alex, "en", with_audio=False))
    assert (row.status, row.tts_provider, row.error_code) == ("completed", "none", Reason.AUDIO_NOT_ASKED)
    assert spoken(cloud) == []
    assert warnings(logged) == []


def test_a_long_title_is_cut_to_fit(cloud: Cloud, alex: User) -> None:
    cloud.script = "# " + "T" * 300 + "\nHello."
    assert services.create_podcast_for_user(alex, "en").title == "T" * 200


def test_the_mp3_has_the_title(cloud: Cloud, alex: User, media: Path) -> None:
    cloud.script = SCRIPT
    row = services.create_podcast_for_user(alex, "en")
    assert TinyTag.get(media / str(row.audio_file)).title == "Vienna, and one question"
    assert TinyTag.get(None, file_obj=BytesIO(services.synthesize_audio("Hello.", "en")[0])).title == "Daily podcast"


def test_minutes_reach_the_writer(cloud: Cloud, alex: User, settings: Any) -> None:
    services.retry_now(queue.submit(alex, "en", minutes=2, with_audio=False))
    settings.DAILYCAST_MINUTES = 7
    services.retry_now(queue.submit(alex, "en", with_audio=False))
    assert ["about 2 minutes" in cloud.calls[0].text, "about 7 minutes" in cloud.calls[1].text] == [True, True]


def test_an_episode_that_has_its_audio_is_left_alone(cloud: Cloud, alex: User) -> None:
    row = services.create_podcast_for_user(alex, "en")
    calls = len(cloud.calls)
    retried = services.retry_now(DailyPodcast.objects.get())
    assert (retried.audio_file, retried.status, len(cloud.calls)) == (row.audio_file, "completed", calls)


# Saving


def full_disk(name: str, data: bytes) -> str:
    raise OSError(28, "No space left on device")


def test_on_a_full_disk_the_script_and_its_cost_stay(cloud: Cloud, alex: User, monkeypatch: pytest.MonkeyPatch) -> None:
    cloud.script = SCRIPT
    monkeypatch.setattr(storage, "write_atomic", full_disk)
    row = services.create_podcast_for_user(alex, "en")
    assert (row.status, row.tts_provider, row.error_code) == ("completed", "none", Reason.NOT_SAVED)
    assert row.error_message == "[Errno 28] No space left on device"
    assert not row.audio_file
    assert row.tts_characters == cloud.billed("polly")
    assert row.cost_usd is not None
    assert row.cost_usd > Decimal("0.001")


def test_the_script_is_saved_before_the_first_character_is_spoken(
    cloud: Cloud, alex: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved: list[tuple[str, str]] = []

    def note_row(*_: object) -> None:
        row = DailyPodcast.objects.get()
        saved.append((row.status, row.script_text))
        raise ProviderError("no", permanent=True)

    cloud.script = SCRIPT
    monkeypatch.setattr(services, "make_speech", note_row)
    services.create_podcast_for_user(alex, "en")
    assert saved == [("running", SCRIPT.strip())]


def test_the_name_is_on_the_row_before_the_file_is_written(
    cloud: Cloud, alex: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    named: list[tuple[str, str]] = []

    def note_row(name: str, data: bytes) -> str:
        named.append((name, str(DailyPodcast.objects.get().audio_file)))
        return name

    monkeypatch.setattr(storage, "write_atomic", note_row)
    row = services.create_podcast_for_user(alex, "en")
    assert [pair for pair in named if "clips/" not in pair[0]] == [(row.audio_file.name, row.audio_file.name)]


def test_a_disk_without_space_is_reported_before_a_character_is_paid_for(
    cloud: Cloud, alex: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage, "free_bytes", lambda: 300_000)
    row = services.create_podcast_for_user(alex, "en")
    assert (row.status, row.error_code) == ("completed", Reason.NOT_SAVED)
    assert row.error_message.startswith("the disk has 0.3 MB free, and this episode may need ")
    assert spoken(cloud) == []


# What happens meanwhile


def test_what_an_editor_changes_meanwhile_is_spoken_too(
    cloud: Cloud, alex: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = voices.make_speech

    def slow(*args: Any) -> voices.Speech:
        speech = real(*args)
        DailyPodcast.objects.filter(script_text=SCRIPT.strip()).update(script_text="Mended, at last.")
        return speech

    cloud.script = SCRIPT
    monkeypatch.setattr(services, "make_speech", slow)
    row = services.create_podcast_for_user(alex, "en")
    assert (row.script_text, [cue["text"] for cue in row.cues]) == ("Mended, at last.", ["Mended, at last."])
    assert sorted(spoken(cloud)) == sorted([*SPOKEN, "Mended, at last."])
    assert row.tts_characters == cloud.billed("polly")


def test_a_script_that_an_editor_wrote_meanwhile_is_not_overwritten(cloud: Cloud, alex: User) -> None:
    podcast, real = queue.submit(alex, "en", with_audio=False), Job.current_script

    def edit_first(job: Job) -> str:
        DailyPodcast.objects.filter(script_text="").update(script_text="An editor was quicker.")
        return real(job)

    cloud.script = SCRIPT
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Job, "current_script", edit_first)
        row = services.retry_now(podcast)
    assert (row.status, row.script_text) == ("completed", "An editor was quicker.")
    assert row.calls.get().outcome == "ok"


@pytest.mark.django_db(transaction=True)
def test_an_episode_that_is_deleted_while_it_is_spoken_leaves_no_file(
    cloud: Cloud, media: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = storage.write_atomic

    def delete(name: str, data: bytes) -> str:
        if "clips/" not in name:
            DailyPodcast.objects.all().delete()
        return real(name, data)

    monkeypatch.setattr(storage, "write_atomic", delete)
    podcast = services.create_podcast_for_user(User.objects.create_user("alex"), "en")
    assert not podcast.has_audio
    assert not list(media.glob("podcasts/*.mp3"))


@pytest.mark.django_db(transaction=True)
def test_a_worker_that_was_suspended_before_it_wrote_the_file_touches_no_other(
    cloud: Cloud, alex: User, media: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, suspended = storage.write_atomic, list[str]()

    def suspend(name: str, data: bytes) -> str:
        """Another worker takes the job over, an editor has changed its script, and it ends before this one goes on."""
        if "clips/" not in name and not suspended:
            suspended.append(name)
            past = timezone.now() - timedelta(seconds=1)
            DailyPodcast.objects.update(lease_until=past, script_text="# Mended\nAn editor mended it.")
            assert services.run(DailyPodcast.objects.get().pk)
        return real(name, data)

    monkeypatch.setattr(storage, "write_atomic", suspend)
    row = services.create_podcast_for_user(alex, "en")
    assert (row.status, row.script_text) == ("completed", "# Mended\nAn editor mended it.")
    assert [path.name for path in media.glob("podcasts/*.mp3")] == [Path(str(row.audio_file)).name]
    assert ((media / str(row.audio_file)).stat().st_size, str(row.audio_file) != suspended[0]) == (
        row.audio_bytes,
        True,
    )
    assert row.duration_seconds == pytest.approx(mp3.duration((media / str(row.audio_file)).read_bytes()))


def test_nothing_but_ctrl_c_leaves_the_job_boundary(
    cloud: Cloud, alex: User, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(job: Job, *_: object, **__: object) -> None:
        raise ValueError("a value that nobody expected")

    monkeypatch.setattr(Job, "finish", refuse)
    row = services.create_podcast_for_user(alex, "en")
    assert row.status == "running"
    assert f"the end of episode {row.pk} is not written" in caplog.text


# Another attempt


def test_where_the_voice_fails_a_script_that_an_editor_wrote_meanwhile_counts(
    cloud: Cloud, alex: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Job.current_script

    def late(job: Job) -> str:
        DailyPodcast.objects.filter(script_text="").update(script_text="An editor was quicker.")
        return real(job)

    monkeypatch.setattr(Job, "current_script", late)
    cloud.fail("polly", Fault.TEXT_TOO_LONG, times=None)
    row = services.create_podcast_for_user(alex, "en")
    assert (row.status, row.error_code, row.script_text) == ("completed", "audio_failed", "An editor was quicker.")


def test_an_episode_that_has_lost_its_audio_shows_nothing_of_it(cloud: Cloud, alex: User, media: Path) -> None:
    row = services.create_podcast_for_user(alex, "en")
    (media / str(row.audio_file)).unlink()
    row.mark_missing(True)
    shutil.rmtree(media / "podcasts/clips")
    cloud.fail("polly", Fault.TEXT_TOO_LONG, times=None)
    row = services.retry_now(row)
    assert (row.status, row.error_code, row.tts_provider, row.tts_voice) == ("completed", "audio_failed", "none", "")
    assert (row.audio_bytes, row.duration_seconds, row.chapters, row.cues) == (None, None, [], [])


def test_a_script_that_was_bought_before_a_crash_is_not_bought_again(cloud: Cloud, alex: User) -> None:
    class Crash(BaseException):
        pass

    def crash(*_: object) -> None:
        raise Crash

    cloud.script = SCRIPT
    podcast = queue.submit(alex, "en", with_audio=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(writers, "_checked", crash)
        with pytest.raises(Crash):
            services.run(podcast.pk)
    DailyPodcast.objects.update(lease_until=None)
    row = services.retry_now(podcast)
    assert (row.script_text, row.attempts, writers_asked(cloud)) == (SCRIPT.strip(), 2, ["openai"])
    assert (row.prompt_tokens or 0) + (row.completion_tokens or 0) == cloud.billed("openai")
    assert row.calls.get().answer == ""


def test_another_attempt_asks_with_the_records_of_the_first(
    cloud: Cloud, alex: User, settings: Any, monkeypatch: pytest.MonkeyPatch, no_waiting: None
) -> None:
    settings.DAILYCAST_LLM_PROVIDERS = ["openai"]
    cloud.fail("openai", Fault.UNAVAILABLE, times=2)
    podcast = queue.submit(alex, with_audio=False)
    services.run(podcast.pk, can_reschedule=True)
    monkeypatch.setattr("tests.test_services.records", {"goal": "Something else", "language": "fr"})
    DailyPodcast.objects.update(next_attempt_at=None)
    services.run(podcast.pk, can_reschedule=True)
    row = DailyPodcast.objects.get()
    assert (row.status, row.language, row.attempts) == ("completed", "en", 2)
    assert len({call.text for call in cloud.calls}) == 1


@pytest.mark.parametrize(("can_reschedule", "status", "due"), [(True, "pending", True), (False, "failed", False)])
def test_only_a_job_that_can_be_rescheduled_is_put_back_after_a_transient_fault(
    cloud: Cloud, alex: User, settings: Any, no_waiting: None, can_reschedule: bool, status: str, due: bool
) -> None:
    settings.DAILYCAST_LLM_PROVIDERS = ["openai"]
    cloud.fail("openai", Fault.UNAVAILABLE, times=None)
    services.run(queue.submit(alex, "en").pk, can_reschedule=can_reschedule)
    row = DailyPodcast.objects.get()
    assert (row.status, row.next_attempt_at is not None, row.error_code) == (status, due, Reason.NO_SCRIPT)


def test_each_attempt_comes_twice_as_late_up_to_a_day(
    cloud: Cloud, alex: User, settings: Any, no_waiting: None
) -> None:
    settings.DAILYCAST_LLM_PROVIDERS, settings.DAILYCAST_MAX_ATTEMPTS = ["openai"], 20
    cloud.fail("openai", Fault.UNAVAILABLE, times=None)
    pk, waits = queue.submit(alex, "en").pk, list[int]()
    for attempts in (0, 1, 2, 15):
        DailyPodcast.objects.update(next_attempt_at=None, attempts=attempts)
        services.run(pk, can_reschedule=True)
        due = DailyPodcast.objects.get().next_attempt_at
        assert due is not None
        waits.append(round((due - timezone.now()).total_seconds()))
    assert waits == [pytest.approx(wait, abs=1) for wait in (30, 60, 120, 86_400)]


def test_a_job_that_never_came_to_an_end_needs_a_person(cloud: Cloud, alex: User) -> None:
    pk = queue.submit(alex, "en").pk
    DailyPodcast.objects.update(status="running", lease_until=None, attempts=5, script_text="Hello.")
    services.run(pk)
    row = DailyPodcast.objects.get()
    assert (row.status, row.error_code) == ("failed", Reason.NEEDS_PERSON)
    assert row.error_message == "It was begun 5 times and never came to an end."
    assert cloud.calls == []
    assert services.retry_now(row).has_audio


# Announcing


@pytest.fixture
def completed(alex: User) -> DailyPodcast:
    return DailyPodcast.objects.create(
        user=alex, status=Status.COMPLETED, audio_file="podcasts/a.mp3", duration_seconds=200.0
    )


def test_the_host_is_notified_once_that_an_episode_is_ready(alex: User, media: Path) -> None:
    received: list[tuple[object, object]] = []

    def listen(sender: object, podcast: DailyPodcast, **_: object) -> None:
        received.append((sender, DailyPodcast.objects.get(pk=podcast.pk, status=Status.COMPLETED).title))

    podcast_ready.connect(listen)
    try:
        podcast = services.create_podcast_for_user(alex, "en")
        services.retry_now(podcast)
    finally:
        podcast_ready.disconnect(listen)
    assert received == [(DailyPodcast, podcast.title)]


def test_an_episode_is_completed_even_if_a_receiver_fails(alex: User) -> None:
    def fail(**_: object) -> None:
        raise ValueError("the mail server is down")

    podcast_ready.connect(fail)
    try:
        assert services.create_podcast_for_user(alex, "en").status == Status.COMPLETED
    finally:
        podcast_ready.disconnect(fail)


@pytest.fixture
def announced() -> Iterator[list[DailyPodcast]]:
    """The episodes of every `podcast_ready` signal."""
    podcasts: list[DailyPodcast] = []

    def listen(sender: object, podcast: DailyPodcast, **_: object) -> None:
        podcasts.append(podcast)

    podcast_ready.connect(listen)
    yield podcasts
    podcast_ready.disconnect(listen)


def test_the_signal_has_the_row_as_another_worker_saved_it(
    alex: User, completed: DailyPodcast, announced: list[DailyPodcast]
) -> None:
    services.announce(completed.pk)
    assert [(podcast.status, podcast.duration_seconds) for podcast in announced] == [(Status.COMPLETED, 200.0)]


@pytest.mark.parametrize(("minutes", "count"), [(0, 0), (5, 1), (60 * 25, 0)])
def test_an_episode_whose_worker_ended_early_is_announced_later(
    completed: DailyPodcast, announced: list[DailyPodcast], minutes: float, count: int
) -> None:
    DailyPodcast.objects.update(completed_at=timezone.now() - timedelta(minutes=minutes))
    for _ in "ab":
        services.announce_missed()
    assert len(announced) == count


def test_an_episode_that_failed_is_not_announced(alex: User) -> None:
    signals: list[object] = []

    def listen(**_: object) -> None:
        signals.append(1)

    podcast_ready.connect(listen)
    try:
        services.run(queue.submit(alex, "ko").pk)
    finally:
        podcast_ready.disconnect(listen)
    assert (signals, DailyPodcast.objects.get().status) == ([], "failed")


# What it costs


def test_a_budget_that_is_enough_for_the_script_alone_buys_nothing(cloud: Cloud, alex: User, settings: Any) -> None:
    settings.DAILYCAST_DAILY_BUDGET_USD = "0.0065"
    settings.DAILYCAST_PRICES = {"openai/gpt-6-luna": "0.10/0.50", "polly/neural": "1000"}
    row = services.create_podcast_for_user(alex, "en")
    assert (row.status, row.error_code, cloud.calls) == ("failed", Reason.BUDGET, [])
    assert "the speech of this episode may cost" in row.error_message
    assert Budget.objects.get().reserved == 0
    script_only = queue.submit(alex, "en", with_audio=False)
    services.run(script_only.pk)
    script_only.refresh_from_db()
    assert script_only.status == "completed"


def test_no_clip_is_bought_of_a_script_that_the_budget_cannot_speak_to_the_end(
    cloud: Cloud, alex: User, settings: Any
) -> None:
    settings.DAILYCAST_DAILY_BUDGET_USD = "0.10"
    cloud.script = "# Long\n" + "\n\n".join(f"Part {part}. " + "It goes on and on. " * 25 for part in range(16))
    row = services.create_podcast_for_user(alex, "en")
    assert (row.status, row.error_code, spoken(cloud)) == ("completed", Reason.BUDGET, [])


@pytest.mark.django_db(transaction=True)
def test_an_episode_holds_its_whole_speech_of_the_budget_and_gives_back_the_rest(
    cloud: Cloud, alex: User, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.DAILYCAST_DAILY_BUDGET_USD = "1"
    cloud.script = SCRIPT
    held: list[int] = []
    speak = polly.Provider.speak

    def look(self: Any, *args: Any) -> Any:
        held.append(Budget.objects.get().reserved)
        connection.close()  # of the call's own thread
        return speak(self, *args)

    monkeypatch.setattr(polly.Provider, "speak", look)
    assert services.create_podcast_for_user(alex, "en").has_audio
    characters = sum(map(len, SPOKEN))
    assert all(micro >= characters * 16 for micro in held)
    spent = ProviderCall.objects.aggregate(usd=Sum("cost_usd"))["usd"]
    assert 0 <= Decimal(Budget.objects.get().reserved) / 1_000_000 - spent < Decimal("0.00001")
    assert not ProviderCall.objects.filter(outcome=Outcome.RESERVED).exists()


def test_what_a_dead_worker_held_of_the_budget_is_given_back(cloud: Cloud, alex: User, settings: Any) -> None:
    settings.DAILYCAST_DAILY_BUDGET_USD = "1"
    podcast = queue.submit(alex, "en")
    dead = queue.claim(podcast.pk)
    assert dead
    ledger.reserve(dead, Decimal("0.9"))
    DailyPodcast.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    services.run(podcast.pk)
    assert DailyPodcast.objects.get().has_audio
    assert Budget.objects.get().reserved < 100_000
    ledger.release(dead)  # it wakes up, and finds nothing of its own
    assert 0 < Budget.objects.get().reserved < 100_000


def test_a_script_of_an_editor_has_a_longest_length(cloud: Cloud, alex: User) -> None:
    script = "Ten chars. " * 100_000
    podcast = DailyPodcast.objects.create(user=alex, language="en", script_text=script, status=Status.FAILED)
    row = services.retry_now(podcast)
    assert (row.status, row.error_code, cloud.calls) == ("completed", Reason.AUDIO_FAILED, [])
    assert "50,000 are the most" in row.error_message


def test_an_unknown_model_costs_an_unknown_sum(cloud: Cloud, alex: User, settings: Any) -> None:
    settings.DAILYCAST_OPENAI_MODEL = "gpt-4o-mini"
    assert services.create_podcast_for_user(alex, "en").cost_usd is None


def test_a_model_on_the_owners_server_costs_nothing(cloud: Cloud, alex: User, settings: Any) -> None:
    settings.OPENAI_API_KEY = ""
    settings.DAILYCAST_OPENAI_MODEL = "gpt-4o-mini"
    settings.AWS_ACCESS_KEY_ID = ""
    assert services.create_podcast_for_user(alex, "en").cost_usd == 0


# The other two public functions


def test_generate_podcast_script_gives_text_and_provider_and_saves_nothing(cloud: Cloud, alex: User) -> None:
    cloud.script = "```markdown\n" + SCRIPT + "```"
    assert services.generate_podcast_script(alex, "en") == (SCRIPT.strip(), "openai")
    assert DailyPodcast.objects.count() == 0


def test_generate_podcast_script_without_a_key(alex: User) -> None:
    text, provider = services.generate_podcast_script(alex, "en")
    assert provider == "template"
    assert "Alex" in text


def test_generate_podcast_script_raises_what_went_wrong(alex: User, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ProviderError, match="Korean"):
        services.generate_podcast_script(alex, "ko")
    monkeypatch.setattr("tests.test_services.records", {"x": 1})
    with pytest.raises(LearnerContextError, match="unknown key x"):
        services.generate_podcast_script(alex, "en")


def test_synthesize_audio_gives_mp3_and_provider(cloud: Cloud, db: None) -> None:
    data, provider = services.synthesize_audio(SCRIPT, "en")
    assert provider == "polly"
    assert mp3.duration(data) > 4 + sum(map(len, SPOKEN)) / 25
    assert sorted(spoken(cloud)) == sorted(SPOKEN)


def test_synthesize_audio_without_keys_is_no_audio_and_the_warning(logged: pytest.LogCaptureFixture) -> None:
    assert services.synthesize_audio("Hello there.", "en") == (b"", "none")
    assert warnings(logged) == [AWS]


def test_synthesize_audio_in_a_language_without_a_voice(cloud: Cloud) -> None:
    assert services.synthesize_audio("Привіт.", "uk") == (b"", "none")


def test_synthesize_audio_raises_when_the_voice_fails(cloud: Cloud, db: None) -> None:
    cloud.fail("polly", Fault.BAD_KEY, times=None)
    with pytest.raises(ProviderError, match="polly: "):
        services.synthesize_audio("Hello there.", "en")


@pytest.mark.parametrize("text", ["", "# Only a title", "Hello.\n[pause soon]"])
def test_synthesize_audio_refuses_a_script_that_an_editor_has_to_mend(cloud: Cloud, text: str) -> None:
    with pytest.raises(ScriptError):
        services.synthesize_audio(text, "en")
    assert cloud.calls == []


def test_no_thread_outlives_an_episode(cloud: Cloud, alex: User) -> None:
    services.create_podcast_for_user(alex, "en")
    assert [thread for thread in threading.enumerate() if thread.name == "dailycast-call"] == []


# An unusable script


def test_a_script_with_nothing_to_speak_is_billed_as_failed_and_its_text_is_gone(
    cloud: Cloud, alex: User, settings: Any
) -> None:
    settings.DAILYCAST_LLM_PROVIDERS = ["openai"]
    cloud.script = "# Vienna"
    row = services.create_podcast_for_user(alex, "en")
    call = ProviderCall.objects.get()
    assert (row.status, row.error_code) == ("failed", Reason.NO_SCRIPT)
    assert (call.outcome, call.answer, call.message) == ("failed", "", "the answer has nothing in it to speak")
    assert call.cost_usd
    assert row.cost_usd == round(call.cost_usd, 6)
    cloud.script = SCRIPT
    assert services.retry_now(row).has_audio
    assert writers_asked(cloud) == ["openai", "openai"]


def test_an_unusable_script_of_one_writer_is_not_used_with_the_next_one(cloud: Cloud, alex: User) -> None:
    answers = iter(["# Vienna", SCRIPT])
    cloud.script = lambda prompt: next(answers)
    row = services.create_podcast_for_user(alex, "en")
    assert (row.llm_provider, row.script_text) == ("gemini", SCRIPT.strip())
    scripts = ProviderCall.objects.filter(kind="script").order_by("pk")
    assert list(scripts.values_list("outcome", "answer")) == [("failed", ""), ("ok", "")]


def test_a_script_that_nobody_saves_leaves_no_text_in_the_ledger(cloud: Cloud, alex: User) -> None:
    cloud.script = SCRIPT
    services.generate_podcast_script(alex, "en")
    assert ProviderCall.objects.values_list("outcome", "answer").get() == ("ok", "")


# Who was passed over


def passed_over() -> list[tuple[str, str]]:
    return [(each["kind"], each["provider"]) for each in DailyPodcast.objects.get().passed_over]


def test_the_row_keeps_who_failed_before_the_one_that_served(cloud: Cloud, alex: User, settings: Any) -> None:
    settings.DAILYCAST_TTS_PROVIDERS = ["polly", "tests.test_services.Hum"]
    for vendor in ("openai", "gemini", "polly"):
        cloud.fail(vendor, Fault.BAD_KEY, times=None)
    podcast = services.create_podcast_for_user(alex, "en")
    assert (podcast.llm_provider, podcast.tts_provider, podcast.error_code) == ("template", "hum", "")
    assert passed_over() == [("script", "openai"), ("script", "gemini"), ("speech", "polly")]
    assert re.match(r"The episode is ready. openai was passed over: .*OPENAI_API_KEY.* polly was ", podcast.progress)
    assert podcast.progress_for_learner == "The episode is ready."


class Hum(Speaker):
    name = "hum"


def test_nobody_was_passed_over_where_nobody_served(cloud: Cloud, alex: User, settings: Any) -> None:
    settings.DAILYCAST_LLM_PROVIDERS = ["openai", "gemini"]
    cloud.fail("openai", Fault.BAD_KEY, times=None)
    cloud.fail("gemini", Fault.BAD_KEY, times=None)
    podcast = services.create_podcast_for_user(alex, "en")
    assert (podcast.status, passed_over()) == ("failed", [])
    assert "openai: " in podcast.error_message
    assert "gemini: " in podcast.error_message


def test_a_later_attempt_forgets_who_was_passed_over(cloud: Cloud, alex: User) -> None:
    cloud.fail("openai", Fault.BAD_KEY, times=None)
    cloud.fail("polly", Fault.BAD_KEY, times=None)
    podcast = services.create_podcast_for_user(alex, "en")
    assert (podcast.error_code, passed_over()) == ("audio_failed", [("script", "openai")])
    cloud.clear_faults()
    services.retry_now(podcast)
    assert passed_over() == [("script", "openai")]  # its script stays
    DailyPodcast.objects.update(script_text="", status=Status.FAILED, audio_file=None)
    services.retry_now(podcast)
    assert passed_over() == []


def test_a_killed_worker_leaves_who_was_passed_over(cloud: Cloud, alex: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """The script is bought but not on the row when the worker dies: the next attempt takes it from the ledger."""
    cloud.fail("openai", Fault.BAD_KEY, times=None)
    with monkeypatch.context() as patch:
        patch.setattr(services, "write_script", lambda *args: writers.write_script(*args) and 1 // 0)
        services.create_podcast_for_user(alex, "en")
    services.retry_now(DailyPodcast.objects.get())
    assert writers_asked(cloud) == ["openai", "gemini"]
    assert passed_over() == [("script", "openai")]


# The storage


def test_media_that_cannot_be_written_are_noticed_before_a_script_is_paid_for(
    cloud: Cloud, alex: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage, "unwritable_reason", lambda: "/media cannot be written by this user")
    row = services.create_podcast_for_user(alex, "en")
    assert (row.status, row.error_code, cloud.calls) == ("failed", Reason.NOT_SAVED, [])
    assert row.error_message == (
        "/media cannot be written by this user: make MEDIA_ROOT writable for the user of this process."
    )


def test_a_script_only_episode_needs_no_media(cloud: Cloud, alex: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "unwritable_reason", lambda: "/media cannot be written by this user")
    row = queue.submit(alex, "en", with_audio=False)
    services.run(row.pk)
    row.refresh_from_db()
    assert (row.status, bool(row.script_text)) == ("completed", True)


def test_a_damaged_file_is_made_again_from_the_bought_clips(cloud: Cloud, alex: User, media: Path) -> None:
    cloud.script = SCRIPT
    podcast = services.create_podcast_for_user(alex, "en")
    bought, name = len(cloud.calls), str(podcast.audio_file.name)
    assert podcast.audio_sha256 == sha256((media / name).read_bytes()).hexdigest()
    (media / name).write_bytes(b"x" * (podcast.audio_bytes or 0))
    assert not podcast.check_file(thoroughly=True)
    again = services.retry_now(podcast)
    assert (again.has_audio, again.check_file(thoroughly=True), len(cloud.calls)) == (True, True, bought)
