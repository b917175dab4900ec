"""The chain of writers: a prompt becomes a draft."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from ..errors import ProviderError, ProviderNotConfigured
from ..jobs.job import Job
from ..languages.table import get_language
from ..llm.base import Completion, LLMProvider
from ..models import Kind
from ..purchases import ledger
from ..purchases.purchase import ScriptPurchase
from ..purchases.scheduler import buy
from ..script import grammar
from ..script.model_answer import extract_script
from ..script.prompt import Prompt
from .providers import first_success, writers

logger = logging.getLogger("dailycast")
LONGEST_SCRIPT = 12_000  # characters: up to here every script is accepted, beyond only up to 3 x the requested length


@dataclass(frozen=True)
class Draft:
    """A written script; `text` is in the script grammar, ready to be saved."""

    text: str
    completion: Completion


def write_script(prompt: Prompt, job: Job) -> Draft:
    """The draft stored from an earlier attempt of this job, else one by the first writer that succeeds.

    Raises ProviderError when each of them failed.
    """
    for draft in _stored_drafts(prompt, job):
        return draft
    configured = writers.configured()
    if not configured:
        raise ProviderNotConfigured(f"no writer is configured. {writers.missing()}")
    return first_success(configured, partial(_write, prompt=prompt, job=job), Kind.SCRIPT, job)


def _stored_drafts(prompt: Prompt, job: Job) -> Iterator[Draft]:
    for answer in ledger.stored_answers(job, Kind.SCRIPT):
        try:
            yield _checked(Completion(**answer), prompt)
        except ProviderError as error:
            logger.info("Dailycast: the script that was bought before cannot be used: %s", error)


def _write(writer: LLMProvider, prompt: Prompt, job: Job) -> Draft:
    purchase = ScriptPurchase(writer, prompt, keep_answer=job.podcast is not None)
    completion = buy([purchase], 1, job)[0]
    try:
        return _checked(completion, prompt)
    except ProviderError as error:
        ledger.mark_unusable(job, str(error))
        raise


def _checked(completion: Completion, prompt: Prompt) -> Draft:
    text = grammar.normalise_completion(extract_script(completion.text, prompt.language))
    characters = len(grammar.parse(text, prompt.language).spoken_text)
    if not characters:
        raise ProviderError("the answer has nothing in it to speak", permanent=True)
    if characters > max(LONGEST_SCRIPT, 3 * prompt.minutes * 60 * get_language(prompt.language).rate):
        raise ProviderError(f"the answer runs on, over {characters:,} characters", permanent=True)
    return Draft(text, completion)
