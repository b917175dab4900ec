"""The heart: the story from a user to an episode, read top-down.

Three public functions, as every host knows them: `create_podcast_for_user`, `generate_podcast_script`,
`synthesize_audio`. The doors (admin, commands, views) call `open_episode` and `produce`.
"""

import logging
import time
from dataclasses import asdict, dataclass
from decimal import Decimal
from functools import partial
from traceback import extract_tb
from typing import Any

from django.contrib.auth.base_user import AbstractBaseUser
from django.utils import timezone

from . import captions, money, mp3, prompts, registry, script, storage, vendor
from .conf import conf
from .errors import DailycastError, LanguageError, LearnerContextError, Mp3Error, ProviderError, ScriptError
from .languages import get_language, normalise
from .learner import LearnerContext, get_learner_context
from .llm.base import Completion, LLMProvider, Prompt
from .models import NO_AUDIO, DailyPodcast, Reason, Status
from .tts.base import Clip, TTSProvider

logger = logging.getLogger("dailycast")
LONGEST_SCRIPT = 12_000  # characters that are always taken; above, three times the length that was asked for
NOT_CONFIGURED = "Dailycast: AWS credentials not configured, skipping audio generation"


@dataclass(frozen=True)
class Draft:
    """A written script and what it cost; `text` is in the grammar of `script`, ready to be saved."""

    text: str
    completion: Completion
    cost: Decimal | None


@dataclass(frozen=True)
class Speech:
    """A spoken script: the MP3 and its measured seconds; `chapters` and `cues` are JSON-ready."""

    mp3: bytes
    duration: float
    chapters: list[dict[str, Any]]
    cues: list[dict[str, Any]]
    provider: str
    voice: str


Bought = tuple[Clip, Decimal | None]  # a clip, and what it cost


class NoVoiceError(DailycastError):
    """There is nobody to speak: a normal outcome, not a failure. `reason` says which of the two kinds it is."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


# The three public functions


def create_podcast_for_user(user: AbstractBaseUser, language: str | None = None) -> DailyPodcast:
    """Write, speak and save an episode for `user` now; `language` is BCP-47, by default the learner's own.

    Returns the row: `completed`, with or without audio, or `failed` when no script could be had (`error_message`
    says why). Raises LanguageError for an unknown language before anything is paid.
    """
    return produce(open_episode(user, language))


def generate_podcast_script(user: AbstractBaseUser, language: str | None = None) -> tuple[str, str]:
    """The script text and the name of the provider that wrote it; saves nothing.

    Raises ProviderError when every writer failed, LanguageError, LearnerContextError.
    """
    context = get_learner_context(user)
    draft = write_script(context, choose_language(language, context), conf.DAILYCAST_MINUTES, _deadline())
    return draft.text, draft.completion.provider


def synthesize_audio(script_text: str, language: str | None = None) -> tuple[bytes, str]:
    """The MP3 of `script_text` and the name of the provider that spoke it; `(b"", "none")` when there is no voice.

    Raises ProviderError when every voice failed, ScriptError for a script that an editor has to mend, LanguageError.
    """
    try:
        speech = make_speech(script_text, choose_language(language), _deadline(), [])
    except NoVoiceError:
        return b"", NO_AUDIO
    return speech.mp3, speech.provider


# An episode


def open_episode(user: AbstractBaseUser, language: str | None = None, **asked: Any) -> DailyPodcast:
    """A new pending row for `user`; `asked` is what the door knows (source, requested_by, request_key)."""
    language = normalise(language) if language else ""
    return DailyPodcast.objects.create(user=user, language=language, **asked)  # type: ignore[misc]  # any user model


def produce(podcast: DailyPodcast, minutes: float | None = None, audio: bool = True) -> DailyPodcast:
    """Make what the row still lacks: the script, then the audio. A script that stands is never paid for again.

    The job boundary: whatever goes wrong ends on the row, where its reader sees it, and the script stays.
    """
    if podcast.has_audio:
        return podcast
    podcast.store(status=Status.RUNNING, error_code="", error_message="")
    deadline = _deadline()
    try:
        if not podcast.script_text:
            _write(podcast, minutes or conf.DAILYCAST_MINUTES, deadline)
        if not audio:
            _without_audio(podcast, Reason.AUDIO_NOT_ASKED)
        else:
            _speak(podcast, deadline)
    except Exception as error:  # noqa: BLE001  # the job boundary
        _end_badly(podcast, error)
    except KeyboardInterrupt as stop:
        _end_badly(podcast, stop)
        raise
    return podcast


def _write(podcast: DailyPodcast, minutes: float, deadline: float) -> None:
    context = get_learner_context(podcast.user)
    language = choose_language(podcast.language, context)
    podcast.store(language=language, context=context.as_dict())
    draft = write_script(context, language, minutes, deadline)
    podcast.store(
        title=script.title(draft.text)[:200],
        script_text=draft.text,
        llm_provider=draft.completion.provider,
        llm_model=draft.completion.model,
        prompt_tokens=draft.completion.prompt_tokens,
        completion_tokens=draft.completion.completion_tokens,
        cost_usd=draft.cost,
    )


def _speak(podcast: DailyPodcast, deadline: float) -> None:
    bought: list[Bought] = []
    try:
        speech = make_speech(podcast.script_text, podcast.language, deadline, bought)
    except NoVoiceError as none:
        return _without_audio(podcast, none.reason, str(none))
    finally:
        _charge(podcast, bought)
    name = storage.replace(podcast.name_audio(), speech.mp3)
    podcast.store(
        audio_file=name,
        audio_bytes=len(speech.mp3),
        duration_seconds=speech.duration,
        chapters=speech.chapters,
        cues=speech.cues,
        tts_provider=speech.provider,
        tts_voice=speech.voice,
        status=Status.COMPLETED,
        completed_at=timezone.now(),
    )
    return None


def _charge(podcast: DailyPodcast, bought: list[Bought]) -> None:
    """Count on the row what the vendor billed, also for speech that failed in the end."""
    if bought:
        characters = (podcast.tts_characters or 0) + sum(clip.characters for clip, _ in bought)
        podcast.store(tts_characters=characters, cost_usd=money.add(podcast.cost_usd, *(cost for _, cost in bought)))


def _without_audio(podcast: DailyPodcast, reason: Reason, details: str = "") -> None:
    podcast.store(
        audio_file=None,
        tts_provider=NO_AUDIO,
        error_code=reason,
        error_message=details,
        status=Status.COMPLETED,
        completed_at=timezone.now(),
    )


REASONS: dict[type[Exception], tuple[Reason, Reason]] = {  # before there is a script, and after
    LearnerContextError: (Reason.LEARNER, Reason.INTERNAL),
    LanguageError: (Reason.LEARNER, Reason.INTERNAL),  # the records name one that we do not know
    ProviderError: (Reason.NO_SCRIPT, Reason.AUDIO_FAILED),
    ScriptError: (Reason.NO_SCRIPT, Reason.AUDIO_FAILED),
    OSError: (Reason.INTERNAL, Reason.NOT_SAVED),
}


def _end_badly(podcast: DailyPodcast, error: BaseException) -> None:
    known = next((pair for kind, pair in REASONS.items() if isinstance(error, kind)), None)
    before, after = known or (Reason.INTERNAL, Reason.INTERNAL)
    details = str(error) if known else f"{type(error).__name__} in {extract_tb(error.__traceback__)[-1].name}"
    logger.error("Dailycast: episode %s: %s", podcast.pk, details, exc_info=None if known else error)
    if podcast.script_text:
        return _without_audio(podcast, after, details)
    return podcast.store(status=Status.FAILED, error_code=before, error_message=details)


# The script


def choose_language(language: str | None, context: LearnerContext | None = None) -> str:
    """The language asked for, else the learner's own, else the default. Raises LanguageError for an unknown one."""
    return normalise(language or (context and context.language) or conf.DAILYCAST_DEFAULT_LANGUAGE)


def write_script(context: LearnerContext, language: str, minutes: float, deadline: float) -> Draft:
    """Ask the writers in their order for a script. Raises ProviderError when each of them failed."""
    prompt = prompts.build(context, language, minutes)
    writers = registry.llm_chain()
    if not writers:
        raise ProviderError(f"no writer is configured. {registry.llm_missing()}", permanent=True)
    return registry.first(writers, partial(_draft, prompt=prompt, deadline=deadline))


def _draft(provider: LLMProvider, prompt: Prompt, deadline: float) -> Draft:
    completion = vendor.limited(partial(provider.complete, prompt), conf.DAILYCAST_LLM_TIMEOUT, deadline)
    text = script.from_completion(completion.text)
    spoken = len(script.parse(text, prompt.language).text)
    if not spoken:
        raise ProviderError("the answer has nothing in it to speak", permanent=True)
    if spoken > max(LONGEST_SCRIPT, 3 * prompt.minutes * 60 * get_language(prompt.language).rate):
        raise ProviderError(f"the answer runs on, over {spoken:,} characters", permanent=True)
    key = f"{completion.provider}/{completion.model}"
    units = completion.prompt_tokens, completion.completion_tokens
    return Draft(text, completion, money.cost(key, *units, unbilled=provider.unbilled()))


# The speech


def make_speech(script_text: str, language: str, deadline: float, bought: list[Bought]) -> Speech:
    """Speak a whole script; `bought` takes each clip with its cost as it arrives, whatever becomes of the whole.

    Raises NoVoiceError when nobody can speak, ProviderError when each voice failed, ScriptError.
    """
    parsed = script.parse(script_text, language)
    if not parsed.clips:
        raise ScriptError("The script has nothing in it to speak.")
    speak = partial(_speech, parsed=parsed, language=language, deadline=deadline, bought=bought)
    return registry.first(_voices(language), speak)


def _voices(language: str) -> list[TTSProvider]:
    configured = registry.tts_chain()
    if not configured:
        logger.warning(NOT_CONFIGURED)
        raise NoVoiceError(Reason.AUDIO_NOT_CONFIGURED, registry.tts_missing())
    voices = [provider for provider in configured if provider.speaks(language)]
    if not voices:
        names = ", ".join(provider.name for provider in configured)
        message = f"{names}: no voice for {get_language(language).name} ({language})"
        logger.warning("Dailycast: %s, skipping audio generation", message)
        raise NoVoiceError(Reason.NO_VOICE, message)
    return voices


def _speech(
    provider: TTSProvider, parsed: script.Script, language: str, deadline: float, bought: list[Bought]
) -> Speech:
    texts = list(dict.fromkeys(parsed.clips))  # a text that repeats is bought once
    calls = [partial(_clip, provider, text, language, deadline, bought) for text in texts]
    clips = vendor.in_order(calls, provider.parallel, vendor.left(deadline))
    joined = _joined(parsed, dict(zip(texts, clips, strict=True)))
    return Speech(
        mp3=mp3.tagged(joined.mp3, parsed.title or "Podcast"),
        duration=joined.duration,
        chapters=[asdict(mark) for mark in captions.chapters(parsed, joined.parts)],
        cues=[asdict(cue) for cue in captions.cues(parsed, joined.parts, language)],
        provider=provider.name,
        voice=", ".join(dict.fromkeys(f"{clip.voice} {clip.engine}".strip() for clip in clips)),
    )


def _clip(provider: TTSProvider, text: str, language: str, deadline: float, bought: list[Bought]) -> Clip:
    clip = vendor.limited(partial(provider.speak, text, language), conf.DAILYCAST_SPEECH_TIMEOUT, deadline)
    key = f"{provider.name}/{clip.engine}"
    bought.append((clip, money.cost(key, clip.characters, unbilled=provider.unbilled())))
    return clip


def _joined(parsed: script.Script, spoken: dict[str, Clip]) -> mp3.Joined:
    pieces = [piece for chapter in parsed.chapters for piece in chapter.pieces]
    try:
        return mp3.join([piece.seconds if isinstance(piece, script.Pause) else spoken[piece].mp3 for piece in pieces])
    except Mp3Error as error:
        raise ProviderError(f"the clips cannot be joined: {error}", permanent=True) from error


def _deadline() -> float:
    return time.monotonic() + conf.DAILYCAST_JOB_TIMEOUT
