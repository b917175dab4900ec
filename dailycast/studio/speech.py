"""Script and speech: asks the writers and the voices in their order, and puts together what they give."""

import json
import logging
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from decimal import Decimal
from functools import partial
from typing import Any

from ..audio import captions, clips, cover, id3, mp3
from ..audio.captions import ChapterMark
from ..conf import conf
from ..errors import DailycastError, Mp3Error, NoEngineError, ProviderError, ProviderNotConfigured, ScriptError
from ..gateway import registry
from ..jobs.queue import Job
from ..languages.table import get_language
from ..learner import LearnerContext
from ..llm.base import Completion, LLMProvider, Prompt
from ..models import Kind, Reason
from ..purchases import money
from ..purchases import purchase as calls
from ..script import grammar as script
from ..script import prompt as prompts
from ..tts.base import Clip, TTSProvider, Voice

logger = logging.getLogger("dailycast")
LONGEST_SCRIPT = 12_000  # characters that are always taken; above, three times the length that was asked for
NOT_CONFIGURED = "Dailycast: AWS credentials not configured, skipping audio generation"
MOST_ENGINES = 4  # that one voice is asked for
USUAL_TOKENS_IN = 2_500
USUAL_TOKEN = 4  # characters


@dataclass(frozen=True)
class Draft:
    """A written script; `text` is in the grammar of `script`, ready to be saved."""

    text: str
    completion: Completion


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
    """There is nobody to speak: a normal outcome, not a failure. `reason` says which of the two kinds it is."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


# The script


def write_script(context: LearnerContext, language: str, minutes: float, job: Job) -> Draft:
    """What was bought for this job before, else the first script that the writers in their order can write.

    Raises ProviderError when each of them failed.
    """
    prompt = prompts.build(context, language, minutes)
    for draft in _bought_before(prompt, job):
        return draft
    writers = registry.llm_chain()
    if not writers:
        raise ProviderNotConfigured(f"no writer is configured. {registry.llm_missing()}")
    return registry.first(writers, partial(_draft, prompt=prompt, job=job))


def _bought_before(prompt: Prompt, job: Job) -> Iterator[Draft]:
    for answer in calls.kept(job, Kind.SCRIPT):
        try:
            yield _checked(Completion(**answer), prompt)
        except ProviderError as error:
            logger.info("Dailycast: the script that was bought before is of no use: %s", error)


def _draft(provider: LLMProvider, prompt: Prompt, job: Job) -> Draft:
    order = calls.Order(
        provider=provider,
        kind=Kind.SCRIPT,
        model=provider.model(),
        unit="script",
        most=provider.most_tokens(prompt),
        seconds=conf.DAILYCAST_LLM_TIMEOUT,
        call=partial(provider.complete, prompt),
        billed=lambda completion: (completion.prompt_tokens, completion.completion_tokens),
        keep=lambda completion: json.dumps(asdict(completion)) if job.podcast else None,
    )
    completion = calls.buy([order], 1, job)[0]
    try:
        return _checked(completion, prompt)
    except ProviderError as error:
        calls.useless(job, str(error))
        raise


def _checked(completion: Completion, prompt: Prompt) -> Draft:
    text = script.from_completion(completion.text)
    spoken = len(script.parse(text, prompt.language).text)
    if not spoken:
        raise ProviderError("the answer has nothing in it to speak", permanent=True)
    if spoken > max(LONGEST_SCRIPT, 3 * prompt.minutes * 60 * get_language(prompt.language).rate):
        raise ProviderError(f"the answer runs on, over {spoken:,} characters", permanent=True)
    return Draft(text, completion)


# The speech


def make_speech(script_text: str, language: str, job: Job) -> Speech:
    """Speak a whole script; of clips that were bought before none is bought again.

    Raises NoVoiceError when nobody can speak, ProviderError when each voice failed, ScriptError, OSError from a disk.
    """
    parsed = script.parse(script_text, language)
    if not parsed.clips:
        raise ScriptError("The script has nothing in it to speak.")
    speak = partial(_speech, parsed=parsed, language=language, job=job)
    return registry.first(_voices(language), speak)


def _voices(language: str) -> list[TTSProvider]:
    configured = registry.tts_chain()
    if not configured:
        logger.warning(NOT_CONFIGURED)
        raise NoVoiceError(Reason.AUDIO_NOT_CONFIGURED, registry.tts_missing())
    voices = [provider for provider in configured if _speaks(provider, language)]
    if not voices:
        names = ", ".join(provider.name for provider in configured)
        message = f"{names}: no voice for {get_language(language).name} ({language})"
        logger.warning("Dailycast: %s, skipping audio generation", message)
        raise NoVoiceError(Reason.NO_VOICE, message)
    return voices


def _speaks(provider: TTSProvider, language: str) -> bool:
    try:
        return provider.voice(language) is not None
    except ProviderNotConfigured:
        return True  # it would, but for its settings, and says so when it is asked to


def _speech(provider: TTSProvider, parsed: script.Script, language: str, job: Job) -> Speech:
    texts = list(dict.fromkeys(parsed.clips))  # a text that repeats is bought once
    voice, spoken = _spoken(provider, texts, language, job)
    joined = _joined(parsed, dict(zip(texts, spoken, strict=True)))
    marks = captions.chapters(parsed, joined.parts)
    return Speech(
        mp3=_tagged(joined, parsed, marks, language, f"{voice} ({provider.name})"),
        duration=joined.duration,
        chapters=[asdict(mark) for mark in marks],
        cues=[asdict(cue) for cue in captions.cues(parsed, joined.parts, language)],
        provider=provider.name,
        voice=str(voice),
    )


def _tagged(joined: mp3.Joined, parsed: script.Script, marks: list[ChapterMark], language: str, by: str) -> bytes:
    """The sound file as an episode. A cover that cannot be read costs nobody an episode."""
    try:
        image, kind = cover.cover()
    except DailycastError as error:
        logger.warning("Dailycast: the episode has no cover: %s", error)
        image, kind = b"", ""
    episode = id3.Episode(
        title=parsed.title or conf.DAILYCAST_TITLE,
        show=conf.DAILYCAST_TITLE,
        made=money.today(),
        language=get_language(language).iso,
        comment=by,
        lyrics="\n\n".join(captions.lines(parsed)),
        duration=joined.duration,
        chapters=[(mark.start, mark.title) for mark in marks],
        cover=image,
        cover_type=kind,
    )
    return id3.tagged(joined.mp3, episode)


def _spoken(provider: TTSProvider, texts: list[str], language: str, job: Job) -> tuple[Voice, list[bytes]]:
    """Each text's MP3, all by one voice: where its engine is refused, the next one of that voice is taken for all."""
    for _ in range(MOST_ENGINES):
        voice = provider.voice(language)
        if voice is None:
            break
        try:
            return voice, _clips(provider, texts, voice, job)
        except NoEngineError as error:
            logger.info("Dailycast: %s", error)
    raise ProviderNotConfigured(f"{provider.name} has no voice left for {language}.")


def _clips(provider: TTSProvider, texts: list[str], voice: Voice, job: Job) -> list[bytes]:
    units = {text: clips.unit(provider.name, voice, text) for text in texts}
    found = {text: mp3 for text in texts if provider.remote and (mp3 := clips.find(units[text])) is not None}
    missing = [text for text in texts if text not in found]
    orders = [_order(provider, text, voice, units[text]) for text in missing]
    bought = calls.buy(orders, provider.parallel, job)
    found |= {text: clip.mp3 for text, clip in zip(missing, bought, strict=True)}
    return [found[text] for text in texts]


def _order(provider: TTSProvider, text: str, voice: Voice, unit: str) -> calls.Order[Clip]:
    return calls.Order(
        provider=provider,
        kind=Kind.SPEECH,
        model=voice.engine,
        unit=unit,
        most=(len(text),),
        seconds=conf.DAILYCAST_SPEECH_TIMEOUT,
        call=partial(provider.speak, text, voice),
        billed=lambda clip: (clip.characters,),
        keep=lambda clip: clips.keep(unit, clip.mp3),
    )


def _joined(parsed: script.Script, spoken: dict[str, bytes]) -> mp3.Joined:
    pieces = [piece for chapter in parsed.chapters for piece in chapter.pieces]
    try:
        return mp3.join([piece.seconds if isinstance(piece, script.Pause) else spoken[piece] for piece in pieces])
    except Mp3Error as error:
        raise ProviderError(f"the clips cannot be joined: {error}", permanent=True) from error


# What it will cost


def estimate(language: str, minutes: float) -> Decimal | None:
    """What an episode usually costs: USD, by the first writer and the first voice; None when a price is unknown."""
    characters = round(minutes * 60 * get_language(language).rate)
    writers, voices = registry.llm_chain()[:1], registry.tts_chain()
    tokens = USUAL_TOKENS_IN, characters // USUAL_TOKEN
    script = [money.cost(f"{w.name}/{w.model()}", *tokens, unbilled=w.unbilled()) for w in writers]
    spoken = [(each, voice) for each in voices if _speaks(each, language) and (voice := each.voice(language))][:1]
    return money.add(
        *script, *(money.cost(f"{v.name}/{voice.engine}", characters, unbilled=v.unbilled()) for v, voice in spoken)
    )
