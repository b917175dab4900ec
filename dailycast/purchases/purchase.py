"""A purchase: one call to a vendor, what it may cost at most, and where its answer is stored."""

import json
from abc import ABC, abstractmethod
from dataclasses import asdict
from decimal import Decimal
from typing import Generic, TypeVar

from ..audio import clips
from ..conf import conf
from ..errors import ProviderError, Units
from ..gateway.answers import provider_errors_only
from ..gateway.provider import BaseProvider, bill_errors
from ..llm.base import Completion, LLMProvider, Prompt, empty_error
from ..models import Kind
from ..tts.base import Clip, TTSProvider, Voice, whole
from . import prices

A = TypeVar("A")  # an answer
SCRIPT = "script"


class Purchase(ABC, Generic[A]):
    """`item_key` identifies what is bought; `max_units` are the most tokens or characters that may be billed."""

    provider: BaseProvider
    kind: Kind
    model: str  # or engine: the price and the rate limit stand under provider/model
    item_key: str
    max_units: Units
    seconds: float  # of wall clock

    @property
    def key(self) -> str:
        return f"{self.provider.name}/{self.model}"

    def cost(self, units: Units) -> Decimal | None:
        """USD for `units`; None when the price or a unit is unknown."""
        return prices.cost(self.key, *units, unbilled=self.provider.unbilled()) if units else Decimal(0)

    @abstractmethod
    def call(self, timeout: float) -> A:
        """Ask the vendor, within `timeout` seconds, and check the answer. Raises ProviderError."""

    @abstractmethod
    def billed_units(self, answer: A) -> Units:
        """The units that the vendor bills for `answer`."""

    @abstractmethod
    def store(self, answer: A) -> str:
        """Store what was bought, and return what of it the ledger keeps. Raises OSError from a disk."""


class ScriptPurchase(Purchase[Completion]):
    """A script for `prompt`. With `keep_answer` the ledger keeps the completion until its script is on the row."""

    kind, item_key = Kind.SCRIPT, SCRIPT

    def __init__(self, provider: LLMProvider, prompt: Prompt, keep_answer: bool) -> None:
        self.provider: LLMProvider = provider
        self.prompt, self.keep_answer = prompt, keep_answer
        self.model, self.max_units = provider.model(), provider.most_tokens(prompt)
        self.seconds = conf.DAILYCAST_LLM_TIMEOUT

    def call(self, timeout: float) -> Completion:
        with provider_errors_only(self.provider.name):
            answer = self.provider.complete(self.prompt, timeout)
            if not isinstance(answer, Completion):
                raise ProviderError(f"{self.provider.name} returned no Completion: mend it.", permanent=True)
            with bill_errors(*self.billed_units(answer)):
                if not answer.text.strip():
                    raise empty_error(self.provider.name)
            return answer

    def billed_units(self, answer: Completion) -> Units:
        return answer.prompt_tokens, answer.completion_tokens

    def store(self, answer: Completion) -> str:
        return json.dumps(asdict(answer)) if self.keep_answer else ""


class ClipPurchase(Purchase[Clip]):
    """One clip of speech. It is stored under its `item_key`."""

    kind = Kind.SPEECH

    def __init__(self, provider: TTSProvider, voice: Voice, text: str, key: str) -> None:
        self.provider: TTSProvider = provider
        self.voice, self.text, self.item_key = voice, text, key
        self.model, self.max_units = voice.engine, (len(text),)
        self.seconds = conf.DAILYCAST_SPEECH_TIMEOUT

    def call(self, timeout: float) -> Clip:
        with provider_errors_only(self.provider.name):
            clip = self.provider.speak(self.text, self.voice, timeout)
            if not isinstance(clip, Clip) or not isinstance(clip.mp3, bytes):
                raise ProviderError(f"{self.provider.name} returned no Clip of bytes: mend it.", permanent=True)
            with bill_errors(*self.billed_units(clip)):
                whole(clip.mp3, "")  # providers differ in what of the text they can speak, and check that themselves
            return clip

    def billed_units(self, answer: Clip) -> Units:
        return (answer.characters,)

    def store(self, answer: Clip) -> str:
        clips.store_clip(self.item_key, answer.mp3)
        return ""
