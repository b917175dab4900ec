"""How an episode is made, read top-down.

The public functions are `create_podcast_for_user`, `generate_podcast_script` and `synthesize_audio`. The runners call
`run` with the primary key of a row; the job continues from what the row already has.
"""

import logging
from datetime import timedelta
from hashlib import sha256

from django.contrib.auth.base_user import AbstractBaseUser
from django.utils import timezone

from .audio import storage
from .conf import conf
from .errors import CapturedError, ClaimLostError, NeedsPersonError, ReleasedError, SkippedError
from .jobs import queue
from .jobs.database import require_no_transaction
from .jobs.error_reasons import details_of, is_expected, reason_for
from .jobs.heartbeat import keep_lease
from .jobs.job import Job
from .jobs.logs import AboutEpisode
from .learner import LearnerContext, choose_language, get_learner_context, learner_context
from .models import NO_AUDIO, WITHOUT_AUDIO, DailyPodcast, Reason, Skip, Source, Status
from .purchases import ledger
from .script import grammar
from .script.prompt import build_prompt
from .signals import podcast_ready
from .studio.estimate import bytes_needed, require_writable_media, speech_estimate
from .studio.voices import NOT_CONFIGURED as NOT_CONFIGURED  # what the log says without AWS keys
from .studio.voices import NoVoiceError, Speech, make_speech
from .studio.writers import write_script

logger = logging.getLogger("dailycast")
ANNOUNCE_WITHIN = timedelta(days=1)  # an episode completed earlier is not announced any more


# The three public functions


def create_podcast_for_user(user: AbstractBaseUser, language: str | None = None) -> DailyPodcast:
    """Write, speak and save an episode for `user` now; `language` is BCP-47, by default the learner's own.

    Returns the row: `completed`, with or without audio, or `failed` when no writer could write a script
    (`error_message` says why). Raises InTransactionError, and LanguageError before anything is paid.
    """
    require_no_transaction()
    return retry_now(queue.submit(user, language))


def generate_podcast_script(user: AbstractBaseUser, language: str | None = None) -> tuple[str, str]:
    """The script text and the name of the provider that wrote it; saves only what it cost.

    Raises ProviderError when every writer failed, LanguageError, LearnerContextError, InTransactionError.
    """
    require_no_transaction()
    context = get_learner_context(user)
    prompt = build_prompt(context, choose_language(language, context), conf.DAILYCAST_MINUTES)
    draft = write_script(prompt, Job())
    return draft.text, draft.completion.provider


def synthesize_audio(script_text: str, language: str | None = None) -> tuple[bytes, str]:
    """The MP3 of `script_text` and the name of the provider that spoke it; `(b"", "none")` when there is no voice.

    Raises ProviderError when every voice failed, ScriptError for a script that an editor has to correct,
    LanguageError, InTransactionError.
    """
    require_no_transaction()
    try:
        speech = make_speech(script_text, choose_language(language), Job())
    except NoVoiceError:
        return b"", NO_AUDIO
    return speech.mp3, speech.provider


# An episode


def retry_now(podcast: DailyPodcast) -> DailyPodcast:
    """Make now what the row still lacks, whatever was tried before. An existing script is not paid for again."""
    require_no_transaction()
    queue.reopen(podcast.pk)
    run(podcast.pk)
    return DailyPodcast.objects.filter(pk=podcast.pk).first() or podcast  # the row may be deleted


def run(pk: int, can_reschedule: bool = False) -> Job | None:
    """Claim a row that is due and finish its job; None when it was not due, or another worker has it.

    `can_reschedule`: a transient error makes the row pending again, for a later attempt; without it the job ends there.
    """
    with AboutEpisode(pk):
        job = queue.claim(pk, can_reschedule)
        if job is not None:
            with keep_lease(job):
                ledger.release_earlier(job)
                _make(job)
                ledger.release(job)
            announce(pk)
    return job


def announce(pk: int) -> None:
    """Tell the host that an episode is ready: once, and only what is committed."""
    if podcast := queue.take_announcement(pk):
        podcast_ready.send_robust(DailyPodcast, podcast=podcast)


def announce_missed() -> None:
    """Announce the episodes whose worker ended between the last write and the announcement."""
    for pk in queue.unannounced(within=ANNOUNCE_WITHIN):
        announce(pk)


def _make(job: Job) -> None:
    """The job boundary: every error is saved on the row and shown there; a script that is saved is kept."""
    try:
        if job.row.attempts > conf.DAILYCAST_MAX_ATTEMPTS:
            raise NeedsPersonError(f"It was begun {job.row.attempts - 1} times and never came to an end.")
        if not job.row.script_text:
            _write(job)
        ledger.clear_answers(job)
        if job.row.with_audio:
            _speak(job)
        else:
            _finish_without_audio(job, Reason.AUDIO_NOT_ASKED)
    except Exception as error:  # noqa: BLE001  # the job boundary
        _end(job, error)
    except KeyboardInterrupt as stop:
        _end(job, stop)
        raise


def _write(job: Job) -> None:
    context = _context(job)
    if job.row.source == Source.DAILY and (reason := skip_reason(context)):
        raise SkippedError(reason)
    require_writable_media(job.row)
    language = choose_language(job.row.language, context)
    job.write(language=language, context=context.as_dict())
    minutes = job.row.minutes or conf.DAILYCAST_MINUTES
    if job.row.with_audio:  # else the last of a budget would buy scripts that nobody can hear
        ledger.reserve(job, speech_estimate(language, minutes))
    draft = write_script(build_prompt(context, language, minutes), job)
    if script := job.current_script():  # an editor has written one meanwhile
        job.row.script_text = script
    else:
        job.write(
            title=grammar.find_title(draft.text)[:200],
            script_text=draft.text,
            llm_provider=draft.completion.provider,
            llm_model=draft.completion.model,
            prompt_tokens=draft.completion.prompt_tokens,
            completion_tokens=draft.completion.completion_tokens,
            cost_usd=ledger.cost_of(job.row)[0],
        )


def _context(job: Job) -> LearnerContext:
    """The learner context saved on the row, so that a retry sends the same prompt; else a new one from the host."""
    return learner_context(job.row.context) if job.row.context else get_learner_context(job.row.user)


def skip_reason(context: LearnerContext) -> Skip | None:
    """Why this learner gets no nightly edition; None if they get one."""
    if context.opted_out:
        return Skip.OPTED_OUT
    return None if context.has_material else Skip.NO_DATA


def _speak(job: Job) -> None:
    try:
        speech = _make_and_save_speech(job)
    except NoVoiceError as error:
        return _finish_without_audio(job, error.reason, str(error))
    usd, characters = ledger.cost_of(job.row)
    return job.finish(
        Status.COMPLETED,
        audio_bytes=len(speech.mp3),
        audio_sha256=sha256(speech.mp3).hexdigest(),
        duration_seconds=speech.duration,
        chapters=speech.chapters,
        cues=speech.cues,
        tts_provider=speech.provider,
        tts_voice=speech.voice,
        tts_characters=characters,
        cost_usd=usd,
        completed_at=timezone.now(),
    )


def _make_and_save_speech(job: Job) -> Speech:
    """Make the speech and store its file; start over when an editor has changed the script meanwhile."""
    while True:
        text = job.current_script()
        storage.require_space(bytes_needed(text))
        speech = make_speech(text, job.row.language, job)
        job.renew()  # a worker that was suspended here may have lost the claim
        name = storage.write_atomic(job.write_audio_name(), speech.mp3)
        if name != job.audio_name:  # a storage that chooses names itself
            job.audio_name = name
            job.write(audio_file=name)
        if job.current_script() == text:
            return speech


def _finish_without_audio(job: Job, reason: Reason, details: str = "") -> None:
    usd, characters = ledger.cost_of(job.row)
    values = {"error_code": reason, "error_message": details, "cost_usd": usd, "tts_characters": characters or None}
    job.renew()  # else a worker that lost the claim would delete the file of the one that has it
    _delete_audio(job)
    job.finish(Status.COMPLETED, **WITHOUT_AUDIO, completed_at=timezone.now(), **values)


def _delete_audio(job: Job) -> None:
    """Delete the episode's file, which an earlier attempt may have written: no row refers to it from now on."""
    if job.row.audio_file:
        storage.delete_if_possible(str(job.row.audio_file.name))


def _end(job: Job, error: BaseException) -> None:
    ending = CapturedError()
    with ending:
        _end_as(job, error)
    if isinstance(ending.error, ClaimLostError):
        logger.warning("Dailycast: %s", ending.error)
        job.delete_own_audio()
    elif isinstance(ending.error, KeyboardInterrupt):
        raise ending.error
    elif ending.error is not None:
        message = "Dailycast: the end of episode %s is not written; a sweep will take it back"
        logger.error(message, job.row.pk, exc_info=ending.error)


def _end_as(job: Job, error: BaseException) -> None:
    if isinstance(error, ClaimLostError):
        raise error
    if isinstance(error, ReleasedError):
        return job.release()
    if isinstance(error, SkippedError):
        job.skipped = Skip(str(error))
        return job.delete_row()
    reason, details = reason_for(error, bool(job.row.script_text)), details_of(error)
    logger.error("Dailycast: episode %s: %s", job.row.pk, details, exc_info=None if is_expected(error) else error)
    if delay := job.retry_delay(error):
        return job.reschedule(delay, error_code=reason, error_message=details)
    if job.row.script_text and reason != Reason.NEEDS_PERSON:
        return _finish_without_audio(job, reason, details)
    return job.finish(Status.FAILED, cost_usd=ledger.cost_of(job.row)[0], error_code=reason, error_message=details)
