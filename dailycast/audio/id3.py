"""The tag of an episode: ID3v2.3 (id3.org, "ID3 tag version 2.3.0" and its chapter addendum).

Text is UTF-16 with a byte order mark, which that version uses for what Latin-1 cannot encode.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

GENRE = "Podcast"
FRONT_COVER = 3
TOP_LEVEL_ORDERED = 3  # flags of a table of contents
MAX_CHAPTERS = 255  # in a table of contents
NO_OFFSET = b"\xff" * 4  # a chapter has times instead
MAX_TAG_SIZE = (1 << 28) - 1  # bytes: four times seven bits


@dataclass(frozen=True)
class Tag:
    """The contents of a tag.

    `language` is ISO 639-2. `chapters` are (seconds, title) in time order; the last ends at `duration` seconds.
    `cover` is a JPEG or PNG, empty for none.
    """

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


def add_tag(mp3: bytes, tag: Tag) -> bytes:
    """`tag` followed by the frames of `mp3` as they are. A cover that is too large for a tag is left out."""
    frames = b"".join(_text_frames(tag)) + b"".join(_chapter_frames(tag))
    cover = _cover_frame(tag)
    body = frames + cover if len(frames + cover) <= MAX_TAG_SIZE else frames
    return b"ID3\x03\0\0" + bytes(len(body) >> shift & 0x7F for shift in (21, 14, 7, 0)) + body + mp3


def _text_frames(tag: Tag) -> list[bytes]:
    lines = {
        "TIT2": tag.title,
        "TPE1": tag.show,
        "TALB": tag.show,
        "TYER": f"{tag.made_on:%Y}",
        "TDAT": f"{tag.made_on:%d%m}",
        "TCON": GENRE,
        "TLAN": tag.language,
    }
    language = tag.language.encode("latin-1") + _encode_text("") + b"\0\0"
    return [
        *(_frame(name, b"\x01" + _encode_text(line)) for name, line in lines.items() if line),
        _frame("COMM", b"\x01" + language + _encode_text(tag.comment)),
        _frame("USLT", b"\x01" + language + _encode_text(tag.lyrics)),
    ]


def _chapter_frames(tag: Tag) -> list[bytes]:
    chapters = tag.chapters[:MAX_CHAPTERS]
    starts = [start for start, _ in chapters]
    ends = [*starts, tag.duration][1:]
    names = [f"chp{number}".encode() + b"\0" for number in range(len(starts))]
    marks = [
        _frame("CHAP", name + _chapter_times(start, end) + _frame("TIT2", b"\x01" + _encode_text(title)))
        for name, (start, title), end in zip(names, chapters, ends, strict=True)
    ]
    if not marks:
        return []
    return [_frame("CTOC", b"toc\0" + bytes((TOP_LEVEL_ORDERED, len(names))) + b"".join(names)), *marks]


def _cover_frame(tag: Tag) -> bytes:
    if not tag.cover:
        return b""
    header = b"\0" + tag.cover_type.encode("latin-1") + b"\0" + bytes((FRONT_COVER,)) + b"\0"
    return _frame("APIC", header + tag.cover)


def _chapter_times(start: float, end: float) -> bytes:
    """`start` and `end` in milliseconds."""
    return b"".join(round(seconds * 1000).to_bytes(4, "big") for seconds in (start, end)) + NO_OFFSET * 2


def _encode_text(text: str) -> bytes:
    return text.replace("\0", "").encode("utf-16", "replace")


def _frame(name: str, body: bytes) -> bytes:
    return name.encode("latin-1") + len(body).to_bytes(4, "big") + b"\0\0" + body
