"""Bought speech, kept at once and durably, so that no text is bought twice: after a crash, or in a later episode.

Episodes that are made at the same moment may each buy a text that they share.
"""

from hashlib import sha256

from django.core.files.storage import default_storage

from ..errors import Mp3Error
from ..tts.base import Voice
from . import storage
from .mp3 import duration

FOLDER = f"{storage.FOLDER}clips/"  # never served


def unit(provider: str, voice: Voice, text: str) -> str:
    """What a clip is known by, 64 characters: the SHA-256 of all that makes it sound as it does."""
    return sha256("\0".join((provider, voice.engine, voice.name, voice.format, text)).encode()).hexdigest()


def find(unit: str) -> bytes | None:
    """The MP3 of a clip that was bought before; None when there is none, or not a whole one."""
    try:
        with default_storage.open(name(unit)) as file:
            mp3: bytes = file.read()
        duration(mp3)
    except (FileNotFoundError, Mp3Error):
        return None
    return mp3


def keep(unit: str, mp3: bytes) -> None:
    """Store a clip, whole or not at all. Raises OSError from a disk."""
    storage.replace(name(unit), mp3)


def name(unit: str) -> str:
    return f"{FOLDER}{unit}.mp3"
