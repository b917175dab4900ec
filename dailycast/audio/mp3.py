"""MP3 as bytes: walk the frames, measure them, join clips with silence between. Nothing is decoded or encoded.

Only Layer III of one sampling rate, channel count and bitrate is taken; anything else is an Mp3Error. The numbers are
those of ISO/IEC 11172-3 (MPEG 1) and 13818-3 (MPEG 2), and of Fraunhofer's MPEG 2.5.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate, pairwise

from ..errors import MixedMp3Error, Mp3Error

MPEG_1, MPEG_2, MPEG_2_5 = 3, 2, 0  # the header's version bits
LAYER_III = 1
JOINT_STEREO, MONO = 1, 3  # the header's channel modes; 0 is plain stereo, 2 two channels

RATES = {MPEG_1: (44100, 48000, 32000), MPEG_2: (22050, 24000, 16000), MPEG_2_5: (11025, 12000, 8000)}  # Hz
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
        return next(version for version, rates in RATES.items() if self.rate in rates)

    @property
    def samples(self) -> int:
        """Samples a frame, of each channel."""
        return 1152 if self.version == MPEG_1 else 576

    def size(self, frames: int) -> int:
        """Bytes of so many frames at the true bitrate, rounded down; the padding in between is what makes it true."""
        return frames * self.samples * self.bitrate // (8 * self.rate)

    def seconds(self, frames: int) -> float:
        return frames * self.samples / self.rate

    def __str__(self) -> str:
        return f"{self.rate} Hz, {'mono' if self.channels == 1 else 'stereo'}, {self.bitrate // 1000} kbit/s"


@dataclass(frozen=True)
class Joined:
    """One MP3 of `duration` seconds, and each part's (start, duration) in it: all in seconds, counted in frames."""

    mp3: bytes
    duration: float
    parts: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class _Run:
    """Frames of one format, one behind the other: where each begins in `data`, and at the end where the last ends."""

    form: Format
    data: bytes
    edges: list[int]

    def __len__(self) -> int:
        return len(self.edges) - 1

    @property
    def mp3(self) -> bytes:
        return self.data[self.edges[0] : self.edges[-1]]


def join(parts: Sequence[bytes | float]) -> Joined:
    """Put clips (MP3 bytes) and pauses (seconds of silence, to the nearest frame) one after another.

    Raises Mp3Error when there is no clip, a clip is not a whole MP3, or clips differ in format; it says which and how.
    """
    clips = [_clip(number, part) for number, part in enumerate((p for p in parts if isinstance(p, bytes)), 1)]
    if not clips:
        raise Mp3Error("There is no clip to join.")
    form = clips[0].form
    for number, clip in enumerate(clips, 1):
        if clip.form != form:
            raise Mp3Error(f"Clip {number} is {clip.form}, clip 1 is {form}: they cannot be joined.")
    spoken = iter(clips)
    runs = [next(spoken) if isinstance(part, bytes) else _silence(form, part) for part in parts]
    edges = list(accumulate(map(len, runs), initial=0))
    times = tuple((form.seconds(start), form.seconds(end - start)) for start, end in pairwise(edges))
    return Joined(b"".join(run.mp3 for run in runs), form.seconds(edges[-1]), times)


def duration(data: bytes) -> float:
    """Seconds of audio in an MP3, counted in frames. Raises Mp3Error like `frames`."""
    run = _walk(data)
    return run.form.seconds(len(run))


def frames(data: bytes) -> list[bytes]:
    """The audio frames of an MP3, without its tags and without a Xing, Info or VBRI frame.

    Raises Mp3Error when there is no frame, when one is cut, in free format or unlike the first, and for other bytes.
    """
    return [data[start:end] for start, end in pairwise(_walk(data).edges)]


def format_of(data: bytes) -> Format:
    """The format of an MP3's frames. Raises Mp3Error like `frames`."""
    return _walk(data).form


def silence(form: Format, seconds: float) -> bytes:
    """Silent frames of `form`, as many as come nearest to `seconds`."""
    return _silence(form, seconds).mp3


def _silence(form: Format, seconds: float) -> _Run:
    edges = [form.size(frames) for frames in range(round(seconds * form.rate / form.samples) + 1)]
    return _Run(form, b"".join(_silent_frame(form, end - start) for start, end in pairwise(edges)), edges)


def _silent_frame(form: Format, size: int) -> bytes:
    """A header and zeros: no scale factors, no spectrum, no reference to the frame before, no checksum."""
    padding = size - form.size(1)
    kilobits = KILOBITS[form.version].index(form.bitrate // 1000) + 1
    header = bytes(
        (
            0xFF,
            0xE0 | form.version << 3 | LAYER_III << 1 | 1,
            kilobits << 4 | RATES[form.version].index(form.rate) << 2 | padding << 1,
            (MONO if form.channels == 1 else JOINT_STEREO) << 6,
        )
    )
    return header.ljust(size, b"\0")


def _clip(number: int, mp3: bytes) -> _Run:
    try:
        return _walk(mp3)
    except Mp3Error as error:
        raise Mp3Error(f"Clip {number}: {error}") from error


def _walk(data: bytes) -> _Run:
    at = _after_index(data, _after_id3v2(data))
    edges = [at]
    known: dict[bytes, tuple[Format, int]] = {}  # the headers that were met: few, and many frames
    while at < len(data):
        head = data[at : at + 4]
        if head not in known:
            found = _header(head)
            if found is None and _is_tail(data[at:]):
                break
            if found is None:
                raise Mp3Error(f"No MP3 frame begins at byte {at} of {len(data)}.")
            known[head] = _alike(found, len(edges), next(iter(known.values()), found))
        at += known[head][1]
        edges.append(at)
    if len(edges) == 1:
        raise Mp3Error("There is no MP3 frame.")
    if at > len(data):
        raise Mp3Error(f"The last frame is cut: {len(data) - edges[-2]} bytes of {at - edges[-2]}.")
    return _Run(next(iter(known.values()))[0], data, edges)


def _alike(found: tuple[Format, int], number: int, first: tuple[Format, int]) -> tuple[Format, int]:
    if found[0] != first[0]:
        raise MixedMp3Error(f"Frame {number} is {found[0]}, the first is {first[0]}.")
    return found


def _after_index(data: bytes, at: int) -> int:
    """Where a Xing, Info or VBRI frame at the start ends; its own format may be another."""
    found = _header(data[at : at + 4])
    end = at + found[1] if found else at
    return end if end <= len(data) and _is_index(data[at:end]) else at


@lru_cache(maxsize=256)
def _header(header: bytes) -> tuple[Format, int] | None:
    """The format and size in bytes of the frame that begins so; None if it is no Layer III frame."""
    if len(header) < 4 or header[0] != 0xFF or header[1] & 0xE0 != 0xE0:
        return None
    version, layer = header[1] >> 3 & 3, header[1] >> 1 & 3
    kilobits, rate = header[2] >> 4, header[2] >> 2 & 3
    if version not in RATES or layer != LAYER_III or kilobits == 15 or rate == 3:
        return None
    if not kilobits:
        raise Mp3Error("The MP3 is in free format, which tells no bitrate.")
    channels = 1 if header[3] >> 6 == MONO else 2
    form = Format(RATES[version][rate], channels, KILOBITS[version][kilobits - 1] * 1000)
    return form, form.size(1) + (header[2] >> 1 & 1)


def _after_id3v2(data: bytes) -> int:
    """Where the ID3v2 tags at the start end. A size has 7 bits a byte, without header and footer of 10 bytes each."""
    at = 0
    while data[at : at + 3] == b"ID3" and len(data) >= at + 10:
        a, b, c, d = data[at + 6 : at + 10]
        at += 10 + (a << 21 | b << 14 | c << 7 | d) + (10 if data[at + 5] & 0x10 else 0)
    return at


def _is_tail(rest: bytes) -> bool:
    """Whether `rest` is an APEv2 tag, an ID3v1 tag or both. An APEv2 size leaves out the header, if there is one."""
    if rest[-128:-125] == b"TAG":
        rest = rest[:-128]
    footer = rest[-32:]
    if footer.startswith(b"APETAGEX") and len(footer) == 32:
        header = 32 if footer[23] & 0x80 else 0
        return len(rest) == int.from_bytes(footer[12:16], "little") + header
    return not rest


def _is_index(frame: bytes) -> bool:
    """Whether an encoder wrote this frame for seekers: its name comes after the side information, at byte 13 to 38."""
    return any(name in frame[13:42] for name in (b"Xing", b"Info", b"VBRI"))
