"""A writer and a voice that need no network and record their calls."""

from dailycast.errors import ProviderError
from dailycast.llm.base import Completion, LLMProvider, Prompt
from dailycast.tts.base import Clip, TTSProvider, Voice

SCRIPT = '# Yesterday & today\n\n## Welcome\n\nGood morning, Alex.\n\n[pause 2s]\n\nIt is "went".'
FRAME = b"\xff\xf3\x64\xc0" + bytes(140)  # 24 ms of silence: MPEG-2 Layer III, mono, 24 kHz, 48 kbit/s


class FakeWriter(LLMProvider):
    name = "quill"
    calls: list[Prompt] = []
    answer: str | ProviderError = SCRIPT

    def missing(self) -> str:
        return ""

    def unbilled(self) -> bool:
        return True

    def complete(self, prompt: Prompt, timeout: float) -> Completion:
        self.calls.append(prompt)
        if isinstance(self.answer, ProviderError):
            raise self.answer
        return Completion(self.answer, self.name, "goose", 10, 20)


class FakeVoice(TTSProvider):
    name = "choir"
    calls: list[str] = []
    fails = False

    def missing(self) -> str:
        return ""

    def voice(self, language: str) -> Voice | None:
        return Voice("alto")

    def speak(self, text: str, voice: Voice, timeout: float) -> Clip:
        self.calls.append(text)
        if self.fails:
            raise ProviderError("The choir is <b>hoarse</b>.", permanent=True)
        return Clip(FRAME * (3 * len(text)), len(text))
