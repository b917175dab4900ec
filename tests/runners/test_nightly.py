"""The nightly edition as cron runs it: who gets an episode, what it prints, and how it ends."""

import io
import re
import threading
import time
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import connection

from dailycast import services
from dailycast.jobs import queue
from dailycast.jobs.job import stopping
from dailycast.models import DailyPodcast, ProviderCall, Reason, Status, dates
from dailycast.runners import nightly
from tests.cloud import Cloud, Fault
from tests.jobs.rows import from_now, in_threads

pytestmark = pytest.mark.django_db(transaction=True)
MATERIAL = {"mistakes": ["goed"]}
SCRIPT = "# Today\nGood morning."
records: dict[str, Any] = {}


def learner(user: User) -> Any:
    return records.get(user.username, MATERIAL)


SCRIPT_ONLY = "Script-only, because no voice is configured for them: {}."


@pytest.fixture(autouse=True)
def school(cloud: Cloud, settings: Any, monkeypatch: pytest.MonkeyPatch, quick_retries: None) -> Cloud:
    """One writer in the cloud, and no voice; every learner has something to hear about."""
    settings.DAILYCAST_LEARNER_CONTEXT = "tests.runners.test_nightly.learner"
    settings.DAILYCAST_LLM_PROVIDERS = ["openai"]
    settings.AWS_ACCESS_KEY_ID = ""
    cloud.script = SCRIPT
    monkeypatch.setattr("tests.runners.test_nightly.records", {})
    monkeypatch.setattr("dailycast.jobs.job.FIRST_RETRY_DELAY", 0.1)
    return cloud


def enrol(*names: str, **values: Any) -> None:
    for name in names:
        User.objects.create_user(name, first_name=name.title(), **values)


def run(*options: str) -> tuple[int, str, str]:
    """The exit status, and what it wrote to stdout and stderr."""
    out, err = io.StringIO(), io.StringIO()
    status: Any = 0
    try:
        call_command("generate_daily_podcasts", *options, stdout=out, stderr=err, no_color=True)
    except SystemExit as end:
        status = end.code
    return status, out.getvalue(), err.getvalue()


def users_with_episode() -> list[str]:
    rows = DailyPodcast.objects.filter(status=Status.COMPLETED)
    return sorted(rows.values_list("user__username", flat=True))


# Who


def test_each_active_learner_gets_an_episode_and_the_status_says_that_nothing_failed(school: Cloud) -> None:
    enrol("alex", "kim")
    enrol("gone", is_active=False)
    status, out, err = run("--date", "2026-11-23")
    assert (status, err) == (0, "")
    assert out.splitlines() == [
        "Made 2, failed 0, made before 0.",
        "Skipped: 0 opted out, 0 no data.",
        SCRIPT_ONLY.format(2),
    ]
    assert users_with_episode() == ["alex", "kim"]
    row = DailyPodcast.objects.get(user__username="alex")
    assert (row.source, row.edition_date, row.error_code) == ("daily", date(2026, 11, 23), "audio_not_configured")
    assert row.request_key == f"daily:{row.user_id}:2026-11-23"


def test_a_second_run_makes_and_pays_nothing(school: Cloud) -> None:
    enrol("alex", "kim")
    run()
    paid = len(school.calls)
    status, out, _ = run()
    assert (status, out.splitlines()[0]) == (0, "Made 0, failed 0, made before 2.")
    assert (len(school.calls), DailyPodcast.objects.count()) == (paid, 2)


def test_another_day_is_another_edition(school: Cloud) -> None:
    enrol("alex")
    run("--date", "2026-11-23")
    run("--date", "2026-11-24")
    assert users_with_episode() == ["alex", "alex"]


def test_two_editions_at_once_make_one_episode_each(school: Cloud) -> None:
    enrol(*"abcdef")
    school.latency = {"openai": 0.05}
    tallies = in_threads(lambda _: nightly.Edition(date(2026, 11, 23), None, 3).make(), number=2, retry=False)
    assert users_with_episode() == list("abcdef")
    assert len(school.calls) == 6
    assert [sum(getattr(tally, name) for tally in tallies) for name in ("made", "already_made", "failed")] == [6, 6, 0]


def test_learners_who_opted_out_or_have_no_data_are_counted_and_get_no_row(school: Cloud) -> None:
    enrol("alex", "bo", "kim", "new")
    records.update({"bo": {**MATERIAL, "opted_out": True}, "kim": {"opted_out": True}, "new": {"goal": "Pass"}})
    status, out, _ = run()
    assert (status, out.splitlines()) == (
        0,
        ["Made 1, failed 0, made before 0.", "Skipped: 2 opted out, 1 no data.", SCRIPT_ONLY.format(1)],
    )
    assert (DailyPodcast.objects.count(), len(school.calls)) == (1, 1)


def test_a_learner_who_opted_out_may_still_ask_for_an_episode(school: Cloud, alex: User) -> None:
    records["alex"] = {"opted_out": True}
    assert services.create_podcast_for_user(alex, "en").status == "completed"


# How many


def test_after_the_first_so_many_are_made_at_once(school: Cloud) -> None:
    enrol(*"abcdefg")
    school.latency = {"openai": 0.15}
    run("--concurrency", "3")
    first, second = school.calls[:2]
    assert second.started >= first.ended
    assert school.peak("openai") == 3
    assert users_with_episode() == list("abcdefg")


def test_no_more_than_the_limit_are_made_and_earlier_ones_do_not_count(school: Cloud) -> None:
    enrol(*"abcde")
    for total in (2, 4, 5):
        status, _, _ = run("--limit", "2", "--concurrency", "4")
        assert (status, DailyPodcast.objects.count()) == (0, total)
    assert len(school.calls) == 5


@pytest.mark.parametrize("options", [("--limit", "0"), ("--concurrency", "-1"), ("--date", "yesterday")])
def test_an_option_that_cannot_be_read_is_an_error(options: tuple[str, str]) -> None:
    with pytest.raises(CommandError, match=options[0]):
        run(*options)


# What goes wrong


def test_a_fault_that_every_learner_would_meet_costs_the_first_alone(school: Cloud) -> None:
    enrol(*"abcde")
    school.fail("openai", Fault.BAD_KEY, times=None)
    status, out, err = run("--concurrency", "4")
    assert status == 2
    assert "Made 0, failed 1, made before 0." in out
    assert err.startswith("Stopped, 4 learners not looked at: ")
    assert "OPENAI_API_KEY" in err
    assert (len(school.calls), DailyPodcast.objects.count()) == (1, 1)


def test_a_vendor_wide_fault_that_comes_later_stops_what_has_not_begun(school: Cloud) -> None:
    enrol(*"abcdefgh")
    school.fail("openai", Fault.QUOTA, times=None, after=2)
    status, _, err = run("--concurrency", "1")
    assert (status, len(school.calls)) == (2, 3)
    assert err.startswith("Stopped, 5 learners not looked at: ")
    assert users_with_episode() == ["a", "b"]


def test_a_provider_that_was_passed_over_is_a_warning(school: Cloud, settings: Any) -> None:
    settings.DAILYCAST_LLM_PROVIDERS = ["openai", "gemini"]
    enrol("alex", "kim")
    school.fail("openai", Fault.REFUSAL)
    status, out, err = run("--concurrency", "1")
    assert (status, out.splitlines()[0]) == (0, "Made 2, failed 0, made before 0.")
    assert re.match("Warning: another provider had to serve 1 of them. openai was passed over: OpenAI refused", err)


def test_the_budget_stops_an_edition(school: Cloud, settings: Any) -> None:
    settings.DAILYCAST_DAILY_BUDGET_USD = "0.000001"
    enrol("alex", "kim")
    status, _, err = run()
    assert (status, school.calls) == (2, [])
    assert "DAILYCAST_DAILY_BUDGET_USD" in err
    assert DailyPodcast.objects.get().error_code == Reason.BUDGET


def test_one_learners_fault_leaves_the_others(school: Cloud) -> None:
    enrol("alex", "bo", "kim")
    records["bo"] = {"mistkes": []}
    status, out, _ = run()
    assert status == 1
    assert out.splitlines() == [
        "Made 2, failed 1, made before 0.",
        "Skipped: 0 opted out, 0 no data.",
        SCRIPT_ONLY.format(2),
        "The admin's list says why; --retry tries them again.",
    ]
    assert users_with_episode() == ["alex", "kim"]
    assert DailyPodcast.objects.get(user__username="bo").error_code == Reason.LEARNER


def test_the_first_learners_fault_does_not_make_the_next_one_wait_for_another(school: Cloud) -> None:
    enrol("alex", "bo", "kim")
    records["alex"] = {"mistkes": []}
    status, _, _ = run()
    assert (status, users_with_episode()) == (1, ["bo", "kim"])


@pytest.mark.parametrize(("voice", "message"), [(Fault.VOICE, "Polly rejected the voice"), (None, "ZeroDivisionError")])
def test_three_failures_in_a_row_end_the_edition(
    school: Cloud, settings: Any, monkeypatch: pytest.MonkeyPatch, voice: Fault | None, message: str
) -> None:
    settings.AWS_ACCESS_KEY_ID = "AKIASTANDIN"
    enrol(*"abcdef")
    if voice:
        school.fail("polly", voice, times=None)
    else:
        monkeypatch.setattr("dailycast.audio.storage.free_bytes", lambda: 1 // 0)  # a bug of ours
    status, _, err = run("--concurrency", "4")
    assert status == 2
    assert err.startswith("Stopped, 3 learners not looked at: 3 in a row could not be made; the last one: ")
    assert message in err
    assert len([call for call in school.calls if call.vendor == "openai"]) == 3


def test_the_voice_is_prepared_while_the_first_script_is_written(
    school: Cloud, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.AWS_ACCESS_KEY_ID = "AKIASTANDIN"
    prepared: list[float] = []
    monkeypatch.setattr("dailycast.tts.polly.Provider.prepare", lambda self: prepared.append(time.monotonic()))
    school.latency = {"openai": 0.5}
    enrol("alex", "kim")
    run()
    script, speech = school.calls[0], next(call for call in school.calls if call.vendor == "polly")
    assert prepared[0] < script.ended < speech.started  # it may begin a moment before the writer is called


def test_an_episode_without_the_audio_it_should_have_is_counted(school: Cloud, settings: Any) -> None:
    settings.AWS_ACCESS_KEY_ID = "AKIASTANDIN"
    enrol("alex", "kim")
    school.script = lambda prompt: SCRIPT + (" Kim." if "Kim" in prompt else "")
    school.fail("polly", Fault.TEXT_TOO_LONG, times=None, matching="Kim")
    status, out, _ = run()
    assert status == 1
    assert "Made 2 (1 without the audio they should have), failed 0, made before 0." in out


def test_what_is_put_back_is_retried_before_the_end(school: Cloud) -> None:
    enrol("alex", "kim")
    school.fail("openai", Fault.UNAVAILABLE, times=2, matching="Kim")
    status, out, _ = run()
    assert (status, out.splitlines()[0]) == (0, "Made 2, failed 0, made before 0.")
    assert DailyPodcast.objects.get(user__username="kim").attempts == 2


def test_what_is_put_back_for_long_is_left_to_another_run(school: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dailycast.jobs.job.FIRST_RETRY_DELAY", nightly.LONGEST_WAIT + 60)
    enrol("alex", "kim")
    school.fail("openai", Fault.UNAVAILABLE, times=2, matching="Kim")
    status, out, _ = run()
    assert status == 1
    assert "Made 1, failed 0, made before 0." in out
    assert "Not made yet: 1, put back or in other hands. Run this again, or a worker." in out


def test_what_failed_is_retried_only_on_request(school: Cloud) -> None:
    enrol("alex", "bo")
    records["bo"] = {"mistkes": []}
    run()
    del records["bo"]
    status, out, _ = run()
    assert (status, out.splitlines()[0], users_with_episode()) == (1, "Made 0, failed 1, made before 1.", ["alex"])
    status, out, _ = run("--retry")
    assert (status, users_with_episode()) == (0, ["alex", "bo"])
    assert len([call for call in school.calls if call.vendor == "openai"]) == 2


def test_a_retry_makes_the_audio_and_pays_for_no_script(school: Cloud, settings: Any) -> None:
    enrol("alex")
    run()
    settings.AWS_ACCESS_KEY_ID = "AKIASTANDIN"
    assert run()[0] == 0
    assert not DailyPodcast.objects.get().has_audio
    assert run("--retry")[0] == 0
    assert DailyPodcast.objects.get().has_audio
    assert [call.vendor for call in school.calls] == ["openai", "polly"]


def test_the_row_of_a_dead_run_is_taken_up_by_the_next(school: Cloud, alex: User) -> None:
    queue.submit(alex, source="daily", edition_date=date(2026, 11, 23), request_key=f"daily:{alex.pk}:2026-11-23")
    DailyPodcast.objects.update(status=Status.RUNNING, lease_until=None, attempts=1)
    assert run("--date", "2026-11-23")[0] == 0
    assert (users_with_episode(), DailyPodcast.objects.get().attempts) == (["alex"], 2)


def test_a_run_that_has_to_stop_begins_no_other_episode(school: Cloud) -> None:
    enrol("alex", "kim")
    stopping.set()
    tally = nightly.Edition(date(2026, 11, 23), None, 2).make()
    assert (tally.seen, school.calls) == (0, [])


def test_a_broken_setup_is_reported_before_anything_is_made(school: Cloud, settings: Any, media: Any) -> None:
    enrol("alex")
    media.write_text("a file where the folder should be")
    with pytest.raises(CommandError, match="No MP3 can be saved"):
        run()
    media.unlink()
    settings.DAILYCAST_LEARNER_CONTEXT = "no.such.module"
    with pytest.raises(CommandError, match=re.escape("no.such.module")):
        run()
    assert (DailyPodcast.objects.count(), school.calls) == (0, [])


# What an earlier run left


DAY = date(2026, 11, 23)


def earlier_row(name: str, day: date = DAY, **values: Any) -> DailyPodcast:
    """A row of the nightly edition as an earlier run left it."""
    user = User.objects.filter(username=name).first() or User.objects.create_user(name, first_name=name.title())
    row = queue.submit(user, source="daily", edition_date=day, request_key=f"daily:{user.pk}:{day}")
    DailyPodcast.objects.filter(pk=row.pk).update(**values)
    return row


RESCHEDULED: dict[str, Any] = {"status": Status.PENDING, "attempts": 1, "error_code": Reason.NO_SCRIPT}
HINT = "The admin's list says why; --retry tries them again."


def test_what_is_put_back_was_not_made_before(school: Cloud) -> None:
    earlier_row("alex", **RESCHEDULED, next_attempt_at=from_now(3600))
    status, out, err = run("--date", str(DAY))
    assert (status, err) == (1, "")
    assert out.splitlines() == [
        "Made 0, failed 0, made before 0.",
        "Skipped: 0 opted out, 0 no data.",
        "Not made yet: 1, put back or in other hands. Run this again, or a worker.",
    ]
    assert school.calls == []


def test_what_another_worker_has_was_not_made_before(school: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nightly, "LONGEST_WAIT", 0.2)
    row = earlier_row("alex", status=Status.RUNNING, claim_token="another", lease_until=from_now(50), attempts=1)
    status, out, _ = run("--date", str(DAY))
    assert (status, out.splitlines()[0]) == (1, "Made 0, failed 0, made before 0.")
    assert "Not made yet: 1, put back or in other hands." in out
    assert DailyPodcast.objects.get(pk=row.pk).claim_token == "another"


def test_what_other_workers_end_meanwhile_is_counted_as_it_ended(
    school: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    earlier_row("alex", status=Status.RUNNING, claim_token="another", lease_until=from_now(0.5), attempts=1)

    def end_elsewhere() -> None:
        DailyPodcast.objects.update(status=Status.COMPLETED, audio_file="podcasts/a.mp3", lease_until=None)
        connection.close()

    timer = threading.Timer(0.2, end_elsewhere)
    monkeypatch.setattr(queue, "sweep", timer.start)  # with which a run begins
    status, out, _ = run("--date", str(DAY))
    timer.join()
    assert (status, out.splitlines()) == (0, ["Made 0, failed 0, made before 1.", "Skipped: 0 opted out, 0 no data."])


def test_an_episode_without_audio_of_an_earlier_run_is_counted_again(school: Cloud) -> None:
    earlier_row("alex", status=Status.COMPLETED, script_text=SCRIPT, error_code=Reason.AUDIO_FAILED)
    earlier_row("kim", status=Status.COMPLETED, script_text=SCRIPT, error_code=Reason.AUDIO_NOT_CONFIGURED)
    earlier_row("lee", status=Status.COMPLETED, script_text=SCRIPT, audio_file="podcasts/a.mp3")
    status, out, err = run("--date", str(DAY))
    assert (status, err) == (1, "")
    assert out.splitlines() == [
        "Made 0 (1 without the audio they should have), failed 0, made before 3.",
        "Skipped: 0 opted out, 0 no data.",
        HINT,
    ]


def test_a_retry_does_not_wait_for_what_was_put_back(school: Cloud) -> None:
    earlier_row("alex", **RESCHEDULED, next_attempt_at=from_now(3600))
    assert (run("--date", str(DAY))[0], school.calls) == (1, [])
    assert (run("--date", str(DAY), "--retry")[0], users_with_episode(), len(school.calls)) == (0, ["alex"], 1)


AS_IT_SHOULD_BE: list[dict[str, Any]] = [
    {"status": Status.COMPLETED, "error_code": Reason.PRUNED},
    {"status": Status.COMPLETED, "error_code": Reason.AUDIO_NOT_ASKED},
    {"status": Status.COMPLETED, "audio_file": "podcasts/a.mp3"},
    {"status": Status.PENDING, "error_code": Reason.AUDIO_NOT_ASKED, "next_attempt_at": "later"},
]


@pytest.mark.parametrize("values", AS_IT_SHOULD_BE)
def test_a_retry_leaves_alone_what_is_as_it_should_be(school: Cloud, settings: Any, values: dict[str, Any]) -> None:
    settings.AWS_ACCESS_KEY_ID = "AKIASTANDIN"
    due = {"next_attempt_at": from_now(3600)} if "next_attempt_at" in values else {}
    earlier_row("alex", script_text=SCRIPT, **{**values, **due})
    before = DailyPodcast.objects.values().get()
    run("--date", str(DAY), "--retry")
    assert (DailyPodcast.objects.values().get(), school.calls) == (before, [])
    assert run("--dry-run", "--date", str(DAY), "--retry")[1].splitlines()[1].startswith("Made before: 1.")


def test_a_dry_run_counts_what_a_retry_would_make(school: Cloud) -> None:
    earlier_row("alex", **RESCHEDULED, next_attempt_at=from_now(3600))
    earlier_row("kim", status=Status.FAILED, error_code=Reason.NO_SCRIPT)
    assert run("--dry-run", "--date", str(DAY))[1].splitlines()[0].startswith(f"{DAY}: 0 episodes to make")
    assert run("--dry-run", "--date", str(DAY), "--retry")[1].splitlines()[0].startswith(f"{DAY}: 2 episodes to make")


def test_a_stale_row_of_another_day_is_made_at_the_end(school: Cloud) -> None:
    enrol("alex")
    old = earlier_row("kim", date(2026, 11, 20), **RESCHEDULED, next_attempt_at=from_now(-5))
    waits = earlier_row("kim", date(2026, 11, 21), **RESCHEDULED, next_attempt_at=from_now(3600))
    assert run("--date", str(DAY))[0] == 0
    assert DailyPodcast.objects.get(pk=old.pk).status == "completed"
    assert DailyPodcast.objects.get(pk=waits.pk).status == "pending"
    assert DailyPodcast.objects.filter(status=Status.COMPLETED).latest("completed_at") == old
    assert len(school.calls) == 3


def test_with_a_limit_no_stale_row_is_made(school: Cloud) -> None:
    enrol("alex")
    old = earlier_row("kim", date(2026, 11, 20), **RESCHEDULED, next_attempt_at=from_now(-5))
    run("--date", str(DAY), "--limit", "1")
    assert DailyPodcast.objects.get(pk=old.pk).status == "pending"


# What ends it early


def test_an_edition_that_is_stopped_midway_says_how_many_learners_are_left(school: Cloud) -> None:
    enrol("alex", "bo", "kim", "lee", "new")

    def write(prompt: str) -> str:
        if "Kim" in prompt:
            stopping.set()
        return SCRIPT

    school.script = write
    status, out, err = run("--concurrency", "1")
    assert (status, err) == (1, "Interrupted: 2 learners not looked at. Run this again.\n")
    assert out.startswith("Made 3, failed 0, made before 0.")
    assert (users_with_episode(), len(school.calls), stopping.is_set()) == (["alex", "bo", "kim"], 3, False)


def test_three_failed_scripts_in_a_row_end_the_edition(school: Cloud) -> None:
    enrol(*"abcde")
    school.script = "# A title, and nothing to speak"
    status, out, err = run("--concurrency", "4")
    assert (status, len(school.calls), DailyPodcast.objects.count()) == (2, 3, 3)
    assert "failed 3, made before 0." in out
    assert err.startswith("Stopped, 2 learners not looked at: 3 in a row could not be made; the last one: ")
    assert "No writer could write the script. openai: " in err


def test_three_rescheduled_rows_in_a_row_end_the_edition(school: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dailycast.jobs.job.FIRST_RETRY_DELAY", 60)
    enrol(*"abcde")
    school.fail("openai", Fault.UNAVAILABLE, times=None)
    status, out, err = run("--concurrency", "4")
    assert (status, len(school.calls)) == (2, 6)
    assert "Not made yet: 3, put back or in other hands." in out
    assert err.startswith("Stopped, 2 learners not looked at: 3 in a row could not be made; ")


def test_retries_of_the_same_learners_are_no_failures_in_a_row(school: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nightly, "LONGEST_WAIT", 1.5)
    enrol("ax", "bx", "cx", "yx", "zx")
    school.fail("openai", Fault.UNAVAILABLE, times=None, matching="Yx")
    school.fail("openai", Fault.UNAVAILABLE, times=None, matching="Zx")
    monkeypatch.setattr("dailycast.jobs.job.FIRST_RETRY_DELAY", 0.02)
    status, out, err = run("--concurrency", "1")
    assert (status, err) == (1, "")
    assert "Made 3, " in out
    assert min(DailyPodcast.objects.exclude(status=Status.COMPLETED).values_list("attempts", flat=True)) >= 3


def test_failures_that_are_not_in_a_row_end_nothing(school: Cloud) -> None:
    enrol(*(f"{letter}x" for letter in "abcdefghi"))
    answers = {"Cx": SCRIPT, "Fx": SCRIPT, "Ix": SCRIPT}
    school.script = lambda prompt: next((text for name, text in answers.items() if name in prompt), "# Title")
    status, out, err = run("--concurrency", "1")
    assert (status, err) == (1, "")
    assert "Made 3, failed 6, made before 0." in out


def test_records_that_cannot_be_read_end_nothing(school: Cloud) -> None:
    enrol(*"abcde")
    records.update({name: {"mistkes": []} for name in "abcd"})
    status, out, err = run("--concurrency", "1")
    assert (status, err, users_with_episode()) == (1, "", ["e"])
    assert "Made 1, failed 4, made before 0." in out


def test_what_failed_counts_for_the_limit(school: Cloud) -> None:
    enrol(*"abcd")
    records["a"] = {"mistkes": []}
    status, out, _ = run("--limit", "2")
    assert (status, users_with_episode()) == (1, ["b"])
    assert out.startswith("Made 1, failed 1, made before 0.")


@pytest.mark.parametrize("values", [{"status": Status.FAILED, "error_code": Reason.LEARNER}, RESCHEDULED])
def test_what_failed_in_an_earlier_run_does_not_count_for_the_limit(school: Cloud, values: dict[str, Any]) -> None:
    earlier_row("alex", **values, next_attempt_at=from_now(3600))
    enrol("kim")
    assert nightly.forecast(DAY, limit=1).episodes == 1
    run("--date", str(DAY), "--limit", "1")
    assert users_with_episode() == ["kim"]


@pytest.mark.parametrize("fault", ["key", "budget"])
def test_after_a_vendor_wide_fault_no_stale_row_is_made(school: Cloud, settings: Any, fault: str) -> None:
    enrol("alex")
    old = earlier_row("kim", date(2026, 11, 20), **RESCHEDULED, next_attempt_at=from_now(-5))
    if fault == "budget":
        settings.DAILYCAST_DAILY_BUDGET_USD = "0.000001"
    else:
        school.fail("openai", Fault.BAD_KEY, times=None)
    assert run("--date", str(DAY))[0] == 2
    assert DailyPodcast.objects.get(pk=old.pk).status == "pending"


def test_a_run_that_has_to_stop_makes_no_stale_row(school: Cloud) -> None:
    old = earlier_row("kim", date(2026, 11, 20), **RESCHEDULED, next_attempt_at=from_now(-5))
    before = DailyPodcast.objects.values().get(pk=old.pk)
    stopping.set()
    nightly.Edition(DAY).make()
    assert DailyPodcast.objects.values().get(pk=old.pk) == before


# Before it is made


def test_a_dry_run_counts_and_prices_and_makes_nothing(school: Cloud, settings: Any) -> None:
    enrol(*"abcd")
    records.update({"c": {"opted_out": True}, "d": {}})
    status, out, _ = run("--dry-run", "--date", "2026-11-23")
    head, skipped = out.splitlines()
    assert status == 0
    assert re.fullmatch(r"2026-11-23: 2 episodes to make, about \$0\.00\d\d in all\.", head)
    assert skipped == "Made before: 0. Skipped: 1 opted out, 1 no data."
    assert (DailyPodcast.objects.count(), school.calls) == (0, [])
    run("--date", "2026-11-23", "--limit", "1")
    head, skipped = run("--dry-run", "--date", "2026-11-23")[1].splitlines()
    assert head.startswith("2026-11-23: 1 episodes to make")
    assert skipped.startswith("Made before: 1.")
    settings.DAILYCAST_OPENAI_MODEL = "gpt-99"
    assert "about unknown in all" in run("--dry-run", "--date", "2026-11-23")[1]


def test_a_dry_run_knows_the_price_of_the_voice_and_the_limit(school: Cloud, settings: Any) -> None:
    settings.AWS_ACCESS_KEY_ID = "AKIASTANDIN"
    settings.DAILYCAST_PRICES = {"openai/gpt-6-luna": "0/0", "polly/neural": "1000"}
    enrol(*"abcde")
    forecast = nightly.forecast(date(2026, 11, 23), limit=2)
    assert forecast.usd is not None
    assert (forecast.episodes, round(forecast.usd)) == (2, 7)


def test_a_dry_run_counts_unreadable_records_and_says_what_the_budget_has_left(school: Cloud, settings: Any) -> None:
    settings.DAILYCAST_DAILY_BUDGET_USD = "2"
    enrol("alex", "bo", "kim")
    records["bo"] = {"mistkes": []}
    ProviderCall.objects.create(day=dates.today(), provider="openai", outcome="ok", cost_usd=Decimal("0.5"))
    status, out, err = run("--dry-run", "--date", str(DAY))
    assert (status, err) == (0, "")
    head, *rest = out.splitlines()
    assert head.startswith(f"{DAY}: 2 episodes to make, about $0.00")
    assert rest == [
        "Made before: 0. Skipped: 0 opted out, 0 no data.",
        "The records of 1 cannot be read: make one by hand to see why.",
        "The budget of today has $1.50 left.",
    ]
    assert (DailyPodcast.objects.count(), school.calls) == (0, [])


def test_a_dry_run_ends_at_ctrl_c(school: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(user: User) -> None:
        raise KeyboardInterrupt

    enrol("alex")
    monkeypatch.setattr(nightly, "get_learner_context", interrupt)
    with pytest.raises(KeyboardInterrupt):
        nightly.forecast(DAY)


# Which day it is


@pytest.mark.parametrize(
    ("zone", "now", "day"),
    [
        ("UTC", datetime(2026, 11, 23, 23, 59, tzinfo=UTC), date(2026, 11, 23)),
        ("Asia/Tokyo", datetime(2026, 11, 23, 15, 0, tzinfo=UTC), date(2026, 11, 24)),
        ("America/New_York", datetime(2026, 11, 24, 4, 59, tzinfo=UTC), date(2026, 11, 23)),
        ("Africa/Cairo", datetime(2026, 4, 23, 21, 59, tzinfo=UTC), date(2026, 4, 23)),
        ("Africa/Cairo", datetime(2026, 4, 23, 22, 0, tzinfo=UTC), date(2026, 4, 24)),  # 01:00: midnight never was
    ],
)
def test_an_edition_is_of_the_local_day(
    school: Cloud, settings: Any, monkeypatch: pytest.MonkeyPatch, zone: str, now: datetime, day: date
) -> None:
    enrol("alex")
    settings.TIME_ZONE = zone
    monkeypatch.setattr("django.utils.timezone.now", lambda: now)
    run()
    assert DailyPodcast.objects.get().edition_date == day


def test_a_day_without_a_midnight_has_one_edition(
    school: Cloud, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    enrol("alex")
    settings.TIME_ZONE = "Africa/Cairo"
    moments = [datetime(2026, 4, 23, 22, tzinfo=UTC), datetime(2026, 4, 24, 12, tzinfo=UTC)]
    for now in [*moments, datetime(2026, 4, 24, 20, 59, tzinfo=UTC), datetime(2026, 4, 24, 21, tzinfo=UTC)]:
        monkeypatch.setattr("django.utils.timezone.now", lambda now=now: now)
        run()
    days = DailyPodcast.objects.order_by("pk").values_list("edition_date", flat=True)
    assert list(days) == [date(2026, 4, 24), date(2026, 4, 25)]
