"""Why a job ended as it did: the reason that its row stores for an error."""

from traceback import extract_tb

from ..errors import (
    BudgetError,
    LanguageError,
    LearnerContextError,
    NeedsPersonError,
    ProviderError,
    ScriptError,
    StorageError,
)
from ..models import Reason

REASONS: dict[type[BaseException], tuple[Reason, Reason]] = {  # before there is a script, and after
    LearnerContextError: (Reason.LEARNER, Reason.INTERNAL),
    LanguageError: (Reason.LEARNER, Reason.INTERNAL),  # the default is one that we do not know
    BudgetError: (Reason.BUDGET, Reason.BUDGET),
    ProviderError: (Reason.NO_SCRIPT, Reason.AUDIO_FAILED),
    ScriptError: (Reason.NO_SCRIPT, Reason.AUDIO_FAILED),
    StorageError: (Reason.NOT_SAVED, Reason.NOT_SAVED),
    OSError: (Reason.INTERNAL, Reason.NOT_SAVED),
    NeedsPersonError: (Reason.NEEDS_PERSON, Reason.NEEDS_PERSON),
}


def is_expected(error: BaseException) -> bool:
    """Whether the error has a reason here; the log has the traceback of any other."""
    return isinstance(error, tuple(REASONS))


def reason_for(error: BaseException, has_script: bool) -> Reason:
    pairs = (pair for kind, pair in REASONS.items() if isinstance(error, kind))
    return next(pairs, (Reason.INTERNAL, Reason.INTERNAL))[has_script]


def details_of(error: BaseException) -> str:
    """The text of an expected error; kind and place of an unexpected one, whose text may contain a learner's data."""
    if is_expected(error):
        return str(error)
    return f"{type(error).__name__} in {extract_tb(error.__traceback__)[-1].name}"
