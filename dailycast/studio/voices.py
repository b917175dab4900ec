"""The chain of voices: a script becomes speech."""

import logging
from dataclasses import asdict, dataclass
from functools import partial
from hashlib import sha256
from typing import Any

from ..audio import captions, clips
from ..errors import DailycastError, NoEngineError, ProviderNotConfigured, ScriptError
from ..jobs.job import Job
from ..languages.table import get_language
from ..models import Kind, Reason
from ..purchases import ledger, prices
from ..purchases.purchase import ClipPurchase
from ..purchases.scheduler import buy
from ..script.grammar import Script, parse, require_speakable_length
from ..tts.base import TTSProvider, Voice
from .assembly import add_tag, join
from .providers import first_success, voices

logger = logging.getLogger("dailycast")
NOT_CONFIGURED = "Dailycast: AWS credentials not configured, skipping audio generation"
MOST_ENGINES = 4  # that one voice is asked for


@dataclass(frozen=True)
class Speech:
    """A spoken script: the MP3 and its measured seconds; `chapters` and `cues` are JSON-ready."""

    mp3: bytes
    duration: float
    chapters: list[dict[str, Any]]
    cues: list[dict[str, Any]]
    provider: str
    voice: str


class NoVoiceError(DailycastError):
    """No voice can speak the script: a normal outcome, not a failure. `reason` says why."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


def make_speech(script_text: str, language: str, job: Job) -> Speech:
    """Speak a whole script; of clips that were bought before none is bought again.

    Raises NoVoiceError when no voice can speak it, ProviderError when each voice failed, ScriptError, OSError.
    """
    script = parse(script_text, language)
    if not script.clips:
        raise ScriptError("The script has nothing in it to speak.")
    require_speakable_length(script)
    speak = partial(_speak, script=script, language=language, job=job)
    return first_success(_voices_for(language), speak, Kind.SPEECH, job)


def speaks(provider: TTSProvider, language: str) -> bool:
    """Whether the provider has a voice for the BCP-47 `language`, also where its settings are wrong."""
    try:
        return provider.voice(language) is not None
    except ProviderNotConfigured:
        return True  # it has one, and names the wrong setting when it is asked to speak


def clip_key(provider: str, voice: Voice, text: str) -> str:
    """What a clip is stored under, 64 characters: the SHA-256 of all that makes it sound as it does."""
    return sha256("\0".join((provider, voice.engine, voice.name, voice.format, text)).encode()).hexdigest()


def _voices_for(language: str) -> list[TTSProvider]:
    configured = voices.configured()
    if not configured:
        logger.warning(NOT_CONFIGURED)
        raise NoVoiceError(Reason.AUDIO_NOT_CONFIGURED, voices.missing())
    found = [provider for provider in configured if speaks(provider, language)]
    if not found:
        names = ", ".join(provider.name for provider in configured)
        message = f"{names}: no voice for {get_language(language).name} ({language})"
        logger.warning("Dailycast: %s, skipping audio generation", message)
        raise NoVoiceError(Reason.NO_VOICE, message)
    return found


def _speak(provider: TTSProvider, script: Script, language: str, job: Job) -> Speech:
    texts = list(dict.fromkeys(script.clips))  # a text that repeats is bought once
    voice, spoken = _speak_clips(provider, texts, language, job)
    joined = join(script, dict(zip(texts, spoken, strict=True)))
    marks = captions.chapter_marks(script, joined.parts)
    return Speech(
        mp3=add_tag(joined, script, marks, language, f"{voice} ({provider.name})"),
        duration=joined.duration,
        chapters=[asdict(mark) for mark in marks],
        cues=[asdict(cue) for cue in captions.sentence_cues(script, joined.parts, language)],
        provider=provider.name,
        voice=str(voice),
    )


def _speak_clips(provider: TTSProvider, texts: list[str], language: str, job: Job) -> tuple[Voice, list[bytes]]:
    """Each text's MP3, all by one voice: where its engine is refused, the next one of that voice is taken for all."""
    for _ in range(MOST_ENGINES):
        voice = provider.voice(language)
        if voice is None:
            break
        try:
            return voice, _buy_clips(provider, texts, voice, job)
        except NoEngineError as error:
            logger.info("Dailycast: %s", error)
    raise ProviderNotConfigured(f"{provider.name} has no voice left for {language}.")


def _buy_clips(provider: TTSProvider, texts: list[str], voice: Voice, job: Job) -> list[bytes]:
    keys = {text: clip_key(provider.name, voice, text) for text in texts}
    found = {text: mp3 for text in texts if provider.remote and (mp3 := clips.find_clip(keys[text])) is not None}
    missing = [text for text in texts if text not in found]
    purchases = [ClipPurchase(provider, voice, text, keys[text]) for text in missing]
    ledger.reserve(job, prices.add(*(purchase.cost(purchase.max_units) for purchase in purchases)))
    bought = buy(purchases, provider.parallel, job)
    found |= {text: clip.mp3 for text, clip in zip(missing, bought, strict=True)}
    return [found[text] for text in texts]
