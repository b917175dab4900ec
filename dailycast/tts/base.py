"""What a voice is: one clip of text goes in, one clip of MP3 comes out, or a ProviderError says why not."""

from abc import abstractmethod
from dataclasses import dataclass

from ..audio.mp3 import duration
from ..errors import MixedMp3Error, Mp3Error, ProviderError
from ..gateway.provider import BaseProvider
from ..languages.characters import shortest_seconds


@dataclass(frozen=True)
class Voice:
    """Who speaks, and how: `engine` is what the price depends on, `format` what else changes the sound."""

    name: str
    engine: str = ""
    format: str = "mp3"

    def __str__(self) -> str:
        return f"{self.name} {self.engine}".strip()


@dataclass(frozen=True)
class Clip:
    """One spoken clip; `characters` is what the vendor bills."""

    mp3: bytes
    characters: int


class TTSProvider(BaseProvider):
    """One voice vendor, as DAILYCAST_TTS_PROVIDERS lists them."""

    parallel: int = 1  # how many clips may be spoken at the same time

    @abstractmethod
    def voice(self, language: str) -> Voice | None:
        """The voice for the BCP-47 `language`, None when there is none. Calls nobody.

        A bought clip is known by this and its text. Raises ProviderNotConfigured saying what to set.
        """

    @abstractmethod
    def speak(self, text: str, voice: Voice, timeout: float) -> Clip:
        """Speak one clip of cleaned text (at most 600 characters) within `timeout` seconds a read.

        Raises ProviderError for every failure; never retries by itself. Must be safe to call from `parallel` threads.
        """


def whole(mp3: bytes, text: str) -> float:
    """The seconds that `mp3` lasts.

    Raises a transient ProviderError when it is empty, cut, or too short to hold all of `text`, for no vendor says so;
    a permanent one when its frames differ, as with a variable bitrate: it would come so again.
    """
    try:
        seconds = duration(mp3)
    except MixedMp3Error as error:
        raise ProviderError(f"The audio cannot be joined: {error}", permanent=True) from error
    except Mp3Error as error:
        raise ProviderError(f"The audio is not a whole MP3: {error}", permanent=False) from error
    least = shortest_seconds(text)
    if seconds < least:
        message = f"The audio lasts {seconds:.1f} s, too short for its text of {len(text)} characters ({least:.1f} s)."
        raise ProviderError(message, permanent=False)
    return seconds
