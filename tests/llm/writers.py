"""What the tests of writers have in common."""

import pytest

from dailycast.errors import ProviderError
from dailycast.learner import LearnerContext
from dailycast.llm import gemini
from dailycast.llm.base import Completion, LLMProvider, Prompt

PROMPT = Prompt("You write podcasts.", "For Alex, please.", LearnerContext(), "en", 4)
KEYS = {"openai": "sk-alex-0123456789", "gemini": "AIza-alex-0123456789"}
GEMINI_SDKS = {"google.generativeai": "gapic/", "google.genai": "google-genai-sdk/"}  # package -> what it calls itself


def use_gemini_sdk(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let only `package` be installed; skip the test where it is not."""
    if not gemini._is_installed(package):
        pytest.skip(f"{package} is not installed")
    monkeypatch.setattr(gemini, "_is_installed", lambda name: name == package)


def complete(writer: LLMProvider, timeout: float = 20) -> Completion:
    return writer.complete(PROMPT, timeout)


def failure(writer: LLMProvider, timeout: float = 20) -> ProviderError:
    """The error that `writer` raises, which never has the key in it."""
    with pytest.raises(ProviderError) as caught:
        complete(writer, timeout)
    assert KEYS[writer.name] not in str(caught.value)
    return caught.value
