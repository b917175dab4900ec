"""Stored clips: speech is stored as soon as it is bought, so that no text is bought twice, not even after a crash.

Episodes that are made at the same moment may each buy a text that they have in common.
"""

from ..errors import Mp3Error
from . import storage
from .mp3 import duration

FOLDER = f"{storage.FOLDER}clips/"  # never served


def find_clip(key: str) -> bytes | None:
    """The MP3 of the clip stored under `key`; None when there is none, or it is incomplete."""
    try:
        mp3 = storage.read(file_name(key))
        duration(mp3)
    except (FileNotFoundError, Mp3Error):
        return None
    return mp3


def is_stored(key: str) -> bool:
    """Whether a clip is stored under `key`, as far as its name tells."""
    return storage.exists(file_name(key))


def store_clip(key: str, mp3: bytes) -> None:
    """Store a clip completely or not at all. Raises OSError where the disk fails."""
    storage.write_atomic(file_name(key), mp3)


def file_name(key: str) -> str:
    return f"{FOLDER}{key}.mp3"
