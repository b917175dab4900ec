# myschool/speech.py
import urllib.request

from dailycast.errors import ProviderError
from dailycast.llm.base import Completion, LLMProvider, Prompt
from dailycast.tts.base import Clip, TTSProvider, Voice, whole
from django.conf import settings


def post(path: str, text: str, timeout: float) -> bytes:
    """Every vendor exception ends here; `permanent` says whether the same call would fail again."""
    try:
        with urllib.request.urlopen(settings.SCHOOL_SERVER + path, text.encode(), timeout) as response:
            return response.read()
    except urllib.error.HTTPError as error:
        raise ProviderError(f"The school's server said {error.code}.", permanent=error.code < 500) from error
    except OSError as error:
        raise ProviderError("The school's server does not answer.", permanent=False) from error


class Writer(LLMProvider):
    name = "school"

    def model(self) -> str:
        return "school-1"

    def missing(self) -> str:
        return "" if getattr(settings, "SCHOOL_SERVER", "") else "set SCHOOL_SERVER"

    def unbilled(self) -> bool:
        return True

    def complete(self, prompt: Prompt, timeout: float) -> Completion:
        text = post("/write", f"{prompt.system}\n\n{prompt.user}", timeout).decode()
        if not text.strip():
            raise ProviderError("The school's server wrote nothing.", permanent=False)
        return Completion(text, provider=self.name, model=self.model())


class Speaker(TTSProvider):
    name = "school"
    parallel = 2  # clips at the same time; `speak` is then called from two threads

    def missing(self) -> str:
        return "" if getattr(settings, "SCHOOL_SERVER", "") else "set SCHOOL_SERVER"

    def unbilled(self) -> bool:
        return True

    def voice(self, language: str) -> Voice | None:
        return Voice("Anna", engine="school") if language.startswith("en") else None

    def speak(self, text: str, voice: Voice, timeout: float) -> Clip:
        mp3 = post("/speak", text, timeout)
        whole(mp3, text)  # refuses audio that is cut, or too short for its text
        return Clip(mp3, characters=len(text))
