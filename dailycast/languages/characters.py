"""Characters: how long they take to say, which of them can be spoken, which can be stored."""

import re

# Characters a second. Speech that is faster has lost a part of its text.
MAX_CJK_RATE = 12.0
MAX_LATIN_RATE = 25.0  # and every other writing system

SPEAKABLE = re.compile(r"[^\W_]")  # a letter or a digit
# What no database or XML parser accepts: controls, surrogates, noncharacters; and the byte order mark.
UNWRITABLE = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufeff"
    + "".join(rf"\U{plane:04x}fffe\U{plane:04x}ffff" for plane in range(17))
    + "]"
)


def fold(text: str) -> str:
    """`text` for a comparison that ignores case and the kind of apostrophe; the Turkish `İ` and `ı` are `i`."""
    return text.casefold().replace("\u0307", "").replace("ı", "i").replace("’", "'")


def is_cjk(character: str) -> bool:
    """Kana, ideographs and Hangul: a character that takes about as long to say as two or three Latin ones."""
    return "\u3040" <= character <= "\u30ff" or "\u3400" <= character <= "\u9fff" or "\uac00" <= character <= "\ud7af"


def shortest_seconds(text: str) -> float:
    """The shortest time in which all of `text` can be spoken; shorter audio lacks a part of it."""
    cjk = sum(map(is_cjk, text))
    return cjk / MAX_CJK_RATE + (len(text) - cjk) / MAX_LATIN_RATE
