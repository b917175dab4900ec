import time
from email.utils import formatdate
from typing import Any

import pytest

from dailycast.errors import ProviderNotConfigured
from dailycast.gateway import http, messages, provider


def test_a_missing_sdk_says_what_to_install() -> None:
    with pytest.raises(
        ProviderNotConfigured, match=r"no_such_sdk is not installed: pip install 'dailycast\[polly\]'"
    ) as caught:
        provider.require("no_such_sdk", "polly")
    assert caught.value.permanent is True


def test_an_installed_sdk_is_given() -> None:
    assert provider.require("json", "x").loads("3") == 3


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7.0),
        ("0.25", 0.25),
        ("0", 0.0),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0),
        ("Wed, 21 Oct 2015 07:28:00 -0000", 0.0),
        ("soon", None),
        ("-1", None),
        ("nan", None),
        ("inf", None),
        ("", None),
        (None, None),
    ],
)
def test_retry_after(header: str | None, seconds: float | None) -> None:
    assert http.retry_after(header) == seconds


def test_retry_after_as_a_date_counts_from_now() -> None:
    assert 85 < (http.retry_after(formatdate(time.time() + 90, usegmt=True)) or 0) <= 90


@pytest.mark.parametrize(
    ("told", "text"),
    [
        ("Too  long\nby far", "Too long by far."),
        ("It ends.", "It ends."),
        ("", "no reason given."),
        (None, "no reason given."),
        ("x" * 200, "x" * 200 + "."),
        ("x" * 201, "x" * 200 + "…"),
        ("sk-a AIza-g AKIA-a secret-a token-a", "*** *** *** *** ***."),
    ],
)
def test_a_vendors_text_is_quoted_briefly_and_without_keys(settings: Any, told: object, text: str) -> None:
    settings.OPENAI_API_KEY, settings.GEMINI_API_KEY = "sk-a", "AIza-g"
    settings.AWS_ACCESS_KEY_ID, settings.AWS_SECRET_ACCESS_KEY = "AKIA-a", "secret-a"
    settings.AWS_SESSION_TOKEN = "token-a"
    assert messages.brief(told) == text
