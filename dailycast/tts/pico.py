"""The built-in voice: SVOX Pico through py-nanotts, encoded by lameenc. No key, no network, no cost."""

import ctypes
import re
import sys
import threading
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec

from ..errors import ProviderError
from ..gateway.provider import require
from ..languages.table import primary_subtag
from .base import Clip, TTSProvider, Voice, whole

VOICES = {  # voice -> its words for `<` and `>`, which Pico would read as markup
    "en-US": ("less than", "greater than"),
    "en-GB": ("less than", "greater than"),
    "es-ES": ("menor que", "mayor que"),
    "fr-FR": ("inférieur à", "supérieur à"),
    "de-DE": ("kleiner als", "größer als"),
    "it-IT": ("minore di", "maggiore di"),
}
# Each gives -16 LUFS, as mono on two loudspeakers; measured on prose by ffmpeg's ebur128 with dualmono=true.
VOLUMES = {"en-US": 0.45, "en-GB": 0.45, "es-ES": 0.42, "fr-FR": 0.52, "de-DE": 0.47, "it-IT": 0.54}
RATE = 16_000  # Hz, mono, 16 bits: Pico's output
BITRATE = 64  # kbit/s
QUALITY = 7  # of LAME: a sixth of the CPU time of 2, for a voice of 8 kHz
M_PERTURB = -6  # of glibc's malloc.h

# Pico speaks Latin-1, œ and €; it skips everything else without an error.
SPEAKABLE_SIGNS = {chr(code) for code in range(0xA1, 0x100)} - {"\u00ad"} | set("œŒ€")
SPOKEN_DASH = re.compile(r"(?<!\s)\s++[–—]\s++|—")  # spoken as a pause, which Pico makes at a comma
REPLACEMENTS = str.maketrans(
    {
        **dict.fromkeys("“”„‟«»「」『』", '"'),
        **dict.fromkeys("‘’‚‛", "'"),
        **dict.fromkeys("[{［｛【", "("),  # it would say "left square bracket"
        **dict.fromkeys("]}］｝】", ")"),
        **dict.fromkeys("‐‑–−", "-"),
        **dict.fromkeys("¿¡", ""),  # it would say "inverted question mark"
        **dict.fromkeys("。．", ". "),
        **dict.fromkeys("、，", ", "),
        **dict(zip("⁄łŁđĐı", "/lLdDi", strict=True)),  # Unicode has no decomposition for these
    }
)


class Provider(TTSProvider):
    name = "pico"
    remote = False

    def missing(self) -> str:
        if find_spec("py_nanotts") and find_spec("lameenc"):
            return ""
        return "pip install 'dailycast[offline]' (for Windows, and Linux with glibc on x86_64 or aarch64)"

    def unbilled(self) -> bool:
        return True

    def voice(self, language: str) -> Voice | None:
        name = find_voice_name(language)
        return Voice(name, self.name) if name else None

    def speak(self, text: str, voice: Voice, timeout: float) -> Clip:
        spoken = pronounceable_text(text, voice.name)
        if not any(map(str.isalnum, spoken)):
            message = f"The built-in voice {voice.name} cannot pronounce {text[:40]!r}: it knows Latin letters only."
            raise ProviderError(message, permanent=True)
        mp3 = _encode_mp3(_synthesize_pcm(spoken, voice.name))
        whole(mp3, spoken)
        return Clip(mp3, len(spoken))


def find_voice_name(language: str) -> str | None:
    """The Pico voice for a BCP-47 `language`: of its region, else the first of VOICES; None without one."""
    same = [voice for voice in VOICES if primary_subtag(voice) == primary_subtag(language)]
    return language if language in same else next(iter(same), None)


def pronounceable_text(text: str, voice: str) -> str:
    """`text` on one line, in the characters that Pico can speak. What has no Latin form, such as kanji, is left out."""
    less, greater = VOICES[voice]
    plain = SPOKEN_DASH.sub(", ", unicodedata.normalize("NFC", text)).translate(REPLACEMENTS)
    latin = "".join(map(_latin, plain)).replace("<", f" {less} ").replace(">", f" {greater} ")
    return " ".join(re.sub(r"\.{2,}", ".", latin).split())  # at "..." it pauses for two seconds


def _latin(character: str) -> str:
    if character in SPEAKABLE_SIGNS or (character.isascii() and character.isprintable()):
        return character
    if character.isascii() or character.isspace():
        return " "
    return "".join(filter(str.isascii, unicodedata.normalize("NFKD", character).translate(REPLACEMENTS)))


def _synthesize_pcm(text: str, voice: str) -> bytes:
    try:
        with _zeroed_memory():
            pcm: bytes = require("py_nanotts", "offline").NanoTTS().speak(text, voice=voice, volume=VOLUMES[voice])
    except (RuntimeError, ValueError, OSError) as error:
        raise ProviderError(f"The built-in voice failed: {error}.", permanent=True) from error
    return pcm


_lock = threading.Lock()


@contextmanager
def _zeroed_memory() -> Iterator[None]:
    """In this block malloc() returns memory that is filled with zeros.

    Pico reads memory that it never wrote: in memory that other code has used before, its pauses shrink to a third.
    Windows returns zeros for blocks of Pico's size anyway; glibc fills every block with the complement of M_PERTURB.
    """
    if sys.platform != "linux":
        yield
        return
    libc = ctypes.CDLL(None)
    with _lock:
        libc.mallopt(M_PERTURB, 255)
        try:
            yield
        finally:
            libc.mallopt(M_PERTURB, 0)


def _encode_mp3(pcm: bytes) -> bytes:
    encoder = require("lameenc", "offline").Encoder()
    encoder.silence()
    encoder.set_bit_rate(BITRATE)
    encoder.set_in_sample_rate(RATE)
    encoder.set_channels(1)
    encoder.set_quality(QUALITY)
    return bytes(encoder.encode(pcm) + encoder.flush())
