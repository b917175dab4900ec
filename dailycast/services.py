"""The heart: the story from a user to an episode, read top-down.

Three public functions, as every host knows them: `create_podcast_for_user`, `generate_podcast_script`,
`synthesize_audio`. The runners call `run` with the key of a row; the story then goes on from what the row has.
"""

import logging
from datetime import timedelta
from decimal import Decimal
from traceback import extract_tb

from django.contrib.auth.base_user import AbstractBaseUser
from django.core.files.storage import default_storage
from django.db import Error as AnyDatabaseError
from django.utils import timezone

from .audio import storage
from .conf import conf
from .errors import (
    BudgetError,
    ClaimLostError,
    LanguageError,
    LearnerContextError,
    NeedsPersonError,
    ProviderError,
    ReleasedError,
    ScriptError,
    SkippedError,
)
from .gateway.vendor import Caught
from .jobs import queue as jobs
from .jobs.queue import Job
from .languages.table import normalise
from .learner import LearnerContext, get_learner_context, learner_context
from .models import NO_AUDIO, DailyPodcast, Reason, Skip, Source, Status
from .purchases import money
from .purchases import purchase as calls
from .script import grammar as script
from .signals import podcast_ready
from .studio import speech as studio
from .studio.speech import NOT_CONFIGURED as NOT_CONFIGURED  # what the log says without AWS keys
from .studio.speech import NoVoiceError, Speech

logger = logging.getLogger("dailycast")
FIRST_PAUSE, LONGEST_PAUSE = 30.0, 86_400.0  # seconds until the next attempt; doubled with each one
NEWS = timedelta(days=1)  # for which a finished episode is news
ROOM = 3  # a disk must hold this many times the speech: the clips, the episode, and something for others
BYTES_A_CHARACTER = 1_000  # of an MP3 at 64 kbit/s, at eight characters a second


# The three public functions


def create_podcast_for_user(user: AbstractBaseUser, language: str | None = None) -> DailyPodcast:
    """Write, speak and save an episode for `user` now; `language` is BCP-47, by default the learner's own.

    Returns the row: `completed`, with or without audio, or `failed` when no script could be had (`error_message`
    says why). Raises LanguageError for an unknown language before anything is paid, InTransactionError.
    """
    jobs.outside_transaction()
    return produce(jobs.submit(user, language))


def generate_podcast_script(user: AbstractBaseUser, language: str | None = None) -> tuple[str, str]:
    """The script text and the name of the provider that wrote it; saves nothing but what it cost.

    Raises ProviderError when every writer failed, LanguageError, LearnerContextError, InTransactionError.
    """
    jobs.outside_transaction()
    context = get_learner_context(user)
    draft = studio.write_script(context, choose_language(language, context), conf.DAILYCAST_MINUTES, Job())
    return draft.text, draft.completion.provider


def synthesize_audio(script_text: str, language: str | None = None) -> tuple[bytes, str]:
    """The MP3 of `script_text` and the name of the provider that spoke it; `(b"", "none")` when there is no voice.

    Raises ProviderError when every voice failed, ScriptError for a script that an editor has to mend, LanguageError,
    InTransactionError.
    """
    jobs.outside_transaction()
    try:
        speech = studio.make_speech(script_text, choose_language(language), Job())
    except NoVoiceError:
        return b"", NO_AUDIO
    return speech.mp3, speech.provider


# An episode


def produce(podcast: DailyPodcast) -> DailyPodcast:
    """Make what the row still lacks, now, whatever was tried before. A script that stands is never paid for again."""
    jobs.outside_transaction()
    jobs.reopen(podcast.pk)
    run(podcast.pk)
    return DailyPodcast.objects.filter(pk=podcast.pk).first() or podcast  # it may be gone


def run(pk: int, patient: bool = False) -> Job | None:
    """Claim a row that is due and bring it to its end; None when there was nothing to do.

    `patient` is for those who come back: a fault that passes then puts the row back for a later attempt.
    """
    job = jobs.patiently(lambda: jobs.claim(pk, patient))
    if job is not None:
        with jobs.kept(job):
            _make(job)
        announce(job.row)
    return job


def announce(podcast: DailyPodcast) -> None:
    """Tell the host that an episode is ready: once, and only what is committed."""
    row = DailyPodcast.objects.filter(pk=podcast.pk)
    if jobs.patiently(lambda: row.filter(status=Status.COMPLETED, announced=False).update(announced=True)):
        ready = jobs.patiently(row.first)  # another worker may have finished it
        if ready is not None:
            podcast_ready.send_robust(DailyPodcast, podcast=ready)


def announce_forgotten() -> None:
    """Tell of the episodes whose worker ended between the last write and the news."""
    now = timezone.now()
    lately = (now - NEWS, now - timedelta(seconds=conf.DAILYCAST_LEASE_SECONDS))
    rows = DailyPodcast.objects.filter(status=Status.COMPLETED, announced=False, completed_at__range=lately)
    for podcast in jobs.patiently(lambda: list(rows.only("pk"))):
        announce(podcast)


def _make(job: Job) -> None:
    """The job boundary: whatever goes wrong ends on the row, where its reader sees it, and the script stays."""
    try:
        if job.row.attempts > conf.DAILYCAST_MAX_ATTEMPTS:
            raise NeedsPersonError(f"It was begun {job.row.attempts - 1} times and never came to an end.")
        if not job.row.script_text:
            _write(job)
        calls.forget(job)
        if job.row.with_audio:
            _speak(job)
        else:
            _without_audio(job, Reason.AUDIO_NOT_ASKED)
    except Exception as error:  # noqa: BLE001  # the job boundary
        _end(job, error)
    except KeyboardInterrupt as stop:
        _end(job, stop)
        raise


def _write(job: Job) -> None:
    context = _context(job)
    if job.row.source == Source.DAILY and (reason := why_not(context)):
        raise SkippedError(reason)
    language = choose_language(job.row.language, context)
    job.write(language=language, context=context.as_dict())
    draft = studio.write_script(context, language, job.row.minutes or conf.DAILYCAST_MINUTES, job)
    if not job.script_now():  # else an editor was quicker
        job.write(
            title=script.title(draft.text)[:200],
            script_text=draft.text,
            llm_provider=draft.completion.provider,
            llm_model=draft.completion.model,
            prompt_tokens=draft.completion.prompt_tokens,
            completion_tokens=draft.completion.completion_tokens,
            cost_usd=_spent(job)[0],
        )


def _context(job: Job) -> LearnerContext:
    """What the row was made with, so that another attempt asks for the very same; else what the host says now."""
    return learner_context(job.row.context) if job.row.context else get_learner_context(job.row.user)


def why_not(context: LearnerContext) -> Skip | None:
    """Why there is to be no nightly edition for this learner; None when there is to be one."""
    if context.opted_out:
        return Skip.OPTED_OUT
    return None if context.has_material else Skip.NO_DATA


def _speak(job: Job) -> None:
    try:
        speech = _saved(job)
    except NoVoiceError as none:
        return _without_audio(job, none.reason, str(none))
    usd, characters = _spent(job)
    return job.end(
        Status.COMPLETED,
        audio_bytes=len(speech.mp3),
        duration_seconds=speech.duration,
        chapters=speech.chapters,
        cues=speech.cues,
        tts_provider=speech.provider,
        tts_voice=speech.voice,
        tts_characters=characters,
        cost_usd=usd,
        completed_at=timezone.now(),
    )


def _saved(job: Job) -> Speech:
    """The speech of the script, in its file. Where an editor changed the script meanwhile, the change is spoken too."""
    while True:
        text = job.script_now()
        _need_room(text)
        speech = studio.make_speech(text, job.row.language, job)
        job.renew()  # a worker that slept here may have been given up, and the file be another's by now
        name = storage.replace(job.write_audio_name(), speech.mp3)
        if name != job.row.audio_file.name:  # a storage that chooses names itself
            job.write(audio_file=name)
        if job.script_now() == text:
            return speech


def _spent(job: Job) -> tuple[Decimal | None, int]:
    return jobs.patiently(lambda: money.spent(job.row))


def _need_room(text: str) -> None:
    """Raises OSError, before a character is paid for, when the disk cannot take the speech of `text`."""
    free, need = storage.free_bytes(), ROOM * BYTES_A_CHARACTER * len(text)
    if reason := storage.unwritable():
        raise OSError(reason)
    if free is not None and free < need:
        raise OSError(f"the disk has {free / 1e6:.1f} MB free, and this episode may need {need / 1e6:.1f} MB")


def _without_audio(job: Job, reason: Reason, details: str = "") -> None:
    usd, characters = _spent(job)
    values = {"error_code": reason, "error_message": details, "cost_usd": usd, "tts_characters": characters or None}
    job.renew()  # else a worker that was given up would delete the file of the one that came after it
    _drop_file(job)
    job.end(Status.COMPLETED, audio_file=None, tts_provider=NO_AUDIO, completed_at=timezone.now(), **values)


def _drop_file(job: Job) -> None:
    """No row will name this file: an earlier attempt may have written it and ended before it said so."""
    name, deleting = job.row.audio_file and job.row.audio_file.name, Caught()
    with deleting:
        if name:
            default_storage.delete(name)
    if deleting.error:
        logger.warning("Dailycast: %s could not be deleted: %s", name, deleting.error)


REASONS: dict[type[BaseException], tuple[Reason, Reason]] = {  # before there is a script, and after
    LearnerContextError: (Reason.LEARNER, Reason.INTERNAL),
    LanguageError: (Reason.LEARNER, Reason.INTERNAL),  # the records name one that we do not know
    BudgetError: (Reason.BUDGET, Reason.BUDGET),
    ProviderError: (Reason.NO_SCRIPT, Reason.AUDIO_FAILED),
    ScriptError: (Reason.NO_SCRIPT, Reason.AUDIO_FAILED),
    OSError: (Reason.INTERNAL, Reason.NOT_SAVED),
    NeedsPersonError: (Reason.NEEDS_PERSON, Reason.NEEDS_PERSON),
}


def _end(job: Job, error: BaseException) -> None:
    try:
        _end_as(job, error)
    except ClaimLostError as lost:
        logger.warning("Dailycast: %s", lost)
        if not DailyPodcast.objects.filter(pk=job.row.pk).exists():
            _drop_file(job)
    except AnyDatabaseError:
        logger.exception("Dailycast: the end of episode %s is not written; a sweep will take it back", job.row.pk)


def _end_as(job: Job, error: BaseException) -> None:
    if isinstance(error, ClaimLostError):
        raise error
    if isinstance(error, ReleasedError):
        return job.release()
    if isinstance(error, SkippedError):
        job.skipped = Skip(str(error))
        return job.drop()
    known = next((pair for kind, pair in REASONS.items() if isinstance(error, kind)), None)
    reason = (known or (Reason.INTERNAL, Reason.INTERNAL))[bool(job.row.script_text)]
    details = str(error) if known else f"{type(error).__name__} in {extract_tb(error.__traceback__)[-1].name}"
    logger.error("Dailycast: episode %s: %s", job.row.pk, details, exc_info=None if known else error)
    told = {"error_code": reason, "error_message": details}
    if pause := _pause(job, error):
        return job.put_back(pause, **told)
    if job.row.script_text and reason != Reason.NEEDS_PERSON:
        return _without_audio(job, reason, details)
    return job.end(Status.FAILED, cost_usd=_spent(job)[0], **told)


def _pause(job: Job, error: BaseException) -> float | None:
    """The seconds until the next attempt; None when there is to be none."""
    attempts = job.row.attempts
    passes = isinstance(error, AnyDatabaseError) or (isinstance(error, ProviderError) and not error.permanent)
    if not (job.patient and passes):
        return None
    if attempts >= conf.DAILYCAST_MAX_ATTEMPTS:
        return None
    wish = error.retry_after if isinstance(error, ProviderError) else None
    return float(min(max(wish or 0.0, FIRST_PAUSE * 2 ** (attempts - 1)), LONGEST_PAUSE))


def choose_language(language: str | None, context: LearnerContext | None = None) -> str:
    """The language asked for, else the learner's own, else the default. Raises LanguageError for an unknown one."""
    return normalise(language or (context and context.language) or conf.DAILYCAST_DEFAULT_LANGUAGE)
