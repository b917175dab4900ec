"""MP3 bytes: frames are found, measured and joined; incomplete or mixed ones are refused."""

import importlib
import io
from functools import cache
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tinytag import TinyTag

from dailycast.audio.mp3 import Format, JoinedMp3, duration, join, scan
from dailycast.errors import Mp3Error
from tests.audio.mp3_parts import frames, silent_mp3

lameenc = importlib.import_module("lameenc")  # ships no types

SPEECH = Format(24000, 1, 48000)  # what Polly's neural voices are asked for: 576 samples, 144 bytes, 24 ms a frame
FRAME = bytes.fromhex("fff364c4") + bytes(140)
FORMATS = [
    Format(16000, 1, 64000),
    Format(24000, 1, 48000),
    Format(22050, 1, 48000),
    Format(22050, 2, 56000),
    Format(44100, 1, 64000),
    Format(44100, 2, 128000),
    Format(11025, 1, 32000),
]
ID3V1 = b"TAG" + bytes(125)


@cache
def clip(format: Format, seconds: float = 0.5) -> bytes:
    """A real MP3 of a saw-tooth tone."""
    encoder = lameenc.Encoder()
    encoder.set_bit_rate(format.bitrate // 1000)
    encoder.set_in_sample_rate(format.rate)
    encoder.set_out_sample_rate(format.rate)
    encoder.set_channels(format.channels)
    encoder.silence()
    samples = (at * 97 % 8000 for at in range(int(format.rate * seconds) * format.channels))
    pcm = b"".join(sample.to_bytes(2, "little") for sample in samples)
    return bytes(encoder.encode(pcm) + encoder.flush())


def id3v2(size: int, footer: bool = False) -> bytes:
    header = b"ID3\x04\x00" + (b"\x10" if footer else b"\x00") + bytes(size >> 7 * at & 0x7F for at in (3, 2, 1, 0))
    return header + b"\xff" * size + (b"3DI" + header[3:] if footer else b"")


def ape(items: bytes, header: bool = True) -> bytes:
    fixed = (2000).to_bytes(4, "little") + (len(items) + 32).to_bytes(4, "little") + bytes(4)
    head = b"APETAGEX" + fixed + b"\x00\x00\x00\xa0" + bytes(8)
    return (head if header else b"") + items + b"APETAGEX" + fixed + bytes([0, 0, 0, 0x80 if header else 0]) + bytes(8)


def index_frame(name: bytes, offset: int) -> bytes:
    return (FRAME[:4] + bytes(offset - 4) + name).ljust(144, b"\0")


@pytest.mark.parametrize(
    ("header", "format", "size"),
    [
        ("fffb1000", Format(44100, 2, 32000), 104),
        ("fffb1200", Format(44100, 2, 32000), 105),
        ("fffb5000", Format(44100, 2, 64000), 208),
        ("fffb9000", Format(44100, 2, 128000), 417),
        ("fffb9200", Format(44100, 2, 128000), 418),
        ("fffb9400", Format(48000, 2, 128000), 384),
        ("fffb98c0", Format(32000, 1, 128000), 576),
        ("fffbb000", Format(44100, 2, 192000), 626),
        ("fffbe000", Format(44100, 2, 320000), 1044),
        ("fffa9040", Format(44100, 2, 128000), 417),
        ("fffb9080", Format(44100, 2, 128000), 417),
        ("fff310c0", Format(22050, 1, 8000), 26),
        ("fff312c0", Format(22050, 1, 8000), 27),
        ("fff364c0", Format(24000, 1, 48000), 144),
        ("fff368c0", Format(16000, 1, 48000), 216),
        ("fff388c4", Format(16000, 1, 64000), 288),
        ("fff3e000", Format(22050, 2, 160000), 522),
        ("ffe310c0", Format(11025, 1, 8000), 52),
        ("ffe344c0", Format(12000, 1, 32000), 192),
        ("ffe328c0", Format(8000, 1, 16000), 144),
        ("ffe3e800", Format(8000, 2, 160000), 1440),
    ],
)
def test_a_header_has_format_and_size(header: str, format: Format, size: int) -> None:
    frame = bytes.fromhex(header).ljust(size, b"\0")
    assert frames(frame * 3) == [frame] * 3
    assert scan(frame).format == format
    assert join([frame]).parts == ((0.0, format.seconds(1)),)
    other = Format(format.rate, 3 - format.channels, format.bitrate)
    with pytest.raises(Mp3Error, match=f"^Clip 2 is {other}, clip 1 is {format}: they cannot be joined.$"):
        join([frame, silent_mp3(other, 0.5)])


@pytest.mark.parametrize(
    ("rate", "kilobits"),
    [
        (44100, [32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320]),
        (24000, [8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160]),
        (8000, [8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160]),
    ],
)
def test_the_bitrates_in_the_order_of_their_header_bits(rate: int, kilobits: list[int]) -> None:
    headers = [silent_mp3(Format(rate, 1, kilobit * 1000), 0.1)[2] >> 4 for kilobit in kilobits]
    assert headers == [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14]


@pytest.mark.parametrize(
    ("rate", "version", "samples", "frame_seconds"),
    [
        (44100, 3, 1152, 0.026122448979591838),
        (48000, 3, 1152, 0.024),
        (32000, 3, 1152, 0.036),
        (22050, 2, 576, 0.026122448979591838),
        (24000, 2, 576, 0.024),
        (16000, 2, 576, 0.036),
        (11025, 0, 576, 0.052244897959183675),
        (12000, 0, 576, 0.048),
        (8000, 0, 576, 0.072),
    ],
)
def test_a_rate_decides_version_and_length_of_a_frame(
    rate: int, version: int, samples: int, frame_seconds: float
) -> None:
    format = Format(rate, 1, 64000)
    assert (format.version, format.samples, format.seconds(1)) == (version, samples, frame_seconds)
    assert frames(silent_mp3(format, 0.1))[0][1] >> 3 & 3 == version


def test_a_format_reads_well() -> None:
    assert [str(SPEECH), str(Format(44100, 2, 128000))] == ["24000 Hz, mono, 48 kbit/s", "44100 Hz, stereo, 128 kbit/s"]


@pytest.mark.parametrize(
    ("format", "headers", "sizes"),
    [
        (SPEECH, "fff364c0", [144]),
        (Format(16000, 1, 64000), "fff388c0", [288]),
        (Format(22050, 1, 48000), "fff360c0", [156, 157, 157, 156]),
        (Format(44100, 2, 128000), "fffb9040", [417, 418, 418, 418]),
        (Format(11025, 1, 32000), "ffe340c0", [208, 209]),
    ],
)
def test_silence_is_a_header_and_zeros_padded_to_the_exact_bitrate(
    format: Format, headers: str, sizes: list[int]
) -> None:
    silent = frames(silent_mp3(format, 10.0))
    assert [len(frame) for frame in silent[: len(sizes)]] == sizes
    base = bytes.fromhex(headers)
    for frame in silent:
        padding = (len(frame) - sizes[0]) << 1
        assert frame[:4] == bytes([base[0], base[1], base[2] | padding, base[3]])
        assert not any(frame[4:])
    assert abs(sum(map(len, silent)) * 8 / format.seconds(len(silent)) - format.bitrate) < 1


@pytest.mark.parametrize(
    ("seconds", "count"), [(0.0, 0), (0.011, 0), (0.013, 1), (0.024, 1), (0.035, 1), (0.5, 21), (4, 167)]
)
def test_silence_is_the_nearest_number_of_frames(seconds: float, count: int) -> None:
    assert len(silent_mp3(SPEECH, seconds)) == 144 * count


@pytest.mark.parametrize("format", FORMATS, ids=str)
def test_another_reader_agrees_on_a_joined_file(format: Format) -> None:
    joined = join([0.5, clip(format), 2, clip(format, 0.9), 1.0])
    read = TinyTag.get(file_obj=io.BytesIO(joined.mp3), filename="a.mp3")
    assert (read.samplerate, read.channels, read.bitrate) == (format.rate, format.channels, format.bitrate / 1000)
    assert read.duration == pytest.approx(joined.duration, abs=0.03)  # it calculates from size and bitrate
    assert duration(joined.mp3) == joined.duration == format.seconds(len(frames(joined.mp3)))
    assert sum(length for _, length in joined.parts) == pytest.approx(joined.duration)
    assert 4.9 < joined.duration < 5.2
    assert b"".join(frames(joined.mp3)) == joined.mp3


def test_parts_are_measured_in_frames_without_gaps() -> None:
    assert join([FRAME * 5, 0.5, FRAME * 2, FRAME, 1]) == JoinedMp3(
        mp3=FRAME * 5 + silent_mp3(SPEECH, 0.5) + FRAME * 3 + silent_mp3(SPEECH, 1.0),
        duration=1.704,
        parts=((0.0, 0.12), (0.12, 0.504), (0.624, 0.048), (0.672, 0.024), (0.696, 1.008)),
    )


def test_a_joined_file_is_a_value() -> None:
    assert {join([FRAME]), join([FRAME])} == {JoinedMp3(FRAME, 0.024, ((0.0, 0.024),))}


def test_the_audio_of_a_clip_is_not_changed() -> None:
    tagged = id3v2(300) + index_frame(b"Info", 13) + clip(SPEECH) + ape(b"item") + ID3V1
    assert join([tagged, tagged]).mp3 == clip(SPEECH) * 2
    assert duration(clip(SPEECH)) == 0.552  # 0.5 s and the encoder's padding


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"", b""),
        (id3v2(0), b""),
        (id3v2(1000), b""),
        (id3v2(20_000) + id3v2(70_000, footer=True) + id3v2(3_000_000), b""),
        (b"", ID3V1),
        (b"", ape(b"")),
        (b"", ape(b"Title" * 9)),
        (b"", ape(b"Title" * 9, header=False)),
        (b"", ape(b"Title") + ID3V1),
        (index_frame(b"Xing", 13), b""),
        (index_frame(b"Info", 21), b""),
        (index_frame(b"Info", 38), b""),
        (index_frame(b"VBRI", 36), b""),
        (id3v2(5) + index_frame(b"Info", 15), ID3V1),
        (bytes.fromhex("fff3a4c4") + bytes(9) + b"Info" + bytes(271), b""),  # at a bitrate of its own
    ],
)
def test_tags_and_an_encoders_index_are_left_out(before: bytes, after: bytes) -> None:
    assert frames(before + FRAME * 3 + after) == [FRAME] * 3
    assert duration(before + FRAME * 3 + after) == 0.072


def test_only_the_first_frame_can_be_an_index() -> None:
    index = index_frame(b"Info", 13)
    assert frames(index + index + FRAME) == [index, FRAME]
    assert frames(index_frame(b"Info", 39) + FRAME) == [index_frame(b"Info", 39), FRAME]
    assert frames(index_frame(b"Info", 12) + FRAME) == [index_frame(b"Info", 12), FRAME]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "There is no MP3 frame."),
        (id3v2(0), "There is no MP3 frame."),
        (id3v2(100), "There is no MP3 frame."),
        (id3v2(100)[:60], "There is no MP3 frame."),
        (index_frame(b"Info", 13), "There is no MP3 frame."),
        (ID3V1, "There is no MP3 frame."),
        (b"ID3\x04", "No MP3 frame begins at byte 0 of 4."),
        (b"<html>no</html>", "No MP3 frame begins at byte 0 of 15."),
        (b"\0" + FRAME, "No MP3 frame begins at byte 0 of 145."),
        (FRAME + b"\0" + FRAME, "No MP3 frame begins at byte 144 of 289."),
        (FRAME + FRAME[:3], "No MP3 frame begins at byte 144 of 147."),
        (FRAME + ID3V1[:127], "No MP3 frame begins at byte 144 of 271."),
        (FRAME + ID3V1 + FRAME, "No MP3 frame begins at byte 144 of 416."),
        (FRAME + b"x" + ape(b"item"), "No MP3 frame begins at byte 144 of 213."),
        (FRAME + b"x" + ape(b"item", header=False), "No MP3 frame begins at byte 144 of 181."),
        (FRAME + ape(b"item", header=False).replace(b"TAG", b"tag"), "No MP3 frame begins at byte 144 of 180."),
        (FRAME + b"APETAGEX", "No MP3 frame begins at byte 144 of 152."),
        (FRAME[:-1], "The last frame is cut: 143 bytes of 144."),
        (FRAME * 2 + FRAME[:4], "The last frame is cut: 4 bytes of 144."),
        (b"\xfe" + FRAME[1:], "No MP3 frame begins at byte 0 of 144."),
        (bytes.fromhex("ffd364c4") + bytes(140), "No MP3 frame begins at byte 0 of 144."),  # sync of ten bits
        (bytes.fromhex("ff7364c4") + bytes(140), "No MP3 frame begins at byte 0 of 144."),
        (bytes.fromhex("ffeb64c4") + bytes(140), "No MP3 frame begins at byte 0 of 144."),  # version reserved
        (bytes.fromhex("fff164c4") + bytes(140), "No MP3 frame begins at byte 0 of 144."),  # layer reserved: AAC
        (bytes.fromhex("fff564c4") + bytes(140), "No MP3 frame begins at byte 0 of 144."),  # layer II
        (bytes.fromhex("fff764c4") + bytes(140), "No MP3 frame begins at byte 0 of 144."),  # layer I
        (bytes.fromhex("fff3f4c4") + bytes(140), "No MP3 frame begins at byte 0 of 144."),  # bitrate 15
        (bytes.fromhex("fff36cc4") + bytes(140), "No MP3 frame begins at byte 0 of 144."),  # rate reserved
        (bytes.fromhex("fff304c4") + bytes(140), "The MP3 is in free format, which tells no bitrate."),
        (FRAME + silent_mp3(Format(24000, 1, 64000), 0.02), "Frame 2 is 24000 Hz, mono, 64 kbit/s, the first is {}."),
        (
            FRAME * 2 + silent_mp3(Format(22050, 1, 48000), 0.02),
            "Frame 3 is 22050 Hz, mono, 48 kbit/s, the first is {}.",
        ),
        (FRAME + silent_mp3(Format(24000, 2, 48000), 0.02), "Frame 2 is 24000 Hz, stereo, 48 kbit/s, the first is {}."),
    ],
)
def test_bytes_that_are_no_complete_mp3_of_one_format_are_refused(data: bytes, message: str) -> None:
    message = message.format("24000 Hz, mono, 48 kbit/s")
    for measure in (frames, duration):
        with pytest.raises(Mp3Error) as error:
            measure(data)
        assert str(error.value) == message
    with pytest.raises(Mp3Error) as error:
        join([0.5, FRAME, 1.0, data])
    assert str(error.value) == f"Clip 2: {message}"


def test_a_cut_mp3_is_refused() -> None:
    complete = clip(SPEECH)
    with pytest.raises(Mp3Error, match="^The last frame is cut: 99 bytes of 144.$"):
        duration(complete[: 144 * 10 + 99])
    assert duration(complete[: 144 * 10]) == 0.24


@pytest.mark.parametrize("parts", [[], [0.5], [1.0, 2.0]])
def test_nothing_is_joined_without_a_clip(parts: list[bytes | float]) -> None:
    with pytest.raises(Mp3Error, match=r"^There is no clip to join\.$"):
        join(parts)


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (Format(22050, 1, 48000), "22050 Hz, mono, 48 kbit/s"),
        (Format(24000, 2, 48000), "24000 Hz, stereo, 48 kbit/s"),
        (Format(24000, 1, 64000), "24000 Hz, mono, 64 kbit/s"),
    ],
)
def test_clips_that_differ_are_refused_by_number(other: Format, words: str) -> None:
    with pytest.raises(Mp3Error) as error:
        join([0.5, clip(SPEECH), clip(SPEECH), 1.0, clip(other)])
    assert str(error.value) == f"Clip 3 is {words}, clip 1 is 24000 Hz, mono, 48 kbit/s: they cannot be joined."


def test_frames_may_differ_in_stereo_mode_and_its_extension_and_in_checksum() -> None:
    modes = [
        bytes([0xFF, second, 0x90, fourth]).ljust(417, b"\0") for second in (0xFB, 0xFA) for fourth in range(0, 192, 16)
    ]
    assert frames(b"".join(modes)) == modes
    assert join([modes[0], modes[-1]]).mp3 == modes[0] + modes[-1]


@settings(deadline=None)
@given(st.lists(st.integers(1, 9) | st.floats(0.5, 3), min_size=1, max_size=9))
def test_parts_follow_each_other_without_a_gap(plan: list[int | float]) -> None:
    joined = join([FRAME, *(FRAME * part if isinstance(part, int) else part for part in plan)])
    for (start, length), (following, _) in pairwise(joined.parts):
        assert start + length == pytest.approx(following)
    assert sum(joined.parts[-1]) == pytest.approx(joined.duration)
    for part, (_, length) in zip(plan, joined.parts[1:], strict=True):
        assert length == pytest.approx(part * 0.024 if isinstance(part, int) else part, abs=0.0121)


@settings(deadline=None)
@given(st.binary(max_size=400) | st.binary(max_size=200).map(lambda data: FRAME + data))
def test_any_bytes_are_measured_or_refused(data: bytes) -> None:
    try:
        assert duration(data) > 0
    except Mp3Error as error:
        assert str(error)
