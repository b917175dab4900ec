"""Where a sentence, a word and a grapheme end, by the rules of a language."""

import re
from collections.abc import Iterable
from functools import cache
from itertools import pairwise

from .characters import SPOKEN
from .table import LATIN_STOPS, get_language

SOFT_STOPS = LATIN_STOPS  # they end a sentence only where a space follows


CLOSERS = r"""\])}"'”“’‘»«」』）】〉》］｝"""  # right after a stop; each language closes with another's opening quote


OPENERS = "«‹“„"  # French writes a space after them


ABBREVIATION = re.compile(
    r"(?<!\w)(?:[A-Za-z\u00c0-\u024f\u0370-\u052f]|Dr|Mr|Mrs|Ms|Prof|St|Jr|Sra?|Dra|Mme|Mlle|Hr|Fr|Nr|Sig|Dott|vs)$"
)


SENTENCE_SPACE = re.compile(rf"\s(?:[^{re.escape(OPENERS)}]*\s)?")  # `. "` and `! » `: what opens goes with the next


WORD = re.compile(r"(?<=\s)(?=(?:(?!\s)[\W_])*+[^\W_])")


# Before a letter or digit, and so after all that hangs on the last one: marks, selectors, joiners. Some letters hang on
# too: Hangul jamo, half-width voicing, Thai and Lao AM, and an Indic consonant after a virama (UAX 29).
GRAPHEME = re.compile(
    r"(?<![\u200d\u1100-\u115f\ua960-\ua97c\u094d\u09cd\u0acd\u0b4d\u0c4d\u0d4d])"
    r"(?=[^\W_])(?![\u1160-\u11ff\ud7b0-\ud7fb\uff9e\uff9f\u0e33\u0eb3])"
)


def sentences(text: str, language: str) -> list[str]:
    """The sentences of `text`, each with the quotes that close it and the space after it; joined they equal `text`."""
    return _sentences(text, get_language(language).stops)


def _sentences(text: str, stops: str) -> list[str]:
    return _cut(text, (_sentence_end(match, stops) for match in _stop_pattern(stops).finditer(text)))


def _words(text: str) -> list[str]:
    return _cut(text, (match.start() for match in WORD.finditer(text)))


def _graphemes(text: str) -> list[str]:
    return _cut(text, (match.start() for match in GRAPHEME.finditer(text)))


def _cut(text: str, places: Iterable[int]) -> list[str]:
    """`text` cut at the places inside it that leave something to say before them."""
    first = SPOKEN.search(text)
    inside = [place for place in places if first and first.start() < place < len(text)]
    return [text[start:end] for start, end in pairwise([0, *inside, len(text)])]


@cache
def _stop_pattern(stops: str) -> re.Pattern[str]:
    """A stop and everything up to the next letter or digit: `run` is the stops and what closes with them."""
    stop = re.escape(stops)
    return re.compile(rf"(?P<run>[{stop}][{stop}{CLOSERS}]*+)(?P<rest>[\W_]*+)")


def _sentence_end(match: re.Match[str], stops: str) -> int:
    """Where in the text the next sentence begins; 0 if the stop does not end a sentence."""
    run, rest = match["run"], match["rest"]
    before, after = match.string[match.start() - 1 : match.start()], match.string[match.end() : match.end() + 1]
    soft = SOFT_STOPS if "." in stops else ""
    if any(stop in stops and stop not in soft for stop in run):
        decimal = run == "．" and not rest and before.isdigit() and after.isdigit()
        return 0 if decimal else match.end() - len(rest.lstrip())
    if after.islower() or (run == "." and ABBREVIATION.search(match.string, max(match.start() - 4, 0), match.start())):
        return 0
    spaces = SENTENCE_SPACE.match(rest)
    return match.start("rest") + spaces.end() if spaces else 0
