"""A writer and a voice that a host brings along, named in its settings by a dotted path."""

from dailycast.llm.base import Completion, LLMProvider, Prompt
from dailycast.tts.base import Clip, TTSProvider, Voice
from tests.cloud.speech import speak

SCRIBE, PARROT = "tests.host_providers.Scribe", "tests.host_providers.Parrot"


class Scribe(LLMProvider):
    name = "scribe"
    needs = ""

    def missing(self) -> str:
        return self.needs

    def complete(self, prompt: Prompt, timeout: float) -> Completion:
        return Completion("# Hello", "scribe", "quill")


class Parrot(TTSProvider):
    name = "parrot"

    def missing(self) -> str:
        return "feed it"

    def voice(self, language: str) -> Voice | None:
        return Voice("Polly")

    def speak(self, text: str, voice: Voice, timeout: float) -> Clip:
        return Clip(b"", 0)


class Speaker(TTSProvider):
    """A voice that speaks without a vendor."""

    name = "school"

    def missing(self) -> str:
        return ""

    def voice(self, language: str) -> Voice:
        return Voice("Anna", engine=self.name, format="mp3-24")

    def speak(self, text: str, voice: Voice, timeout: float) -> Clip:
        return Clip(speak(text, 24_000), characters=len(text))
