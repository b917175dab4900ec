"""How writers write a pause in each language, where they do not use the script's own `[pause 4s]`."""

import re
from collections.abc import Iterable

from .characters import fold

# The first or the last word of what stands in brackets: "Pause", "short pause", "pausa de 4 segundos".
PAUSE_WORDS = {
    "en": ("pause", "silence", "beat"),
    "ja": ("ポーズ", "休止", "一時停止", "沈黙", "無音"),
    "es": ("pausa", "silencio"),
    "fr": ("pause", "silence"),
    "de": ("pause", "denkpause", "sprechpause", "stille"),
    "it": ("pausa", "silenzio"),
    "pt": ("pausa", "silêncio"),
    "nl": ("pauze", "stilte"),
    "pl": ("pauza", "pauzy", "przerwa", "przerwy", "cisza", "ciszy"),
    "sv": ("paus", "tystnad"),
    "tr": ("duraklama", "duraksama", "bekleme", "sessizlik"),
    "ru": ("пауза", "паузы", "тишина", "молчание"),
    "uk": ("пауза", "паузи", "тиша"),
    "el": ("παύση", "παύσης", "σιωπή", "σιωπής"),
    "ko": ("멈춤", "일시정지", "일시 정지", "쉬기", "쉼", "정적", "침묵", "포즈"),
    "zh": ("停顿", "停頓", "暂停", "暫停", "静默", "靜默", "沉默"),
    "hi": ("विराम", "रुकें", "रुकिए", "ठहराव", "मौन"),
    "ar": ("توقف", "توقّف", "وقفة", "صمت"),
    "vi": ("tạm dừng", "dừng", "ngừng", "im lặng"),
    "th": ("หยุดชั่วคราว", "หยุดพัก", "หยุด", "เว้นจังหวะ", "เว้นช่วง", "เงียบ"),
    "id": ("jeda", "hening"),
}
MAX_CUE_LENGTH = 80  # characters
UNSPACED = ("ja", "zh", "th")  # there a word may touch the next one, and 4秒 touches both
# All that stands in brackets, beside the seconds, where the word alone may begin another: 間 begins 間違い (mistake).
WHOLE_CUES = ("間", "間を置く", "間をおく", "間を取る", "考える時間", "停止", "待つ")

_CJK_SECONDS = re.compile(r"約?\d+(?:[.,]\d+)?\s*秒(?:間|ほど)?の?")


def _any_of(codes: Iterable[str]) -> str:
    return "|".join(re.escape(fold(word)) for code in codes for word in PAUSE_WORDS[code])


_WORDS = _any_of(code for code in PAUSE_WORDS if code not in UNSPACED)
_UNSPACED_WORDS, _KOREAN_WORDS = _any_of(UNSPACED), _any_of(["ko"])
_CUE_START = re.compile(rf"(?:(?:{_WORDS})(?!\w)|(?:{_UNSPACED_WORDS}|(?:pause|{_KOREAN_WORDS})(?=\d)))")
_CUE_END = re.compile(rf"(?:(?<!\w)(?:{_WORDS})|{_UNSPACED_WORDS}|{_KOREAN_WORDS})\Z")
_AMOUNT = re.compile(r"(\d+(?:[.,]\d+)?)\s*(ms\b|millisec)?")


def is_pause_cue(words: str) -> bool:
    """Whether `words`, a few that stand in brackets or are emphasised, ask for a pause, in any of the languages."""
    if len(words) > MAX_CUE_LENGTH:
        return False
    words = fold(words).strip(" \t*_~`.…。!-–—:：")
    if _CUE_START.match(words) or _CUE_END.search(words):
        return True
    return _CJK_SECONDS.sub("", words).strip() in WHOLE_CUES


def pause_seconds(words: str) -> float | None:
    """The first number in `words` as seconds, `500 ms` as 0.5; digits may be full-width or of another script."""
    amount = _AMOUNT.search(fold(words[:MAX_CUE_LENGTH]))
    if amount is None:
        return None
    return float(amount[1].replace(",", ".")) / (1000 if amount[2] else 1)
