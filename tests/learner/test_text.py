import pytest

from dailycast.learner import (
    without_emails,
)


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("alex@example.com", ""),
        ("Write to anna.b+x@mail.example.co.uk, please.", "Write to , please."),
        ("Is it <jo@ex.org>?", "Is it < >?"),
        ("What does @ mean?", "What does @ mean?"),
        ("a@b", "a@b"),
        ("ünï@bücher.de!", "!"),
        ("two  spaces\nstay", "two  spaces\nstay"),
    ],
)
def test_no_email_address_stays_in_a_text(text: str, cleaned: str) -> None:
    assert without_emails(text) == cleaned


def test_addresses_that_touch_are_all_taken_out() -> None:
    assert without_emails("a@b.c!x@d.e and a@b@c.de") == "and a@"
