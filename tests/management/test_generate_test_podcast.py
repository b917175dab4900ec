import io
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command

from dailycast.models import DailyPodcast, Source
from tests.cloud import Cloud, Fault

pytestmark = pytest.mark.django_db


def run(*options: str, stderr: io.StringIO | None = None) -> list[str]:
    out = io.StringIO()
    call_command("generate_test_podcast", *options, stdout=out, stderr=stderr, no_color=True)
    return out.getvalue().splitlines()


@pytest.fixture(autouse=True)
def no_learner_context(settings: Any) -> None:
    settings.DAILYCAST_LEARNER_CONTEXT = ""


def test_without_keys_it_is_script_only(alex: User, logged: pytest.LogCaptureFixture, media: Path) -> None:
    lines = run("--language", "en")
    row = DailyPodcast.objects.get()
    assert lines == [
        f"Script: {len(row.script_text):,} characters by template",
        "Audio: none. Script only: no voice is configured. polly: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
        "Cost: $0.00",
        f"Podcast generated successfully (id={row.pk}) for user Alex",
    ]
    warning = "Dailycast: AWS credentials not configured, skipping audio generation"
    assert f"{warning} (episode {row.pk})" in logged.messages
    assert (row.tts_provider, row.source, media.exists()) == ("none", Source.COMMAND, False)


def test_with_keys_it_reports_the_mp3(cloud: Cloud, alex: User, media: Path) -> None:
    cloud.script = "# T\n" + "One more sentence for a longer episode. " * 20
    lines = run("--language", "en")
    row = DailyPodcast.objects.get()
    seconds = round(row.duration_seconds or 0)
    assert lines[1] == f"Audio: {media / str(row.audio_file)}"
    size = f"{(row.audio_bytes or 0) / 1024:.1f} KB"
    assert lines[2] == f"Length: 0 min {seconds} s, {size}, spoken by Joanna neural (polly)"
    assert lines[3].startswith("Cost: $0.0")
    assert lines[4] == f"Podcast generated successfully (id={row.pk}) for user Alex"


def test_it_can_be_run_again(alex: User) -> None:
    assert [run()[-1] for _ in range(3)] == [
        f"Podcast generated successfully (id={pk}) for user Alex"
        for pk in DailyPodcast.objects.order_by("pk").values_list("pk", flat=True)
    ]


def test_script_only_and_minutes(cloud: Cloud, alex: User) -> None:
    assert run("--script-only", "--minutes", "2.5")[1] == "Audio: none. Script only: audio was not asked for."
    assert [call.vendor for call in cloud.calls] == ["openai"]
    assert "about 2.5 minutes" in cloud.calls[0].text


def people() -> dict[str, User]:
    make = User.objects.create_user
    return {
        "inactive": make("inactive", is_active=False),
        "boss": make("boss", is_staff=True),
        "kim": make("kim"),
        "lee": make("lee"),
    }


def chosen_user(*options: str) -> str:
    return run("--script-only", *options)[-1].rpartition(" ")[2]


def test_an_inactive_learner_is_refused() -> None:
    people()
    with pytest.raises(CommandError, match="The user 'inactive' is not active, so nobody could listen"):
        run("--user", "inactive")


def test_the_user_is_the_option_then_the_setting_then_the_first_learner(settings: Any) -> None:
    users = people()
    assert chosen_user() == "kim"
    assert chosen_user("--user", "lee") == "lee"
    assert chosen_user("--user", str(users["boss"].pk)) == "boss"
    settings.DAILYCAST_TEST_USER_ID = users["lee"].pk
    assert chosen_user() == "lee"
    assert chosen_user("--user", "kim") == "kim"


def test_a_username_of_digits_comes_before_an_id() -> None:
    users = people()
    User.objects.create_user(str(users["lee"].pk), first_name="Digits")
    assert chosen_user("--user", str(users["lee"].pk)) == "Digits"


def test_without_learners_it_takes_active_staff() -> None:
    User.objects.create_user("inactive", is_active=False)
    User.objects.create_user("boss", is_staff=True)
    assert chosen_user() == "boss"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--user", "nobody"], "There is no user with the name or id 'nobody'."),
        (["--user", "99999999999999999999999"], "There is no user with the name or id '99999999999999999999999'."),
        (["--language", "klingon"], "Unknown language 'klingon'. Use a BCP-47 code that starts with one of: en, ja,"),
        (["--minutes", "0"], "--minutes must be between 0.5 and 30."),
        (["--minutes", "31"], "--minutes must be between 0.5 and 30."),
        (["--minutes", "nan"], "--minutes must be between 0.5 and 30."),
    ],
)
def test_invalid_options_are_refused_before_anything_is_bought(
    cloud: Cloud, alex: User, options: list[str], message: str
) -> None:
    with pytest.raises(CommandError) as error:
        run(*options)
    assert message in str(error.value)
    assert (error.value.returncode, DailyPodcast.objects.count(), cloud.calls) == (1, 0, [])


def test_without_an_active_user_it_says_how_to_make_one() -> None:
    User.objects.create_user("inactive", is_active=False)
    with pytest.raises(CommandError, match="There is no active user. Make one: manage.py createsuperuser"):
        run()


def test_an_unknown_test_user_is_named(alex: User, settings: Any) -> None:
    settings.DAILYCAST_TEST_USER_ID = "404"
    with pytest.raises(CommandError, match="There is no user with the name or id '404'."):
        run()


def test_unwritable_media_is_refused_before_anything_is_bought(cloud: Cloud, alex: User, media: Path) -> None:
    media.write_text("a file in the folder's place")
    with pytest.raises(CommandError, match=f"No MP3 can be saved: {media} is not a folder. Make MEDIA_ROOT writable"):
        run()
    assert cloud.calls == []


def test_a_language_without_a_writer_is_an_error_not_english(alex: User) -> None:
    with pytest.raises(CommandError, match=r"No writer could write the script\. template: .*Korean"):
        run("--language", "ko")


def test_a_bad_setting_is_named(alex: User, settings: Any) -> None:
    settings.DAILYCAST_LEARNER_CONTEXT = "no.such.adapter"
    with pytest.raises(CommandError, match="DAILYCAST_LEARNER_CONTEXT='no.such.adapter' cannot be imported"):
        run()


def test_a_voice_that_fails_is_reported_and_the_script_is_saved(cloud: Cloud, alex: User) -> None:
    cloud.fail("polly", Fault.BAD_KEY, times=None)
    lines = run()
    assert lines[1].startswith("Audio: none. Script only: the voice failed. polly: ")
    assert lines[-1].startswith("Podcast generated successfully")


def test_who_was_passed_over_is_a_warning(cloud: Cloud, alex: User) -> None:
    cloud.fail("openai", Fault.BAD_KEY, times=None)
    err = io.StringIO()
    lines = run("--language", "en", stderr=err)
    assert lines[0].endswith(" by gemini")
    assert err.getvalue().startswith("Warning: openai was passed over: ")
    assert "OPENAI_API_KEY" in err.getvalue()
