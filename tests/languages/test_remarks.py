"""What a model says about its script, and what a host says to the listener."""

import pytest

from dailycast.languages import remarks
from dailycast.languages.table import LANGUAGES

WORDS = (remarks.SCRIPT_WORDS, remarks.OFFERS, remarks.COUNT_LABELS, remarks.TITLE_LABELS, remarks.END_MARKS)
CODES = tuple(LANGUAGES)


def test_each_language_has_its_words() -> None:
    assert all(set(words) == set(LANGUAGES) for words in WORDS)


@pytest.mark.parametrize("code", CODES)
def test_a_remark_has_a_word_for_the_script_and_an_offer(code: str) -> None:
    for script in remarks.SCRIPT_WORDS[code]:
        assert not remarks.is_remark(f"{script}!", code)
        assert remarks.names_a_script(f"({script.upper()}:)", code)
        for offer in remarks.OFFERS[code]:
            assert remarks.is_remark(f"{offer.capitalize()}, {script}!", code)
            assert remarks.is_remark(f"{script.upper()} {offer.upper()}", code)
            assert not remarks.is_remark(f"{offer}, {script}!" + " long" * 100, code)
            assert not remarks.is_remark(f"{offer}!", code)


@pytest.mark.parametrize("code", CODES)
def test_a_label_before_a_number_is_a_count(code: str) -> None:
    for label in remarks.COUNT_LABELS[code]:
        assert remarks.is_count(f"**{label.capitalize()}**: ~620", code)
        assert remarks.is_count(f"({label}：1,500)", code)
        assert not remarks.is_count(f"{label} 620", code)
        assert not remarks.is_count(f"{label}: many", code)


@pytest.mark.parametrize("code", CODES)
def test_a_title_with_its_label_and_an_end_mark(code: str) -> None:
    for label in remarks.TITLE_LABELS[code]:
        assert remarks.without_title_label(f"**{label.title()}: A day**", code) == "A day"
        assert remarks.without_title_label(f"{label}", code) == ""
    for mark in remarks.END_MARKS[code]:
        assert remarks.is_end_mark(f"— {mark.upper()} —", code)
        assert not remarks.is_end_mark(f"{mark} of it all", code)


def test_words_are_found_from_their_start_only() -> None:
    assert not remarks.names_a_script("JavaScript", "en")
    assert remarks.names_a_script("ここに台本を書きます", "ja")
