"""Stored clips: bought speech, stored at once and durably, so that no text is bought twice: after a crash, or later.

Episodes that are made at the same moment may each buy a text that they share.
"""

from django.core.files.storage import default_storage

from ..errors import Mp3Error
from . import storage
from .mp3 import duration

FOLDER = f"{storage.FOLDER}clips/"  # never served


def find(key: str) -> bytes | None:
    """The MP3 of the clip stored under `key`; None when there is none, or it is not whole."""
    try:
        with default_storage.open(name(key)) as file:
            mp3: bytes = file.read()
        duration(mp3)
    except (FileNotFoundError, Mp3Error):
        return None
    return mp3


def store(key: str, mp3: bytes) -> None:
    """Store a clip, whole or not at all. Raises OSError from a disk."""
    storage.write_atomic(name(key), mp3)


def name(key: str) -> str:
    return f"{FOLDER}{key}.mp3"
