"""Parts of an MP3, for tests."""

from itertools import pairwise

from dailycast.audio.mp3 import Format, scan, silence


def frames(data: bytes) -> list[bytes]:
    """The audio frames of an MP3, without its tags and its index frame."""
    return [data[start:end] for start, end in pairwise(scan(data).offsets)]


def silent_mp3(format: Format, seconds: float) -> bytes:
    return silence(format, seconds).mp3
