"""How a pause is written in each language. tests/script/test_model_answer.py has more of them, inside a script."""

import pytest

from dailycast.languages.pauses import MAX_CUE_LENGTH, PAUSE_WORDS, is_pause_cue, pause_seconds
from dailycast.languages.table import LANGUAGES


def test_each_language_has_its_words() -> None:
    assert set(PAUSE_WORDS) == set(LANGUAGES)


@pytest.mark.parametrize("word", [word for words in PAUSE_WORDS.values() for word in words])
def test_a_word_for_a_pause_is_a_cue(word: str) -> None:
    assert is_pause_cue(word)
    assert is_pause_cue(word.upper() + ".")
    assert is_pause_cue(f"{word} 4")
    assert is_pause_cue(f"4 {word}")


@pytest.mark.parametrize(
    "words",
    [
        *("paused", "pauses", "the pausing", "pausen", "a paused word", "beaten", "pausado", "паузой раньше"),
        *("間違い", "時間", "待つ人", "停止線", "쉼표", "4 seconds", "", "[", "music", "laughs"),
        "pause" + " and think" * (MAX_CUE_LENGTH // 10),
    ],
)
def test_what_only_resembles_a_pause_is_none(words: str) -> None:
    assert not is_pause_cue(words)


@pytest.mark.parametrize(
    ("words", "seconds"),
    [
        *(
            ("pause", None),
            ("pause 4", 4),
            ("pause 4s", 4),
            ("4 second pause", 4),
            ("pause: 2.5 s", 2.5),
            ("2,5 s", 2.5),
        ),
        *(("４秒の間", 4), ("٤ ثوان", 4), ("४ सेकंड", 4), ("500ms", 0.5), ("500 milliseconds", 0.5), ("3 mots", 3)),
        ("9" * 100_000, float("9" * MAX_CUE_LENGTH)),
    ],
)
def test_the_seconds_of_a_cue(words: str, seconds: float | None) -> None:
    assert pause_seconds(words) == seconds
