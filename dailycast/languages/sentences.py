"""Where a sentence, a word and a grapheme end, by the rules of a language.

Each function returns parts that joined equal the text, and cuts only where there is something to say before the cut.
"""

import re
from collections.abc import Iterable
from functools import cache
from itertools import pairwise

from .abbreviations import is_inside_sentence
from .characters import SPEAKABLE
from .table import LATIN_STOPS, Language, get_language

SOFT_STOPS = LATIN_STOPS  # they end a sentence only where a space follows
CLOSING_MARKS = (
    r"""\])}"'”“’‘»«」』）】〉》］｝"""  # right after a stop; one language closes with another's opening quote
)
OPENING_QUOTES = "«‹“„"  # French writes a space after them
# `. "` and `! » `: an opening quote belongs to the next sentence.
SENTENCE_SPACE = re.compile(rf"\s(?:[^{re.escape(OPENING_QUOTES)}]*\s)?")
WORD_START = re.compile(r"(?<=\s)(?=(?:(?!\s)[\W_])*+[^\W_])")
# Before a letter or digit, and so after everything that attaches to the one before: marks, selectors, joiners. Some
# letters attach as well: Hangul jamo, half-width voicing, Thai and Lao AM, an Indic consonant after a virama (UAX 29).
GRAPHEME_START = re.compile(
    r"(?<![\u200d\u1100-\u115f\ua960-\ua97c\u094d\u09cd\u0acd\u0b4d\u0c4d\u0d4d])"
    r"(?=[^\W_])(?![\u1160-\u11ff\ud7b0-\ud7fb\uff9e\uff9f\u0e33\u0eb3])"
)


def split_sentences(text: str, language: str) -> list[str]:
    """The sentences of `text`, each with its closing quotes and the space after it.

    Raises LanguageError for an unknown BCP-47 `language`.
    """
    return split_at_stops(text, get_language(language))


def split_at_stops(text: str, language: Language) -> list[str]:
    """The sentences of `text` by the rules of `language`."""
    stops = _stop_pattern(language.stops).finditer(text)
    return _split_at(text, (_next_sentence_start(match, language) for match in stops))


def split_words(text: str) -> list[str]:
    """The words of `text`, each with the space after it."""
    return _split_at(text, (match.start() for match in WORD_START.finditer(text)))


def split_graphemes(text: str) -> list[str]:
    """The letters and digits of `text`, each with the marks that attach to it."""
    return _split_at(text, (match.start() for match in GRAPHEME_START.finditer(text)))


def _split_at(text: str, positions: Iterable[int]) -> list[str]:
    first = SPEAKABLE.search(text)
    inside = [position for position in positions if first and first.start() < position < len(text)]
    return [text[start:end] for start, end in pairwise([0, *inside, len(text)])]


@cache
def _stop_pattern(stops: str) -> re.Pattern[str]:
    """A stop and all that follows up to the next letter or digit: `run` is the stops with their closing marks."""
    stop = re.escape(stops)
    return re.compile(rf"(?P<run>[{stop}][{stop}{CLOSING_MARKS}]*+)(?P<rest>[\W_]*+)")


def _next_sentence_start(match: re.Match[str], language: Language) -> int:
    """The index in the text where the next sentence starts; 0 if the stop does not end a sentence."""
    run, rest = match["run"], match["rest"]
    before, after = match.string[match.start() - 1 : match.start()], match.string[match.end() : match.end() + 1]
    soft = SOFT_STOPS if "." in language.stops else ""
    if any(stop in language.stops and stop not in soft for stop in run):
        decimal = run == "．" and not rest and before.isdigit() and after.isdigit()
        return 0 if decimal else match.end() - len(rest.lstrip())
    if after.islower() or (run == "." and is_inside_sentence(match.string, match.start(), match.end(), language.code)):
        return 0
    spaces = SENTENCE_SPACE.match(rest)
    return match.start("rest") + spaces.end() if spaces else 0
