"""What a script and a clip are bought as: units, price, call, and where the answer is stored."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from dailycast.learner import LearnerContext
from dailycast.llm.base import Completion, LLMProvider, Prompt
from dailycast.models import Kind
from dailycast.purchases.purchase import ClipPurchase, ScriptPurchase
from dailycast.tts.base import Clip, TTSProvider, Voice
from tests.cloud.speech import speak

PROMPT = Prompt("Be brief.", "Alex learns English.", LearnerContext(first_name="Alex"), "en", 4.0)
COMPLETION = Completion("# Hello", "scribe", "quill", prompt_tokens=1_000, completion_tokens=200)
VOICE = Voice("Anna", "neural")
CLIP_KEY = "ab" * 32
MP3 = speak("Good morning.", 24_000)


class Writer(LLMProvider):
    name = "scribe"

    def missing(self) -> str:
        return ""

    def model(self) -> str:
        return "quill"

    def most_tokens(self, prompt: Prompt) -> tuple[int, int]:
        return 5_000, 3_000

    def complete(self, prompt: Prompt, timeout: float) -> Completion:
        assert (prompt, timeout) == (PROMPT, 7.5)
        return COMPLETION


class Speaker(TTSProvider):
    name = "parrot"

    def missing(self) -> str:
        return ""

    def voice(self, language: str) -> Voice | None:
        return VOICE

    def speak(self, text: str, voice: Voice, timeout: float) -> Clip:
        assert (text, voice, timeout) == ("Good morning.", VOICE, 7.5)
        return Clip(MP3, 12)


def script_purchase(keep_answer: bool = True) -> ScriptPurchase:
    return ScriptPurchase(Writer(), PROMPT, keep_answer)


def clip_purchase() -> ClipPurchase:
    return ClipPurchase(Speaker(), VOICE, "Good morning.", CLIP_KEY)


@pytest.fixture(autouse=True)
def owners_settings(settings: Any) -> None:
    settings.DAILYCAST_PRICES = {"scribe/quill": "1/10", "parrot/neural": "20"}
    settings.DAILYCAST_LLM_TIMEOUT, settings.DAILYCAST_SPEECH_TIMEOUT = 50, 25


def test_a_script_may_be_billed_the_most_tokens_of_its_writer_and_is_billed_what_was_counted() -> None:
    purchase = script_purchase()
    assert (purchase.kind, purchase.key, purchase.item_key, purchase.seconds) == (
        Kind.SCRIPT,
        "scribe/quill",
        "script",
        50,
    )
    assert purchase.max_units == (5_000, 3_000)
    answer = purchase.call(7.5)
    assert (answer, purchase.billed_units(answer)) == (COMPLETION, (1_000, 200))


def test_a_clip_may_be_billed_its_characters_and_is_billed_what_the_vendor_counted() -> None:
    purchase = clip_purchase()
    assert (purchase.kind, purchase.key, purchase.item_key, purchase.seconds) == (
        Kind.SPEECH,
        "parrot/neural",
        CLIP_KEY,
        25,
    )
    assert purchase.max_units == (len("Good morning."),)
    answer = purchase.call(7.5)
    assert (answer, purchase.billed_units(answer)) == (Clip(MP3, 12), (12,))


@pytest.mark.parametrize(
    ("purchase", "units", "usd"),
    [
        (script_purchase, (1_000, 200), Decimal("0.003")),
        (script_purchase, (1_000, None), None),
        (script_purchase, (), Decimal(0)),
        (clip_purchase, (12,), Decimal("0.00024")),
        (clip_purchase, (None,), None),
        (clip_purchase, (), Decimal(0)),
    ],
)
def test_what_units_cost(purchase: Any, units: tuple[int | None, ...], usd: Decimal | None) -> None:
    assert purchase().cost(units) == usd


def test_what_nobody_bills_costs_nothing(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.DAILYCAST_PRICES = {}
    assert clip_purchase().cost((12,)) is None
    monkeypatch.setattr(Speaker, "unbilled", lambda self: True)
    assert clip_purchase().cost((12,)) == 0


def test_the_ledger_keeps_a_completion_as_json_until_its_script_is_saved() -> None:
    stored = script_purchase(keep_answer=True).store(COMPLETION)
    assert Completion(**json.loads(stored)) == COMPLETION


def test_a_script_that_nobody_saves_leaves_nothing_in_the_ledger() -> None:
    assert script_purchase(keep_answer=False).store(COMPLETION) == ""


def test_a_clip_is_stored_in_its_own_file_and_not_in_the_ledger(media: Path) -> None:
    assert clip_purchase().store(Clip(MP3, 12)) == ""
    assert (media / f"podcasts/clips/{CLIP_KEY}.mp3").read_bytes() == MP3
