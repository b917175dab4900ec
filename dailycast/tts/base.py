"""The interface of a vendor of speech: `TTSProvider.speak` turns one text into one MP3, or raises a ProviderError.

Subclass `TTSProvider`; the errors are in `dailycast.errors`. `require` imports an SDK, or says what to install.
"""

from abc import abstractmethod
from dataclasses import dataclass

from ..audio.mp3 import duration
from ..errors import MixedMp3Error, Mp3Error, ProviderError
from ..gateway.answers import sane_figure
from ..gateway.provider import BaseProvider
from ..gateway.provider import require as require
from ..languages.characters import shortest_seconds


@dataclass(frozen=True)
class Voice:
    """Who speaks, and how. The price depends on `engine`; `format` names what else changes the sound."""

    name: str
    engine: str = ""
    format: str = "mp3"

    def __str__(self) -> str:
        return f"{self.name} {self.engine}".strip()


@dataclass(frozen=True)
class Clip:
    """One spoken clip; `characters` is what the vendor bills, None where that is unknown or no sane figure."""

    mp3: bytes
    characters: int | None

    def __post_init__(self) -> None:
        object.__setattr__(self, "characters", sane_figure(self.characters))


class TTSProvider(BaseProvider):
    """One voice vendor, as DAILYCAST_TTS_PROVIDERS lists them."""

    parallel: int = 1  # how many clips may be spoken at the same time

    @abstractmethod
    def voice(self, language: str) -> Voice | None:
        """The voice for the BCP-47 `language`, None when there is none. Makes no call.

        A bought clip is stored under this and its text. Raises ProviderNotConfigured saying what to set.
        """

    @abstractmethod
    def speak(self, text: str, voice: Voice, timeout: float) -> Clip:
        """Speak one clip of cleaned text (at most 600 characters) within `timeout` seconds a read.

        Raises ProviderError for every failure; never retries. Must be safe to call from `parallel` threads.
        """


def whole(mp3: bytes, text: str) -> float:
    """The seconds that `mp3` lasts.

    Raises a transient ProviderError when it is empty, cut, or too short for all of `text`, which no vendor reports; a
    permanent one when its frames differ, as with a variable bitrate, because the next answer would be the same.
    """
    try:
        seconds = duration(mp3)
    except MixedMp3Error as error:
        raise ProviderError(f"The audio cannot be joined: {error}", permanent=True) from error
    except Mp3Error as error:
        raise ProviderError(f"The audio is not a whole MP3: {error}", permanent=False) from error
    shortest = shortest_seconds(text)
    if seconds < shortest:
        message = (
            f"The audio lasts {seconds:.1f} s, too short for its text of {len(text)} characters ({shortest:.1f} s)."
        )
        raise ProviderError(message, permanent=False)
    return seconds
