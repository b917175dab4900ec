"""A cleaned paragraph cut into clips, each short enough for one call to a voice."""

from collections.abc import Callable
from functools import partial

from ..languages.sentences import _graphemes, _sentences, _words
from ..languages.table import get_language

MAX_CLIP = 600  # characters


def split(text: str, language: str) -> list[str]:
    """Cut a cleaned paragraph into clips: at sentence ends, else between words, else between graphemes.

    `"".join(split(text, language)) == text`: the space at a cut stays with the clip before it.
    """
    stops = get_language(language).stops
    return _packed(text, (partial(_sentences, stops=stops), _words, _graphemes, list))


def _packed(text: str, cutters: tuple[Callable[[str], list[str]], ...]) -> list[str]:
    """`text` in as few parts as the cutters allow, coarse ones first; the last must cut everything."""
    if len(text) <= MAX_CLIP:
        return [text]
    packed = [""]
    for unit in cutters[0](text):
        for part in _packed(unit, cutters[1:]):
            if len(packed[-1]) + len(part) <= MAX_CLIP:
                packed[-1] += part
            else:
                packed.append(part)
    return packed
