"""What a voice is: one clip of text goes in, one clip of MP3 comes out, or a ProviderError says why not."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

from ..errors import MixedMp3Error, Mp3Error, ProviderError
from ..languages import least_seconds
from ..mp3 import duration


@dataclass(frozen=True)
class Clip:
    """One spoken clip. `characters` is what the vendor bills; `voice` and `engine` are what really spoke."""

    mp3: bytes
    characters: int
    voice: str
    engine: str = ""


class TTSProvider(ABC):
    """One voice vendor. `name` is what the database stores and what DAILYCAST_TTS_PROVIDERS lists."""

    name: str
    parallel: int = 1  # how many clips may be spoken at the same time

    @abstractmethod
    def missing(self) -> str:
        """What to set or install before this provider can be used; empty when it is ready. Calls nobody."""

    def problems(self) -> list[str]:
        """What looks wrong in the settings of this provider, a sentence each, for `manage.py check`. Calls nobody."""
        return []

    def unbilled(self) -> bool:
        """Whether nobody bills for its calls: it is built in, or a server of the owner's own."""
        return False

    @abstractmethod
    def speaks(self, language: str) -> bool:
        """Whether there is a voice for the BCP-47 `language`. Calls nobody."""

    @abstractmethod
    def speak(self, text: str, language: str, timeout: float) -> Clip:
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
    least = least_seconds(text)
    if seconds < least:
        message = f"The audio lasts {seconds:.1f} s, too short for its text of {len(text)} characters ({least:.1f} s)."
        raise ProviderError(message, permanent=False)
    return seconds
