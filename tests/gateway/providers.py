"""A host's own writer and voice, named by dotted paths."""

from dailycast.llm.base import Completion, LLMProvider, Prompt
from dailycast.tts.base import Clip, TTSProvider, Voice


class Scribe(LLMProvider):
    """A host's own writer, by a dotted path."""

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


SCRIBE, PARROT = "tests.gateway.providers.Scribe", "tests.gateway.providers.Parrot"
