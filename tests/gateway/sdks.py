"""Every SDK that calls a vendor, as its provider uses it."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest

from dailycast.errors import ProviderError
from dailycast.gateway.http import Vendor
from dailycast.llm import gemini, openai
from dailycast.tts import polly
from dailycast.tts.base import Voice
from tests.llm.writers import KEYS, PROMPT, use_gemini_sdk

SDKS = ("openai", "google.generativeai", "google.genai", "boto3")
TEXT = "Good morning, Alex."
SETTINGS = {"openai": "OPENAI_BASE_URL", "gemini": "GEMINI_BASE_URL", "polly": "AWS_ENDPOINT_URL_POLLY"}


@dataclass(frozen=True)
class Sdk:
    """`name` is the provider's, `vendor` what the edge knows of it; `call` takes the timeout in seconds."""

    name: str
    vendor: Vendor
    call: Callable[[float], Any]
    settings: Any

    @property
    def setting(self) -> str:
        return SETTINGS[self.name]

    def call_at(self, url: str) -> None:
        """Send the calls to `url`."""
        setattr(self.settings, self.setting, url + ("/v1" if self.name == "openai" else ""))

    def failure(self, timeout: float = 20) -> ProviderError:
        with pytest.raises(ProviderError) as caught:
            self.call(timeout)
        return caught.value


def sdk_of(package: str, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Sdk:
    settings.OPENAI_API_KEY, settings.GEMINI_API_KEY = KEYS["openai"], KEYS["gemini"]
    settings.AWS_ACCESS_KEY_ID, settings.AWS_SECRET_ACCESS_KEY = "AKIAALEX", "secret-of-alex"
    if package == "boto3":
        pytest.importorskip("boto3")
        return Sdk("polly", polly.VENDOR, partial(polly.Provider().speak, TEXT, Voice("Joanna", "neural")), settings)
    if package == "openai":
        pytest.importorskip("openai")
        return Sdk("openai", openai.VENDOR, partial(openai.Provider().complete, PROMPT), settings)
    use_gemini_sdk(package, monkeypatch)
    return Sdk("gemini", gemini.VENDOR, partial(gemini.Provider().complete, PROMPT), settings)
