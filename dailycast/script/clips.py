"""A cleaned paragraph split into clips, each short enough for one call to a voice."""

from collections.abc import Callable
from functools import partial

from ..languages.sentences import split_at_stops, split_graphemes, split_words
from ..languages.table import get_language

MAX_CLIP_CHARACTERS = 600

Splitter = Callable[[str], list[str]]


def split_into_clips(text: str, language: str) -> list[str]:
    """Split a cleaned paragraph at sentence ends, else between words, else between graphemes.

    `"".join(split_into_clips(text, language)) == text`: the space at a cut stays with the clip before it.
    """
    entry = get_language(language)
    return _pack(text, (partial(split_at_stops, language=entry), split_words, split_graphemes, list))


def _pack(text: str, splitters: tuple[Splitter, ...]) -> list[str]:
    """`text` in as few clips as the splitters allow, the coarsest first; the last splits into characters."""
    if len(text) <= MAX_CLIP_CHARACTERS:
        return [text]
    clips = [""]
    for unit in splitters[0](text):
        for part in _pack(unit, splitters[1:]):
            if len(clips[-1]) + len(part) <= MAX_CLIP_CHARACTERS:
                clips[-1] += part
            else:
                clips.append(part)
    return clips
