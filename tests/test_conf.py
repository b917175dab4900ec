from decimal import Decimal

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings

from dailycast.conf import SETTING_TYPES, conf, from_environment


def test_defaults() -> None:
    changed = {"DAILYCAST_RUNNER", "DAILYCAST_RATE_LIMITS"}  # which tests/settings.py sets
    with override_settings(**dict.fromkeys(changed)):
        found = {name: getattr(conf, name) for name in SETTING_TYPES if name != "DAILYCAST_LEARNER_CONTEXT"}
    assert found == {
        "DAILYCAST_LLM_PROVIDERS": ("openai", "gemini", "template"),
        "DAILYCAST_TTS_PROVIDERS": ("polly",),
        "OPENAI_API_KEY": "",
        "OPENAI_BASE_URL": "",
        "DAILYCAST_OPENAI_MODEL": "gpt-6-luna",
        "GEMINI_API_KEY": "",
        "GEMINI_BASE_URL": "",
        "DAILYCAST_GEMINI_MODEL": "gemini-3.5-flash-lite",
        "AWS_ACCESS_KEY_ID": "",
        "AWS_SECRET_ACCESS_KEY": "",
        "AWS_SESSION_TOKEN": "",
        "AWS_REGION": "us-east-1",
        "AWS_ENDPOINT_URL_POLLY": "",
        "DAILYCAST_AWS_DEFAULT_CREDENTIALS": False,
        "DAILYCAST_POLLY_ENGINE": "neural",
        "DAILYCAST_VOICES": {},
        "DAILYCAST_DEFAULT_LANGUAGE": "en",
        "DAILYCAST_MINUTES": 4.0,
        "DAILYCAST_TEST_USER_ID": "",
        "DAILYCAST_TITLE": "Daily podcast",
        "DAILYCAST_COVER": "",
        "DAILYCAST_ACCEL_PREFIX": "",
        "DAILYCAST_LLM_TIMEOUT": 60.0,
        "DAILYCAST_SPEECH_TIMEOUT": 30.0,
        "DAILYCAST_JOB_TIMEOUT": 900.0,
        "DAILYCAST_RUNNER": "thread",
        "DAILYCAST_LEASE_SECONDS": 60.0,
        "DAILYCAST_MAX_ATTEMPTS": 5,
        "DAILYCAST_KEEP_CLIPS_DAYS": 7.0,
        "DAILYCAST_KEEP_AUDIO_DAYS": None,
        "DAILYCAST_MIN_FREE_MB": 200.0,
        "DAILYCAST_DAILY_BUDGET_USD": None,
        "DAILYCAST_COOLDOWN_HOURS": 24.0,
        "DAILYCAST_RATE_LIMITS": {},
        "DAILYCAST_PRICES": {},
    }


@pytest.mark.parametrize(
    ("name", "given", "read"),
    [
        ("DAILYCAST_LLM_PROVIDERS", "openai, template,", ("openai", "template")),
        ("DAILYCAST_LLM_PROVIDERS", ["gemini"], ("gemini",)),
        ("DAILYCAST_VOICES", "en=Matthew, ja = Takumi", {"en": "Matthew", "ja": "Takumi"}),
        ("DAILYCAST_VOICES", {"en": "Matthew"}, {"en": "Matthew"}),
        ("DAILYCAST_MINUTES", "2.5", 2.5),
        ("DAILYCAST_AWS_DEFAULT_CREDENTIALS", "Yes", True),
        ("DAILYCAST_AWS_DEFAULT_CREDENTIALS", "off", False),
        ("DAILYCAST_AWS_DEFAULT_CREDENTIALS", 1, True),
        ("DAILYCAST_TEST_USER_ID", 7, "7"),
        ("OPENAI_API_KEY", None, ""),
        ("DAILYCAST_MINUTES", "", 4.0),
        ("DAILYCAST_LLM_PROVIDERS", (), ()),
        ("OPENAI_API_KEY", " key\n", "key"),
        ("DAILYCAST_MAX_ATTEMPTS", "3", 3),
        ("DAILYCAST_DAILY_BUDGET_USD", "0.50", Decimal("0.50")),
        ("DAILYCAST_DAILY_BUDGET_USD", 0.1, Decimal("0.1")),
        ("DAILYCAST_DAILY_BUDGET_USD", "0", Decimal(0)),
        ("DAILYCAST_DAILY_BUDGET_USD", "", None),
        ("DAILYCAST_KEEP_AUDIO_DAYS", "30", 30.0),
        ("DAILYCAST_KEEP_CLIPS_DAYS", "0", 0.0),
        ("DAILYCAST_KEEP_AUDIO_DAYS", "", None),
    ],
)
def test_a_setting_is_read_live_whatever_its_type(name: str, given: object, read: object) -> None:
    with override_settings(**{name: given}):
        assert getattr(conf, name) == read


@pytest.mark.parametrize(
    ("name", "given", "message"),
    [
        ("DAILYCAST_MINUTES", "four", "DAILYCAST_MINUTES must be a number above 0, not 'four'."),
        ("DAILYCAST_MINUTES", "0", "DAILYCAST_MINUTES must be a number above 0, not '0'."),
        ("DAILYCAST_MINUTES", "inf", "DAILYCAST_MINUTES must be a number above 0, not 'inf'."),
        ("DAILYCAST_MAX_ATTEMPTS", "0", "DAILYCAST_MAX_ATTEMPTS must be a whole number above 0, not '0'."),
        ("DAILYCAST_MAX_ATTEMPTS", "2.5", "DAILYCAST_MAX_ATTEMPTS must be a whole number above 0, not '2.5'."),
        ("DAILYCAST_MAX_ATTEMPTS", 2.5, "DAILYCAST_MAX_ATTEMPTS must be a whole number above 0, not 2.5."),
        ("DAILYCAST_DAILY_BUDGET_USD", "-1", "DAILYCAST_DAILY_BUDGET_USD must be an amount of 0 or more, not '-1'."),
        ("DAILYCAST_DAILY_BUDGET_USD", "$5", "DAILYCAST_DAILY_BUDGET_USD must be an amount of 0 or more, not '$5'."),
        ("DAILYCAST_DAILY_BUDGET_USD", "NaN", "DAILYCAST_DAILY_BUDGET_USD must be an amount of 0 or more, not 'NaN'."),
        ("DAILYCAST_MIN_FREE_MB", "-1", "DAILYCAST_MIN_FREE_MB must be a number, 0 or more, not '-1'."),
        ("DAILYCAST_KEEP_AUDIO_DAYS", "0", "DAILYCAST_KEEP_AUDIO_DAYS must be a number above 0, not '0'."),
        (
            "DAILYCAST_AWS_DEFAULT_CREDENTIALS",
            "maybe",
            "DAILYCAST_AWS_DEFAULT_CREDENTIALS must be true or false, not 'maybe'.",
        ),
        (
            "DAILYCAST_VOICES",
            "Matthew",
            "DAILYCAST_VOICES must be a dict, or key=value pairs with commas between them, not 'Matthew'.",
        ),
    ],
)
def test_a_setting_that_cannot_be_read_says_what_it_must_be(name: str, given: object, message: str) -> None:
    with override_settings(**{name: given}), pytest.raises(ImproperlyConfigured) as caught:
        getattr(conf, name)
    assert str(caught.value) == message


def test_the_environment_gives_only_what_is_filled_in() -> None:
    environ = {"OPENAI_API_KEY": "k", "GEMINI_API_KEY": " ", "DAILYCAST_MINUTES": "3", "PATH": "/bin"}
    assert from_environment(environ) == {"OPENAI_API_KEY": "k", "DAILYCAST_MINUTES": 3.0}


def test_a_wrong_variable_is_named() -> None:
    with pytest.raises(ImproperlyConfigured, match="DAILYCAST_JOB_TIMEOUT must be a number above 0, not 'soon'"):
        from_environment({"DAILYCAST_JOB_TIMEOUT": "soon"})
