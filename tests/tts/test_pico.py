"""The built-in voice, with the real Pico and the real LAME: a text lasts as long on every run."""

import ctypes
import sys
from typing import Any

import pytest

from dailycast.errors import ProviderError
from dailycast.tts import pico
from dailycast.tts.base import Clip, Voice, whole

needs_pico = pytest.mark.skipif(bool(pico.Provider().missing()), reason="no py-nanotts for this platform")


def speak(text: str, language: str = "en") -> Clip:
    voice = pico.Provider().voice(language)
    assert voice is not None
    return pico.Provider().speak(text, voice, 30)


def seconds(text: str, language: str = "en") -> float:
    clip = speak(text, language)
    return round(whole(clip.mp3, text), 3)


@needs_pico
def test_a_clip() -> None:
    clip = speak("Good morning,  Alex.")
    assert clip.characters == 19
    assert whole(clip.mp3, "Good morning, Alex.") == pytest.approx(2.412)


@needs_pico
def test_the_mp3_is_64_kbits_a_second_mono_at_16_khz_in_every_frame() -> None:
    mp3 = speak("Good morning, Alex.").mp3
    assert len(mp3) % 288 == 0
    assert {mp3[start : start + 3].hex() for start in range(0, len(mp3), 288)} == {"fff388"}
    assert {mp3[start + 3] >> 6 for start in range(0, len(mp3), 288)} == {3}


@needs_pico
@pytest.mark.parametrize(
    ("language", "text", "lasts"),
    [
        ("en", "Good morning, Alex.", 2.412),
        ("en-GB", "Good morning, Alex.", 2.412),
        ("es", "Buenos días, Alex.", 2.916),
        ("fr", "Bonjour, Alex.", 2.196),
        ("de", "Guten Morgen, Alex.", 2.484),
        ("it", "Buongiorno, Alex.", 2.952),
    ],
)
def test_each_language_has_its_own_voice(language: str, text: str, lasts: float) -> None:
    assert seconds(text, language) == lasts


@pytest.mark.parametrize(
    ("language", "voice"),
    [
        ("en", "en-US"),
        ("en-US", "en-US"),
        ("en-GB", "en-GB"),
        ("en-AU", "en-US"),
        ("es", "es-ES"),
        ("es-MX", "es-ES"),
        ("fr", "fr-FR"),
        ("de-AT", "de-DE"),
        ("it", "it-IT"),
        ("ja", None),
        ("pt", None),
    ],
)
def test_the_voice_of_a_language(language: str, voice: str | None) -> None:
    assert pico.find_voice_name(language) == voice
    assert pico.Provider().voice(language) == (Voice(voice, "pico") if voice else None)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("It's “went”, not ‘goed’.", "It's \"went\", not 'goed'."),
        ("Elle dit « allé ».", 'Elle dit " allé ".'),
        ("Er sagte „ging“, sie sagte ‚nein‛.", "Er sagte \"ging\", sie sagte 'nein'."),
        ("「went」と『gone』", '"went""gone"'),
        ("Wait — or not – go—now", "Wait, or not, go, now"),
        ("1914–1918, 7 − 2, co‑op, a‐b", "1914-1918, 7 - 2, co-op, a-b"),
        ("Well… or... go.", "Well. or. go."),
        ("One. Two..", "One. Two."),
        ("[a] {b} ［c］ ｛d｝ 【e】", "(a) (b) (c) (d) (e)"),
        ("¿Qué? ¡Sí!", "Qué? Sí!"),
        ("3 < 5 and 7>2", "3 less than 5 and 7 greater than 2"),
        ("＜b＞ is 3 ≪ 5", "less than b greater than is 3 5"),
        ("a\x00b\tc\x1bd\x7fe\x85f\u2028g\nh", "a b c d e f g h"),
        ("a\ud800b\ufffec\U0001f600d", "abcd"),
        ("one\u00a0two\u2009three\u3000four", "one two three four"),
        ("co\u00adoperate zero\u200bwidth", "cooperate zerowidth"),
        ("cafe\u0301 naïve x\u0301", "café naïve x"),
        ("Tōkyō, Dvořák, Łódź, Đoković, ısı", "Tokyo, Dvorák, Lódz, Dokovic, isi"),
        ("œuvre ﬁne ｆｕｌｌ １２３", "œuvre fine full 123"),
        ("H₂O, x², ½, ⅓, 20 °C, 50 €, £5, №7", "H2O, x², ½, 1/3, 20 °C, 50 €, £5, No7"),
        ("終わり。はい、Alex，go．", ". , Alex, go."),
        ("The word 東京 is Tokyo.", "The word is Tokyo."),
        ("C# costs $5 & 50% of a_b @ 1*2", "C# costs $5 & 50% of a_b @ 1*2"),
    ],
)
def test_the_text_that_pico_gets(text: str, said: str) -> None:
    assert pico.pronounceable_text(text, "en-US") == said


@pytest.mark.parametrize(
    ("voice", "said"),
    [
        ("en-GB", "3 less than 5 greater than 2"),
        ("es-ES", "3 menor que 5 mayor que 2"),
        ("fr-FR", "3 inférieur à 5 supérieur à 2"),
        ("de-DE", "3 kleiner als 5 größer als 2"),
        ("it-IT", "3 minore di 5 maggiore di 2"),
    ],
)
def test_comparison_signs_become_words_of_the_language(voice: str, said: str) -> None:
    assert pico.pronounceable_text("3 < 5 > 2", voice) == said


@needs_pico
@pytest.mark.skipif(sys.platform != "linux", reason="mallopt is glibc's")
def test_the_pauses_do_not_depend_on_what_was_in_memory() -> None:
    libc = ctypes.CDLL(None)
    libc.mallopt(-6, 1)  # fill every block that malloc gives with 0xfe
    try:
        lasts = seconds("Good morning, Alex. You wrote goed; the right word is went. Say it once more.")
    finally:
        libc.mallopt(-6, 0)
    assert lasts == 7.056


@needs_pico
def test_markup_is_spoken_and_not_interpreted() -> None:
    slow = 'Say <break time="9s"/> it.'
    assert seconds(slow) < 7


@needs_pico
def test_yukis_mistake_in_japanese_does_not_fail_an_english_clip() -> None:
    clip = speak("行きました means went.")
    assert clip.characters == 11
    assert whole(clip.mp3, "means went.") == pytest.approx(1.548)


@pytest.mark.parametrize("text", ["東京都に行きました。", "Привет", "…", "\u200b"])
def test_a_clip_with_nothing_to_pronounce_is_an_error(text: str) -> None:
    with pytest.raises(ProviderError) as caught:
        speak(text)
    message = f"The built-in voice en-US cannot pronounce {text!r}: it knows Latin letters only."
    assert (str(caught.value), caught.value.permanent) == (message, True)


@needs_pico
def test_a_failure_of_pico_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ProviderError) as caught:
        monkeypatch.setitem(pico.VOLUMES, "xx-XX", 0.5)
        pico._synthesize_pcm("Hello", "xx-XX")
    assert (str(caught.value), caught.value.permanent) == ("The built-in voice failed: Unsupported voice.", True)


@pytest.mark.parametrize("absent", ["py_nanotts", "lameenc"])
def test_what_is_missing(monkeypatch: pytest.MonkeyPatch, absent: str) -> None:
    found: dict[str, Any] = {"py_nanotts": True, "lameenc": True}
    monkeypatch.setattr(pico, "find_spec", found.get)
    assert pico.Provider().missing() == ""
    del found[absent]
    assert pico.Provider().missing() == (
        "pip install 'dailycast[offline]' (for Windows, and Linux with glibc on x86_64 or aarch64)"
    )


def test_nobody_bills_for_the_built_in_voice() -> None:
    assert pico.Provider().unbilled()
