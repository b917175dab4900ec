from typing import Any

import pytest

from dailycast.gateway import messages


@pytest.mark.parametrize(
    ("vendor_text", "text"),
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
def test_a_vendors_text_is_quoted_shortly_and_without_secrets(settings: Any, vendor_text: object, text: str) -> None:
    settings.OPENAI_API_KEY, settings.GEMINI_API_KEY = "sk-a", "AIza-g"
    settings.AWS_ACCESS_KEY_ID, settings.AWS_SECRET_ACCESS_KEY = "AKIA-a", "secret-a"
    settings.AWS_SESSION_TOKEN = "token-a"
    assert messages.redact_and_shorten(vendor_text) == text
