"""The tag is read back by a parser in this file, by tinytag, and in tests/integration by ffprobe."""

from dataclasses import replace
from datetime import date
from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tinytag import TinyTag

from dailycast.audio.id3 import Tag, add_tag
from dailycast.audio.mp3 import Format, duration
from tests.audio import mp3_parts

FRAME = bytes.fromhex("fff364c4") + bytes(140)  # MPEG-2 Layer III, 24 kHz, mono, 48 kbit/s
COVER = b"\xff\xd8\xff\xe0 a picture"
EPISODE = Tag(
    title="Vienna, 東京 and 🎧",
    show="Daily podcast",
    made_on=date(2026, 11, 3),
    language="eng",
    comment="Joanna neural (polly)",
    lyrics="Good morning.\n\nWho led the Austrian side?",
    duration=12.5,
    chapters=[(0.0, "Welcome"), (7.25, "Practice")],
    cover=COVER,
)


def frames(data: bytes) -> list[tuple[str, bytes]]:
    """Name and body of each frame, as ID3v2.3 lays them out."""
    found, at = [], 0
    while at < len(data):
        size = int.from_bytes(data[at + 4 : at + 8], "big")
        found.append((data[at : at + 4].decode(), data[at + 10 : at + 10 + size]))
        at += 10 + size
    return found


def body(mp3: bytes) -> bytes:
    a, b, c, d = mp3[6:10]
    return mp3[10 : 10 + (a << 21 | b << 14 | c << 7 | d)]


def text(data: bytes) -> str:
    assert data[:1] == b"\x01"
    return data[1:].decode("utf-16")


def test_the_frames_of_an_episode() -> None:
    mp3 = add_tag(FRAME * 3, EPISODE)
    assert (mp3[:6], mp3.endswith(FRAME * 3)) == (b"ID3\x03\x00\x00", True)
    found = frames(body(mp3))
    assert [name for name, _ in found] == [
        *("TIT2", "TPE1", "TALB", "TYER", "TDAT", "TCON", "TLAN", "COMM", "USLT", "CTOC", "CHAP", "CHAP", "APIC"),
    ]
    texts = {name: text(data) for name, data in found if name[0] == "T"}
    assert texts == {
        "TIT2": EPISODE.title,
        "TPE1": "Daily podcast",
        "TALB": "Daily podcast",
        "TYER": "2026",
        "TDAT": "0311",
        "TCON": "Podcast",
        "TLAN": "eng",
    }


@pytest.mark.parametrize(("name", "content"), [("COMM", EPISODE.comment), ("USLT", EPISODE.lyrics)])
def test_comment_and_lyrics_name_their_language(name: str, content: str) -> None:
    data = dict(frames(body(add_tag(FRAME, EPISODE))))[name]
    assert data[:4] == b"\x01eng"
    nothing, _, rest = data[4:].partition(b"\0\0")
    assert (nothing.decode("utf-16"), rest.decode("utf-16")) == ("", content)


def test_chapters_in_the_order_of_time_and_the_last_until_the_end() -> None:
    found = frames(body(add_tag(FRAME, EPISODE)))
    assert dict(found)["CTOC"] == b"toc\0\x03\x02chp0\0chp1\0"
    marks = [data for name, data in found if name == "CHAP"]
    for mark, (name, start, end, title) in zip(
        marks, [(b"chp0\0", 0, 7250, "Welcome"), (b"chp1\0", 7250, 12500, "Practice")], strict=True
    ):
        assert mark.startswith(name + start.to_bytes(4, "big") + end.to_bytes(4, "big") + b"\xff" * 8)
        ((kind, encoded),) = frames(mark[len(name) + 16 :])
        assert (kind, text(encoded)) == ("TIT2", title)


def test_the_cover() -> None:
    assert dict(frames(body(add_tag(FRAME, EPISODE))))["APIC"] == b"\0image/jpeg\0\x03\0" + COVER


def test_empty_fields_are_left_out() -> None:
    plain = Tag("", "Show", date(2026, 1, 1), "eng", "", "", 1.0)
    assert not {"TIT2", "CTOC", "CHAP", "APIC"} & {name for name, _ in frames(body(add_tag(FRAME, plain)))}


def test_chapters_beyond_what_the_table_can_count_are_left_out() -> None:
    many = Tag("", "S", date(2026, 1, 1), "eng", "", "", 400.0, [(float(at), f"{at}") for at in range(300)])
    found = frames(body(add_tag(FRAME, many)))
    assert dict(found)["CTOC"][5] == 255 == sum(name == "CHAP" for name, _ in found)


def test_a_common_reader_reads_it() -> None:
    read = TinyTag.get(None, file_obj=BytesIO(add_tag(FRAME * 50, EPISODE)))
    assert (read.title, read.artist, read.album, read.genre) == (
        EPISODE.title,
        "Daily podcast",
        "Daily podcast",
        "Podcast",
    )
    assert (read.year or "").startswith("2026")


@given(st.text(max_size=50), st.text(max_size=200))
def test_any_text_can_be_read_back(title: str, lyrics: str) -> None:
    episode = Tag(title, "Show", date(2026, 1, 1), "eng", "", lyrics, 1.0)
    found = dict(frames(body(add_tag(FRAME, episode))))
    assert found["USLT"].endswith(lyrics.replace("\0", "").encode("utf-16-le"))
    assert ("TIT2" in found) is bool(title)


@pytest.mark.parametrize("title", ["間違いを力に変える", "x" * 9_000])
def test_a_tagged_file_is_measured_as_before(title: str) -> None:
    plain = mp3_parts.silent_mp3(Format(24000, 1, 48000), 5)
    data = add_tag(plain, replace(EPISODE, title=title))
    assert (duration(data), mp3_parts.frames(data)) == (duration(plain), mp3_parts.frames(plain))
