"""MP3 as bytes: find the frames, measure them, join clips with silence between. Nothing is decoded or encoded.

Only Layer III of one sampling rate, channel count and bitrate is accepted; anything else is an Mp3Error. The numbers
are from ISO/IEC 11172-3 (MPEG 1) and 13818-3 (MPEG 2), and Fraunhofer's MPEG 2.5.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate, pairwise

from ..errors import MixedMp3Error, Mp3Error

MPEG_1, MPEG_2, MPEG_2_5 = 3, 2, 0  # the header's version bits
LAYER_III = 1
JOINT_STEREO, MONO = 1, 3  # the header's channel modes; 0 is plain stereo, 2 two channels

SAMPLE_RATES = {MPEG_1: (44100, 48000, 32000), MPEG_2: (22050, 24000, 16000), MPEG_2_5: (11025, 12000, 8000)}  # Hz
LOW_KILOBITS = (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
KILOBITS = {
    MPEG_1: (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    MPEG_2: LOW_KILOBITS,
    MPEG_2_5: LOW_KILOBITS,
}


@dataclass(frozen=True)
class Format:
    """What frames must share to be joined: sampling rate in Hz, channels (1 or 2), bitrate in bit/s."""

    rate: int
    channels: int
    bitrate: int

    @property
    def version(self) -> int:
        """The MPEG version, as the header's bits; a sampling rate belongs to one version only."""
        return next(version for version, rates in SAMPLE_RATES.items() if self.rate in rates)

    @property
    def samples(self) -> int:
        """Samples of each channel in a frame."""
        return 1152 if self.version == MPEG_1 else 576

    def size(self, frames: int) -> int:
        """Bytes of so many frames at the exact bitrate, rounded down; padding in some frames makes it exact."""
        return frames * self.samples * self.bitrate // (8 * self.rate)

    def seconds(self, frames: int) -> float:
        return frames * self.samples / self.rate

    def __str__(self) -> str:
        return f"{self.rate} Hz, {'mono' if self.channels == 1 else 'stereo'}, {self.bitrate // 1000} kbit/s"


@dataclass(frozen=True)
class JoinedMp3:
    """One MP3 of `duration` seconds, and each part's (start, duration) in it: all in seconds, counted in frames."""

    mp3: bytes
    duration: float
    parts: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class FrameRun:
    """Consecutive frames of one format. `offsets` are where each begins in `data`, and where the last ends."""

    format: Format
    data: bytes
    offsets: list[int]

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def mp3(self) -> bytes:
        return self.data[self.offsets[0] : self.offsets[-1]]


def join(parts: Sequence[bytes | float]) -> JoinedMp3:
    """Put clips (MP3 bytes) and pauses (seconds of silence, to the nearest frame) one after another.

    Raises Mp3Error when there is no clip, a clip is not a complete MP3, or clips differ in format.
    """
    clips = [_scan_clip(number, part) for number, part in enumerate((p for p in parts if isinstance(p, bytes)), 1)]
    if not clips:
        raise Mp3Error("There is no clip to join.")
    format = clips[0].format
    for number, clip in enumerate(clips, 1):
        if clip.format != format:
            raise Mp3Error(f"Clip {number} is {clip.format}, clip 1 is {format}: they cannot be joined.")
    spoken = iter(clips)
    runs = [next(spoken) if isinstance(part, bytes) else silence(format, part) for part in parts]
    edges = list(accumulate(map(len, runs), initial=0))
    times = tuple((format.seconds(start), format.seconds(end - start)) for start, end in pairwise(edges))
    return JoinedMp3(b"".join(run.mp3 for run in runs), format.seconds(edges[-1]), times)


def duration(data: bytes) -> float:
    """Seconds of audio in an MP3, counted in frames. Raises Mp3Error like `scan`."""
    run = scan(data)
    return run.format.seconds(len(run))


def scan(data: bytes) -> FrameRun:
    """The audio frames of an MP3, without its tags and without a Xing, Info or VBRI frame.

    Raises Mp3Error when there is no frame, when one is cut, in free format or unlike the first, and for other bytes.
    """
    position = _skip_index_frame(data, _skip_id3v2(data))
    offsets = [position]
    known: dict[bytes, tuple[Format, int]] = {}  # header -> format and size: few headers, and many frames
    while position < len(data):
        header = data[position : position + 4]
        if header not in known:
            parsed = _parse_header(header)
            if parsed is None and _is_trailing_tag(data[position:]):
                break
            if parsed is None:
                raise Mp3Error(f"No MP3 frame begins at byte {position} of {len(data)}.")
            _require_same_format(parsed, len(offsets), next(iter(known.values()), parsed))
            known[header] = parsed
        position += known[header][1]
        offsets.append(position)
    if len(offsets) == 1:
        raise Mp3Error("There is no MP3 frame.")
    if position > len(data):
        raise Mp3Error(f"The last frame is cut: {len(data) - offsets[-2]} bytes of {position - offsets[-2]}.")
    return FrameRun(next(iter(known.values()))[0], data, offsets)


def silence(format: Format, seconds: float) -> FrameRun:
    """Silent frames of `format`, as many as come nearest to `seconds`."""
    offsets = [format.size(frames) for frames in range(round(seconds * format.rate / format.samples) + 1)]
    return FrameRun(format, b"".join(_silent_frame(format, end - start) for start, end in pairwise(offsets)), offsets)


def _silent_frame(format: Format, size: int) -> bytes:
    """A header and zeros: no scale factors, no spectrum, no reference to the frame before, no checksum."""
    padding = size - format.size(1)
    kilobits = KILOBITS[format.version].index(format.bitrate // 1000) + 1
    header = bytes(
        (
            0xFF,
            0xE0 | format.version << 3 | LAYER_III << 1 | 1,
            kilobits << 4 | SAMPLE_RATES[format.version].index(format.rate) << 2 | padding << 1,
            (MONO if format.channels == 1 else JOINT_STEREO) << 6,
        )
    )
    return header.ljust(size, b"\0")


def _scan_clip(number: int, mp3: bytes) -> FrameRun:
    try:
        return scan(mp3)
    except Mp3Error as error:
        raise Mp3Error(f"Clip {number}: {error}") from error


def _require_same_format(frame: tuple[Format, int], number: int, first: tuple[Format, int]) -> None:
    if frame[0] != first[0]:
        raise MixedMp3Error(f"Frame {number} is {frame[0]}, the first is {first[0]}.")


def _skip_index_frame(data: bytes, start: int) -> int:
    """Where a Xing, Info or VBRI frame at `start` ends, else `start`; such a frame may differ in format."""
    frame = _parse_header(data[start : start + 4])
    end = start + frame[1] if frame else start
    return end if end <= len(data) and _is_index_frame(data[start:end]) else start


@lru_cache(maxsize=256)
def _parse_header(header: bytes) -> tuple[Format, int] | None:
    """The format and size in bytes of the frame with these first four bytes; None if it is no Layer III frame."""
    if len(header) < 4 or header[0] != 0xFF or header[1] & 0xE0 != 0xE0:
        return None
    version, layer = header[1] >> 3 & 3, header[1] >> 1 & 3
    kilobits, rate = header[2] >> 4, header[2] >> 2 & 3
    if version not in SAMPLE_RATES or layer != LAYER_III or kilobits == 15 or rate == 3:
        return None
    if not kilobits:
        raise Mp3Error("The MP3 is in free format, which tells no bitrate.")
    channels = 1 if header[3] >> 6 == MONO else 2
    format = Format(SAMPLE_RATES[version][rate], channels, KILOBITS[version][kilobits - 1] * 1000)
    return format, format.size(1) + (header[2] >> 1 & 1)


def _skip_id3v2(data: bytes) -> int:
    """Where the ID3v2 tags at the start end. A size has 7 bits a byte and leaves out header and footer of 10 bytes."""
    position = 0
    while data[position : position + 3] == b"ID3" and len(data) >= position + 10:
        a, b, c, d = data[position + 6 : position + 10]
        position += 10 + (a << 21 | b << 14 | c << 7 | d) + (10 if data[position + 5] & 0x10 else 0)
    return position


def _is_trailing_tag(rest: bytes) -> bool:
    """Whether `rest` is an APEv2 tag, an ID3v1 tag or both. An APEv2 size leaves out the header, if there is one."""
    if rest[-128:-125] == b"TAG":
        rest = rest[:-128]
    footer = rest[-32:]
    if footer.startswith(b"APETAGEX") and len(footer) == 32:
        header = 32 if footer[23] & 0x80 else 0
        return len(rest) == int.from_bytes(footer[12:16], "little") + header
    return not rest


def _is_index_frame(frame: bytes) -> bool:
    """Whether an encoder wrote this frame as an index for seeking: its name is at byte 13 to 38."""
    return any(name in frame[13:42] for name in (b"Xing", b"Info", b"VBRI"))
