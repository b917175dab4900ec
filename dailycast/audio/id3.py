"""The tag that makes an MP3 an episode: ID3v2.3 (id3.org, "ID3 tag version 2.3.0" and its chapter addendum).

Text is UTF-16 with a byte order mark, as that version has it for what Latin-1 cannot say.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

GENRE = "Podcast"
FRONT_COVER = 3
TOP_LEVEL_ORDERED = 3  # flags of a table of contents
MOST_CHAPTERS = 255  # that a table of contents can count
NO_OFFSET = b"\xff" * 4  # a chapter is told by its times
LARGEST = (1 << 28) - 1  # bytes that a tag's size can say


@dataclass(frozen=True)
class Tag:
    """What a tag tells. `language` is ISO 639-2, `chapters` are (seconds, title) in time order, the last lasting until
    `duration`; `cover` is a JPEG or PNG, empty for none."""

    title: str
    show: str
    made_on: date
    language: str
    comment: str
    lyrics: str
    duration: float
    chapters: Sequence[tuple[float, str]] = ()
    cover: bytes = b""
    cover_type: str = "image/jpeg"


def with_tag(mp3: bytes, episode: Tag) -> bytes:
    """`mp3` behind its tag; frames that are there already stay as they are. A cover too large for a tag is left out."""
    frames = b"".join(_texts(episode)) + b"".join(_chapters(episode))
    cover = _cover(episode)
    body = frames + cover if len(frames + cover) <= LARGEST else frames
    return b"ID3\x03\0\0" + bytes(len(body) >> shift & 0x7F for shift in (21, 14, 7, 0)) + body + mp3


def _texts(episode: Tag) -> list[bytes]:
    lines = {
        "TIT2": episode.title,
        "TPE1": episode.show,
        "TALB": episode.show,
        "TYER": f"{episode.made_on:%Y}",
        "TDAT": f"{episode.made_on:%d%m}",
        "TCON": GENRE,
        "TLAN": episode.language,
    }
    spoken = episode.language.encode("latin-1") + _text("") + b"\0\0"
    return [
        *(_frame(name, b"\x01" + _text(line)) for name, line in lines.items() if line),
        _frame("COMM", b"\x01" + spoken + _text(episode.comment)),
        _frame("USLT", b"\x01" + spoken + _text(episode.lyrics)),
    ]


def _chapters(episode: Tag) -> list[bytes]:
    chapters = episode.chapters[:MOST_CHAPTERS]
    starts = [start for start, _ in chapters]
    ends = [*starts, episode.duration][1:]
    names = [f"chp{number}".encode() + b"\0" for number in range(len(starts))]
    marks = [
        _frame("CHAP", name + _times(start, end) + _frame("TIT2", b"\x01" + _text(title)))
        for name, (start, title), end in zip(names, chapters, ends, strict=True)
    ]
    if not marks:
        return []
    return [_frame("CTOC", b"toc\0" + bytes((TOP_LEVEL_ORDERED, len(names))) + b"".join(names)), *marks]


def _cover(episode: Tag) -> bytes:
    if not episode.cover:
        return b""
    kind = b"\0" + episode.cover_type.encode("latin-1") + b"\0" + bytes((FRONT_COVER,)) + b"\0"
    return _frame("APIC", kind + episode.cover)


def _times(start: float, end: float) -> bytes:
    """In milliseconds."""
    return b"".join(round(seconds * 1000).to_bytes(4, "big") for seconds in (start, end)) + NO_OFFSET * 2


def _text(text: str) -> bytes:
    return text.replace("\0", "").encode("utf-16", "replace")


def _frame(name: str, body: bytes) -> bytes:
    return name.encode("latin-1") + len(body).to_bytes(4, "big") + b"\0\0" + body
