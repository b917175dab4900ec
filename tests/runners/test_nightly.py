"""The nightly edition as cron meets it: who gets an episode, what it says of the others, how it ends."""

import io
import re
import threading
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from dailycast import services
from dailycast.jobs import queue
from dailycast.jobs.job import stopping
from dailycast.models import DailyPodcast, ProviderCall, Reason, Status, dates
from dailycast.purchases import attempts
from dailycast.runners import nightly
from tests.cloud import Cloud, Fault

pytestmark = pytest.mark.django_db(transaction=True)
MATERIAL = {"mistakes": ["goed"]}
SCRIPT = "# Today\nGood morning."
records: dict[str, Any] = {}


def learner(user: User) -> Any:
    return records.get(user.username, MATERIAL)


SILENT = "Script-only, because no voice is configured for them: {}."


@pytest.fixture(autouse=True)
def school(cloud: Cloud, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    """One writer in the cloud, and no voice; every learner has something to hear about."""
    settings.DAILYCAST_LEARNER_CONTEXT = "tests.runners.test_nightly.learner"
    settings.DAILYCAST_LLM_PROVIDERS = ["openai"]
    settings.AWS_ACCESS_KEY_ID = ""
    cloud.script = SCRIPT
    monkeypatch.setattr("tests.runners.test_nightly.records", {})
    monkeypatch.setattr(attempts, "RETRY_DELAY", 0.0)
    monkeypatch.setattr("dailycast.jobs.job.FIRST_RETRY_DELAY", 0.1)
    yield cloud
    for thread in threading.enumerate():
        if thread.name == "dailycast-heartbeat":
            thread.join(10)


def enrol(*names: str, **values: Any) -> None:
    for name in names:
        User.objects.create_user(name, first_name=name.title(), **values)


def run(*options: str) -> tuple[int, str, str]:
    """Exit status, what it printed, what it complained of."""
    out, err = io.StringIO(), io.StringIO()
    status: Any = 0
    try:
        call_command("generate_daily_podcasts", *options, stdout=out, stderr=err, no_color=True)
    except SystemExit as end:
        status = end.code
    return status, out.getvalue(), err.getvalue()


def made() -> list[str]:
    rows = DailyPodcast.objects.filter(status=Status.COMPLETED)
    return sorted(rows.values_list("user__username", flat=True))


# Who


def test_each_active_learner_gets_an_episode_and_cron_hears_that_nothing_failed(school: Cloud) -> None:
    enrol("alex", "kim")
    enrol("gone", is_active=False)
    status, out, err = run("--date", "2026-11-23")
    assert (status, err) == (0, "")
    assert out.splitlines() == [
        "Made 2, failed 0, made before 0.",
        "Skipped: 0 opted out, 0 no data.",
        SILENT.format(2),
    ]
    assert made() == ["alex", "kim"]
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
    assert made() == ["alex", "alex"]


def test_two_editions_at_once_make_one_episode_each(school: Cloud) -> None:
    enrol(*"abcdef")
    school.latency = {"openai": 0.05}
    tallies: list[nightly.Tally] = []

    def edition() -> None:
        tallies.append(nightly.Edition(date(2026, 11, 23), None, 3).make())
        connection.close()

    threads = [threading.Thread(target=edition) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert made() == list("abcdef")
    assert len(school.calls) == 6
    assert [sum(getattr(tally, name) for tally in tallies) for name in ("made", "already_made", "failed")] == [6, 6, 0]


def test_who_opted_out_and_who_has_no_data_are_told_apart_and_leave_no_row(school: Cloud) -> None:
    enrol("alex", "bo", "kim", "new")
    records.update({"bo": {**MATERIAL, "opted_out": True}, "kim": {"opted_out": True}, "new": {"goal": "Pass"}})
    status, out, _ = run()
    assert (status, out.splitlines()) == (
        0,
        ["Made 1, failed 0, made before 0.", "Skipped: 2 opted out, 1 no data.", SILENT.format(1)],
    )
    assert (DailyPodcast.objects.count(), len(school.calls)) == (1, 1)


def test_who_opted_out_may_still_ask_for_an_episode(school: Cloud, alex: User) -> None:
    records["alex"] = {"opted_out": True}
    assert services.create_podcast_for_user(alex, "en").status == "completed"


# How many


def test_so_many_at_once_after_the_first(school: Cloud) -> None:
    enrol(*"abcdefg")
    school.latency = {"openai": 0.15}
    run("--concurrency", "3")
    first, second = school.calls[:2]
    assert second.started >= first.ended
    assert school.peak("openai") == 3
    assert made() == list("abcdefg")


def test_no_more_than_the_limit_are_made_and_those_that_stand_do_not_count(school: Cloud) -> None:
    enrol(*"abcde")
    for total in (2, 4, 5):
        status, _, _ = run("--limit", "2", "--concurrency", "4")
        assert (status, DailyPodcast.objects.count()) == (0, total)
    assert len(school.calls) == 5


@pytest.mark.parametrize("options", [("--limit", "0"), ("--concurrency", "-1"), ("--date", "yesterday")])
def test_an_option_that_cannot_be_read_is_told(options: tuple[str, str]) -> None:
    with pytest.raises(CommandError, match=options[0]):
        run(*options)


# What goes wrong


def test_a_fault_that_every_learner_would_meet_is_met_by_the_first_alone(school: Cloud) -> None:
    enrol(*"abcde")
    school.fail("openai", Fault.BAD_KEY, times=None)
    status, out, err = run("--concurrency", "4")
    assert status == 2
    assert "Made 0, failed 1, made before 0." in out
    assert err.startswith("Stopped, 4 learners not looked at: ")
    assert "OPENAI_API_KEY" in err
    assert (len(school.calls), DailyPodcast.objects.count()) == (1, 1)


def test_a_fault_of_all_that_comes_later_stops_what_has_not_begun(school: Cloud) -> None:
    enrol(*"abcdefgh")
    school.fail("openai", Fault.QUOTA, times=None, after=2)
    status, _, err = run("--concurrency", "1")
    assert (status, len(school.calls)) == (2, 3)
    assert err.startswith("Stopped, 5 learners not looked at: ")
    assert made() == ["a", "b"]


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
        SILENT.format(2),
        "The admin's list says why; --retry tries them again.",
    ]
    assert made() == ["alex", "kim"]
    assert DailyPodcast.objects.get(user__username="bo").error_code == Reason.LEARNER


def test_the_first_learners_fault_does_not_make_the_next_one_wait_for_another(school: Cloud) -> None:
    enrol("alex", "bo", "kim")
    records["alex"] = {"mistkes": []}
    status, _, _ = run()
    assert (status, made()) == (1, ["bo", "kim"])


@pytest.mark.parametrize(("voice", "told"), [(Fault.VOICE, "Polly rejected the voice"), (None, "ZeroDivisionError")])
def test_what_fails_for_one_after_the_other_is_not_paid_for_a_thousand_times(
    school: Cloud, settings: Any, monkeypatch: pytest.MonkeyPatch, voice: Fault | None, told: str
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
    assert told in err
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
    assert script.started < prepared[0] < script.ended < speech.started


def test_an_episode_without_the_audio_it_should_have_is_told(school: Cloud, settings: Any) -> None:
    settings.AWS_ACCESS_KEY_ID = "AKIASTANDIN"
    enrol("alex", "kim")
    school.script = lambda prompt: SCRIPT + (" Kim." if "Kim" in prompt else "")
    school.fail("polly", Fault.TEXT_TOO_LONG, times=None, matching="Kim")
    status, out, _ = run()
    assert status == 1
    assert "Made 2 (1 without the audio they should have), failed 0, made before 0." in out


def test_what_is_put_back_is_tried_again_before_the_end(school: Cloud) -> None:
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


def test_what_failed_is_tried_again_only_when_asked_to(school: Cloud) -> None:
    enrol("alex", "bo")
    records["bo"] = {"mistkes": []}
    run()
    del records["bo"]
    status, out, _ = run()
    assert (status, out.splitlines()[0], made()) == (1, "Made 0, failed 1, made before 1.", ["alex"])
    status, out, _ = run("--retry")
    assert (status, made()) == (0, ["alex", "bo"])
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


def test_what_a_dead_run_left_is_taken_up_by_the_next(school: Cloud, alex: User) -> None:
    queue.submit(alex, source="daily", edition_date=date(2026, 11, 23), request_key=f"daily:{alex.pk}:2026-11-23")
    DailyPodcast.objects.update(status=Status.RUNNING, lease_until=None, attempts=1)
    assert run("--date", "2026-11-23")[0] == 0
    assert (made(), DailyPodcast.objects.get().attempts) == (["alex"], 2)


def test_a_run_that_is_told_to_stop_begins_nobody_else(school: Cloud) -> None:
    enrol("alex", "kim")
    stopping.set()
    try:
        tally = nightly.Edition(date(2026, 11, 23), None, 2).make()
    finally:
        stopping.clear()
    assert (tally.seen, school.calls) == (0, [])


def test_a_broken_house_is_told_before_anything_is_made(school: Cloud, settings: Any, media: Any) -> None:
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


def left(name: str, day: date = DAY, **values: Any) -> DailyPodcast:
    """A row of the nightly edition as somebody else has left it."""
    user = User.objects.filter(username=name).first() or User.objects.create_user(name, first_name=name.title())
    row = queue.submit(user, source="daily", edition_date=day, request_key=f"daily:{user.pk}:{day}")
    DailyPodcast.objects.filter(pk=row.pk).update(**values)
    return row


def hence(seconds: float) -> datetime:
    return timezone.now() + timedelta(seconds=seconds)


WAITS: dict[str, Any] = {"status": Status.PENDING, "attempts": 1, "error_code": Reason.NO_SCRIPT}
HINT = "The admin's list says why; --retry tries them again."


def test_what_is_put_back_was_not_made_before(school: Cloud) -> None:
    left("alex", **WAITS, next_attempt_at=hence(3600))
    status, out, err = run("--date", str(DAY))
    assert (status, err) == (1, "")
    assert out.splitlines() == [
        "Made 0, failed 0, made before 0.",
        "Skipped: 0 opted out, 0 no data.",
        "Not made yet: 1, put back or in other hands. Run this again, or a worker.",
    ]
    assert school.calls == []


def test_what_is_in_other_hands_was_not_made_before(school: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nightly, "LONGEST_WAIT", 0.2)
    row = left("alex", status=Status.RUNNING, claim_token="another", lease_until=hence(50), attempts=1)
    status, out, _ = run("--date", str(DAY))
    assert (status, out.splitlines()[0]) == (1, "Made 0, failed 0, made before 0.")
    assert "Not made yet: 1, put back or in other hands." in out
    assert DailyPodcast.objects.get(pk=row.pk).claim_token == "another"


def test_what_others_end_meanwhile_is_looked_at_again(school: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    left("alex", status=Status.RUNNING, claim_token="another", lease_until=hence(0.5), attempts=1)

    def others_end() -> None:
        DailyPodcast.objects.update(status=Status.COMPLETED, audio_file="podcasts/a.mp3", lease_until=None)
        connection.close()

    timer = threading.Timer(0.2, others_end)
    monkeypatch.setattr(queue, "sweep", timer.start)  # with which a run begins
    status, out, _ = run("--date", str(DAY))
    timer.join()
    assert (status, out.splitlines()) == (0, ["Made 0, failed 0, made before 1.", "Skipped: 0 opted out, 0 no data."])


def test_a_silent_episode_of_an_earlier_run_is_told_again(school: Cloud) -> None:
    left("alex", status=Status.COMPLETED, script_text=SCRIPT, error_code=Reason.AUDIO_FAILED)
    left("kim", status=Status.COMPLETED, script_text=SCRIPT, error_code=Reason.AUDIO_NOT_CONFIGURED)
    left("lee", status=Status.COMPLETED, script_text=SCRIPT, audio_file="podcasts/a.mp3")
    status, out, err = run("--date", str(DAY))
    assert (status, err) == (1, "")
    assert out.splitlines() == [
        "Made 0 (1 without the audio they should have), failed 0, made before 3.",
        "Skipped: 0 opted out, 0 no data.",
        HINT,
    ]


def test_a_retry_does_not_wait_for_what_was_put_back(school: Cloud) -> None:
    left("alex", **WAITS, next_attempt_at=hence(3600))
    assert (run("--date", str(DAY))[0], school.calls) == (1, [])
    assert (run("--date", str(DAY), "--retry")[0], made(), len(school.calls)) == (0, ["alex"], 1)


SPARED: list[dict[str, Any]] = [
    {"status": Status.COMPLETED, "error_code": Reason.PRUNED},
    {"status": Status.COMPLETED, "error_code": Reason.AUDIO_NOT_ASKED},
    {"status": Status.COMPLETED, "audio_file": "podcasts/a.mp3"},
    {"status": Status.PENDING, "error_code": Reason.AUDIO_NOT_ASKED, "next_attempt_at": "later"},
]


@pytest.mark.parametrize("values", SPARED)
def test_a_retry_leaves_alone_what_is_as_it_should_be(school: Cloud, settings: Any, values: dict[str, Any]) -> None:
    settings.AWS_ACCESS_KEY_ID = "AKIASTANDIN"
    due = {"next_attempt_at": hence(3600)} if "next_attempt_at" in values else {}
    left("alex", script_text=SCRIPT, **{**values, **due})
    before = DailyPodcast.objects.values().get()
    run("--date", str(DAY), "--retry")
    assert (DailyPodcast.objects.values().get(), school.calls) == (before, [])
    assert run("--dry-run", "--date", str(DAY), "--retry")[1].splitlines()[1].startswith("Made before: 1.")


def test_a_dry_run_counts_what_a_retry_would_make(school: Cloud) -> None:
    left("alex", **WAITS, next_attempt_at=hence(3600))
    left("kim", status=Status.FAILED, error_code=Reason.NO_SCRIPT)
    assert run("--dry-run", "--date", str(DAY))[1].splitlines()[0].startswith(f"{DAY}: 0 episodes to make")
    assert run("--dry-run", "--date", str(DAY), "--retry")[1].splitlines()[0].startswith(f"{DAY}: 2 episodes to make")


def test_what_was_forgotten_on_another_day_is_made_at_the_end(school: Cloud) -> None:
    enrol("alex")
    old = left("kim", date(2026, 11, 20), **WAITS, next_attempt_at=hence(-5))
    waits = left("kim", date(2026, 11, 21), **WAITS, next_attempt_at=hence(3600))
    assert run("--date", str(DAY))[0] == 0
    assert DailyPodcast.objects.get(pk=old.pk).status == "completed"
    assert DailyPodcast.objects.get(pk=waits.pk).status == "pending"
    assert DailyPodcast.objects.filter(status=Status.COMPLETED).latest("completed_at") == old
    assert len(school.calls) == 3


# What ends it early


def test_what_is_stopped_midway_says_how_many_it_has_not_looked_at(school: Cloud) -> None:
    enrol("alex", "bo", "kim", "lee", "new")

    def write(prompt: str) -> str:
        if "Kim" in prompt:
            stopping.set()
        return SCRIPT

    school.script = write
    status, out, err = run("--concurrency", "1")
    assert (status, err) == (1, "Interrupted: 2 learners not looked at. Run this again.\n")
    assert out.startswith("Made 3, failed 0, made before 0.")
    assert (made(), len(school.calls), stopping.is_set()) == (["alex", "bo", "kim"], 3, False)


def test_three_failures_in_a_row_before_a_voice_has_spoken_end_it(school: Cloud) -> None:
    enrol(*"abcde")
    school.script = "# A title, and nothing to speak"
    status, out, err = run("--concurrency", "4")
    assert (status, len(school.calls), DailyPodcast.objects.count()) == (2, 3, 3)
    assert "failed 3, made before 0." in out
    assert err.startswith("Stopped, 2 learners not looked at: 3 in a row could not be made; the last one: ")
    assert "No writer could write the script. openai: " in err


def test_three_that_are_put_back_in_a_row_end_it_too(school: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dailycast.jobs.job.FIRST_RETRY_DELAY", 60)
    enrol(*"abcde")
    school.fail("openai", Fault.UNAVAILABLE, times=None)
    status, out, err = run("--concurrency", "4")
    assert (status, len(school.calls)) == (2, 6)
    assert "Not made yet: 3, put back or in other hands." in out
    assert err.startswith("Stopped, 2 learners not looked at: 3 in a row could not be made; ")


def test_who_is_looked_at_again_and_again_is_no_row_of_failures(school: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nightly, "LONGEST_WAIT", 0.6)
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


def test_records_that_cannot_be_read_are_no_fault_of_the_vendors(school: Cloud) -> None:
    enrol(*"abcde")
    records.update({name: {"mistkes": []} for name in "abcd"})
    status, out, err = run("--concurrency", "1")
    assert (status, err, made()) == (1, "", ["e"])
    assert "Made 1, failed 4, made before 0." in out


def test_what_failed_counts_for_the_limit(school: Cloud) -> None:
    enrol(*"abcd")
    records["a"] = {"mistkes": []}
    status, out, _ = run("--limit", "2")
    assert (status, made()) == (1, ["b"])
    assert out.startswith("Made 1, failed 1, made before 0.")


@pytest.mark.parametrize("values", [{"status": Status.FAILED, "error_code": Reason.LEARNER}, WAITS])
def test_what_failed_in_an_earlier_run_does_not_count_for_the_limit(school: Cloud, values: dict[str, Any]) -> None:
    left("alex", **values, next_attempt_at=hence(3600))
    enrol("kim")
    assert nightly.forecast(DAY, limit=1).episodes == 1
    run("--date", str(DAY), "--limit", "1")
    assert made() == ["kim"]


@pytest.mark.parametrize("fault", ["key", "budget"])
def test_a_fault_that_all_would_meet_is_not_met_by_what_was_forgotten(school: Cloud, settings: Any, fault: str) -> None:
    enrol("alex")
    old = left("kim", date(2026, 11, 20), **WAITS, next_attempt_at=hence(-5))
    if fault == "budget":
        settings.DAILYCAST_DAILY_BUDGET_USD = "0.000001"
    else:
        school.fail("openai", Fault.BAD_KEY, times=None)
    assert run("--date", str(DAY))[0] == 2
    assert DailyPodcast.objects.get(pk=old.pk).status == "pending"


def test_who_is_told_to_stop_begins_nothing_that_was_forgotten(school: Cloud) -> None:
    old = left("kim", date(2026, 11, 20), **WAITS, next_attempt_at=hence(-5))
    before = DailyPodcast.objects.values().get(pk=old.pk)
    stopping.set()
    try:
        nightly.Edition(DAY).make()
    finally:
        stopping.clear()
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


def test_a_dry_run_tells_whose_records_cannot_be_read_and_what_the_budget_has_left(
    school: Cloud, settings: Any
) -> None:
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


def test_there_is_one_edition_of_a_day_whose_midnight_is_missing(
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
