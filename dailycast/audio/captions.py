"""Cues and chapters, computed from measured clips without asking a vendor; and the files that carry them."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from itertools import accumulate, chain, pairwise
from typing import Any

from ..languages.sentences import split_sentences
from ..script.grammar import Script

PieceTimes = Sequence[tuple[float, float]]  # (start, duration) in seconds of each piece of a script, in order


@dataclass(frozen=True)
class Cue:
    """One sentence, from `start` to `end` in seconds."""

    start: float
    end: float
    text: str


@dataclass(frozen=True)
class ChapterMark:
    """`start` in seconds."""

    start: float
    title: str


def sentence_cues(script: Script, times: PieceTimes, language: str) -> list[Cue]:
    """A cue for each sentence; inside a measured clip its share of the time is its share of the characters.

    Times are rounded to milliseconds, never go back, and never go past the end of their clip.
    """
    pieces = chain.from_iterable(chapter.pieces for chapter in script.chapters)
    spoken = [(piece, at) for piece, at in zip(pieces, times, strict=True) if isinstance(piece, str)]
    return [cue for clip, (start, duration) in spoken for cue in _clip_cues(clip, start, duration, language)]


def chapter_marks(script: Script, times: PieceTimes) -> list[ChapterMark]:
    """Where each chapter begins.

    A chapter without a title is the opening before the first heading, so it has the script's title. Where the script
    has none, the opening gets no mark, because a listener cannot choose a chapter without a name.
    """
    first_pieces = accumulate((len(chapter.pieces) for chapter in script.chapters), initial=0)
    named = [
        (chapter.title or script.title, first) for chapter, first in zip(script.chapters, first_pieces, strict=False)
    ]
    return [ChapterMark(round(times[first][0], 3), title) for title, first in named if title]


def transcript_paragraphs(script: Script) -> list[str]:
    """The transcript as paragraphs of plain text: chapter titles and what is spoken."""
    return [
        line
        for chapter in script.chapters
        for line in (chapter.title, *(piece for piece in chapter.pieces if isinstance(piece, str)))
        if line
    ]


def webvtt(cues: Iterable[Cue]) -> str:
    """A WebVTT file of `cues`."""
    blocks = [f"{_timestamp(cue.start)} --> {_timestamp(cue.end)}\n{_cue_payload(cue.text)}\n" for cue in cues]
    return "\n".join(["WEBVTT\n", *blocks])


def chapters_json(marks: Iterable[ChapterMark]) -> dict[str, Any]:
    """The podcast namespace's JSON chapters, version 1.2.0."""
    return {"version": "1.2.0", "chapters": [{"startTime": mark.start, "title": mark.title} for mark in marks]}


def _clip_cues(clip: str, start: float, duration: float, language: str) -> list[Cue]:
    texts = split_sentences(clip, language)
    latest = math.floor((start + duration) * 1000 + 1e-6) / 1000  # 4.1 * 1000 is a little less than 4100
    shares = [characters / len(clip) for characters in accumulate(map(len, texts), initial=0)]
    marks = [min(round(start + duration * share, 3), latest) for share in shares]
    return [Cue(begin, end, text.strip()) for text, (begin, end) in zip(texts, pairwise(marks), strict=True)]


def _timestamp(seconds: float) -> str:
    """`hh:mm:ss.mmm`."""
    whole, milliseconds = divmod(round(seconds * 1000), 1000)
    minutes, second = divmod(whole, 60)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{second:02d}.{milliseconds:03d}"


def _cue_payload(text: str) -> str:
    """One line, because an empty line would end the cue; escaped, so that it holds no tag and no arrow."""
    return escape(" ".join(text.split()), quote=False)
