"""Characters: which of them take how long to say, which of them can be spoken or stored at all."""

import re

CJK_RATE = 12.0  # characters a second above which speech has lost part of a CJK text


LATIN_RATE = 25.0  # the same for every other script


def is_cjk(character: str) -> bool:
    """Kana, ideographs and Hangul: a character that takes about as long to say as two or three Latin ones."""
    return "\u3040" <= character <= "\u30ff" or "\u3400" <= character <= "\u9fff" or "\uac00" <= character <= "\ud7af"


def least_seconds(text: str) -> float:
    """The shortest time in which `text` can have been spoken whole; less audio means that a part of it is missing."""
    cjk = sum(map(is_cjk, text))
    return cjk / CJK_RATE + (len(text) - cjk) / LATIN_RATE


SPOKEN = re.compile(r"[^\W_]")  # a letter or a digit: something to say


# What no database or XML parser takes: controls, surrogates, noncharacters; and the byte order mark.
UNWRITABLE = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufeff"
    + "".join(rf"\U{plane:04x}fffe\U{plane:04x}ffff" for plane in range(17))
    + "]"
)
