"""The reason that a row stores for an error, and how much of the error's text is shown."""

import pytest
from django.db import DatabaseError

from dailycast.errors import (
    BudgetError,
    LanguageError,
    LearnerContextError,
    NeedsPersonError,
    ProviderError,
    ProviderNotConfigured,
    ScriptError,
    StorageError,
    ThrottledError,
    VendorWideError,
)
from dailycast.jobs.error_reasons import REASONS, details_of, is_expected, reason_for
from dailycast.models import Reason

EXPECTED = [
    (LearnerContextError("unknown key mistkes"), Reason.LEARNER, Reason.INTERNAL),
    (LanguageError("Unknown language 'klingon'."), Reason.LEARNER, Reason.INTERNAL),
    (BudgetError("over"), Reason.BUDGET, Reason.BUDGET),
    (ProviderError("bad answer", permanent=True), Reason.NO_SCRIPT, Reason.AUDIO_FAILED),
    (ProviderNotConfigured("no writer is configured."), Reason.NO_SCRIPT, Reason.AUDIO_FAILED),
    (VendorWideError("wrong key"), Reason.NO_SCRIPT, Reason.AUDIO_FAILED),
    (ThrottledError("too many calls"), Reason.NO_SCRIPT, Reason.AUDIO_FAILED),
    (ScriptError("nothing to speak"), Reason.NO_SCRIPT, Reason.AUDIO_FAILED),
    (OSError(28, "No space left on device"), Reason.INTERNAL, Reason.NOT_SAVED),
    (StorageError("The storage failed"), Reason.NOT_SAVED, Reason.NOT_SAVED),
    (NeedsPersonError("begun 5 times"), Reason.NEEDS_PERSON, Reason.NEEDS_PERSON),
]
UNEXPECTED = [RuntimeError("a bug"), DatabaseError("no such column"), KeyboardInterrupt()]


def name_of(error: object) -> str:
    return type(error).__name__ if isinstance(error, BaseException) else str(error)


@pytest.mark.parametrize(("error", "before", "after"), EXPECTED, ids=name_of)
def test_an_expected_error_has_a_reason_before_and_after_there_is_a_script(
    error: Exception, before: Reason, after: Reason
) -> None:
    assert is_expected(error) is True
    assert (reason_for(error, has_script=False), reason_for(error, has_script=True)) == (before, after)


@pytest.mark.parametrize("error", UNEXPECTED, ids=name_of)
@pytest.mark.parametrize("has_script", [True, False])
def test_an_unexpected_error_is_internal(error: BaseException, has_script: bool) -> None:
    assert is_expected(error) is False
    assert reason_for(error, has_script) == Reason.INTERNAL


def test_each_kind_of_error_that_has_a_reason_is_tested() -> None:
    assert set(REASONS) <= {type(error) for error, *_ in EXPECTED}


@pytest.mark.parametrize("error", [error for error, *_ in EXPECTED], ids=name_of)
def test_the_details_of_an_expected_error_are_its_own_words(error: Exception) -> None:
    assert details_of(error) == str(error) != ""


def test_the_details_of_an_unexpected_error_hold_no_data_of_a_learner() -> None:
    def read_records() -> None:
        raise ValueError("kim@school.example")

    with pytest.raises(ValueError) as caught:
        read_records()
    assert details_of(caught.value) == "ValueError in read_records"
