"""Where a paragraph is cut into clips."""

import pytest
from hypothesis import given

from dailycast.languages.sentences import split_sentences
from dailycast.script.clips import MAX_CLIP_CHARACTERS, split_into_clips
from tests.script.texts import language_codes, no_deadline, texts


def test_a_paragraph_of_the_longest_length_is_one_clip_and_one_more_character_makes_two() -> None:
    assert MAX_CLIP_CHARACTERS == 600
    assert split_into_clips("a" * 600, "en") == ["a" * 600]
    assert split_into_clips("a" * 601, "en") == ["a" * 600, "a"]


def test_a_long_paragraph_is_cut_at_sentence_ends_and_clips_are_filled() -> None:
    sentence = "a" * 197 + ". "  # 199 characters, lower case after a stop would not end it
    text = (sentence.capitalize() * 7).strip()
    first = sentence.capitalize() * 3
    assert split_into_clips(text, "en") == [first, first, sentence.capitalize().strip()]
    assert [len(clip) for clip in split_into_clips(text, "en")] == [597, 597, 198]
    assert split_into_clips("「" + "言" * 300 + "。」" + "語" * 300 + "。", "ja") == [
        "「" + "言" * 300 + "。」",
        "語" * 300 + "。",
    ]


def test_a_long_sentence_is_cut_between_words_and_what_is_left_is_filled() -> None:
    words = "abcdef " * 100  # 700 characters, and 85 words are 595
    assert split_into_clips(words + "end. Then " + "xyz " * 100 + "stop. Last.", "en") == [
        "abcdef " * 85,
        "abcdef " * 15 + "end. Then " + "xyz " * 100 + "stop. Last.",
    ]


@pytest.mark.parametrize(
    ("text", "clips"),
    [
        ("a" * 600 + " !!!", ["a" * 599, "a !!!"]),
        ("a" * 598 + ' "b" c', ["a" * 598 + " ", '"b" c']),
        ("a" * 596 + ' — "b" c', ["a" * 596 + " — ", '"b" c']),
        ("a" * 596 + " __ b c", ["a" * 596 + " __ ", "b c"]),
        ("— " + "言" * 700, ["— " + "言" * 598, "言" * 102]),
        ("a" * 598 + " — b", ["a" * 597, "a — b"]),
        ("a" * 598 + " __ b", ["a" * 597, "a __ b"]),
        ("a" * 596 + " __b c", ["a" * 596 + " ", "__b c"]),
        ("a" * 600 + "___", ["a" * 599, "a___"]),
        ("e\u0301" * 301, ["e\u0301" * 300, "e\u0301"]),
        ("a" + "e\u0301" * 300, ["a" + "e\u0301" * 299, "e\u0301"]),
        ("a" * 599 + "葛\U000e0100", ["a" * 599, "葛\U000e0100"]),
        ("a" * 598 + "क्ष", ["a" * 598, "क्ष"]),
        ("a" * 598 + "क्\u200dष", ["a" * 598, "क्\u200dष"]),
        ("a" * 598 + "می\u200cخ", ["a" * 598 + "م", "ی\u200cخ"]),
        ("a" * 598 + "\u1100\u1161\u11a8", ["a" * 598, "\u1100\u1161\u11a8"]),
        ("a" * 599 + "\uac00\u11a8", ["a" * 599, "\uac00\u11a8"]),
        ("a" * 599 + "\u1100\uac00", ["a" * 599, "\u1100\uac00"]),
        ("a" * 599 + "\ua960\u1160", ["a" * 599, "\ua960\u1160"]),
        ("a" * 599 + "\uac00\ud7cb", ["a" * 599, "\uac00\ud7cb"]),
        ("a" * 599 + "\uac00\uac00", ["a" * 599 + "\uac00", "\uac00"]),
        ("a" * 599 + "ﾊﾞ", ["a" * 599, "ﾊﾞ"]),
        ("a" * 599 + "กำ", ["a" * 599, "กำ"]),
        ("a" * 598 + "👩🏽‍🏫b", ["a" * 597, "a👩🏽‍🏫b"]),
        ("a" + "\u0301" * 700, ["a" + "\u0301" * 599, "\u0301" * 101]),
    ],
)
def test_what_has_no_spaces_is_cut_between_graphemes_and_no_clip_is_only_punctuation(
    text: str, clips: list[str]
) -> None:
    assert split_into_clips(text, "en") == clips


@pytest.mark.parametrize("leading", "\u1100\u1112\u115f\ua960\ua970\ua97c")
def test_a_leading_jamo_is_not_separated_from_what_follows(leading: str) -> None:
    assert split_into_clips("a" * 599 + leading + "\uac00", "ko") == ["a" * 599, leading + "\uac00"]


@pytest.mark.parametrize(
    "attached",
    [
        *"\u1160\u1175\u11a8\u11ff\ud7b0\ud7cb\ud7fb\uff9e\uff9f\u0e33\u0eb3",
        *"\u0301\u093e\u200d\ufe0f\U000e0100\U0001f3fd",
    ],
)
def test_what_attaches_to_a_letter_is_not_separated_from_it(attached: str) -> None:
    assert split_into_clips("a" * 599 + "b" + attached, "en") == ["a" * 599, "b" + attached]


@pytest.mark.parametrize("joiner", "\u094d\u09cd\u0acd\u0b4d\u0c4d\u0d4d\u200d")
def test_letters_that_are_joined_are_not_separated(joiner: str) -> None:
    assert split_into_clips("a" * 598 + f"k{joiner}s", "hi") == ["a" * 598, f"k{joiner}s"]


@no_deadline
@given(texts, language_codes)
def test_sentences_joined_are_the_text(text: str, language: str) -> None:
    assert "".join(split_sentences(text, language)) == text
    assert "".join(split_into_clips(text, language)) == text
