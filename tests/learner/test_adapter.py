from types import SimpleNamespace
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import override_settings

from dailycast.errors import LearnerContextError
from dailycast.learner import (
    Course,
    DueReview,
    LearnerContext,
    Lesson,
    Mistake,
    QuizResult,
    display_name,
    get_learner_context,
    learner_context,
)

ALEX = User(pk=98765, username="alex77", first_name="Alex", email="alex@example.com")
answer: Any = {}


def adapter(user: User) -> Any:
    return answer(user) if callable(answer) else answer


not_callable = 3
HERE = "tests.learner.test_adapter."


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch, settings: Any) -> Any:
    settings.DAILYCAST_LEARNER_CONTEXT = HERE + "adapter"

    def give(value: Any) -> LearnerContext:
        monkeypatch.setattr("tests.learner.test_adapter.answer", value)
        return get_learner_context(ALEX)

    return give


FULL = {
    "first_name": "Alexandra",
    "language": "en",
    "native_language": "ja",
    "level": "A2",
    "courses": [{"title": "History", "subject": "Past", "lessons_done": 3, "lessons_total": 9, "next_lesson": "1848"}],
    "lessons_completed": [{"title": "Vienna", "subject": "Past", "summary": "Order."}],
    "quiz_results": [{"title": "Quiz", "subject": "Past", "correct": 3, "total": 4}],
    "mistakes": [{"question": "Q", "learner_answer": "A", "right_answer": "B", "subject": "S", "explanation": "E"}],
    "due_reviews": [{"item": "I", "answer": "A", "subject": "S"}],
    "weakest_subject": "Past",
    "strongest_subject": "Present",
    "active_days": 5,
    "goal": "Pass",
}


def test_every_field_of_the_host_is_in_the_context(host: Any) -> None:
    assert host(FULL) == LearnerContext(
        first_name="Alexandra",
        language="en",
        native_language="ja",
        level="A2",
        courses=(Course("History", "Past", 3, 9, "1848"),),
        lessons_completed=(Lesson("Vienna", "Past", "Order."),),
        quiz_results=(QuizResult("Quiz", "Past", 3, 4),),
        mistakes=(Mistake("Q", "A", "B", "S", "E"),),
        due_reviews=(DueReview("I", "A", "S"),),
        weakest_subject="Past",
        strongest_subject="Present",
        active_days=5,
        goal="Pass",
    )


def test_a_learner_context_is_as_good_as_a_dict(host: Any) -> None:
    assert host(learner_context(FULL)) == learner_context(FULL)


@pytest.mark.parametrize("nothing", [None, {}, LearnerContext()])
def test_a_host_may_know_nothing(host: Any, nothing: Any) -> None:
    assert not host(nothing).has_material


@override_settings(DAILYCAST_LEARNER_CONTEXT="")
def test_without_an_adapter_only_the_first_name_is_known() -> None:
    assert get_learner_context(ALEX) == LearnerContext(first_name="Alex")


def test_a_user_model_without_first_name() -> None:
    with override_settings(DAILYCAST_LEARNER_CONTEXT=""):
        assert get_learner_context(SimpleNamespace(pk=1)) == LearnerContext()  # type: ignore[arg-type]  # a bare user


def test_an_adapter_must_return_a_context_or_a_dict(host: Any) -> None:
    with pytest.raises(LearnerContextError, match=HERE + "adapter must return a LearnerContext or a dict, not list"):
        host([1])


@pytest.mark.parametrize(
    ("path", "message"),
    [
        (HERE + "nothing", f"DAILYCAST_LEARNER_CONTEXT='{HERE}nothing' cannot be imported"),
        ("no.such.module", "DAILYCAST_LEARNER_CONTEXT='no.such.module' cannot be imported"),
        ("nodots", "DAILYCAST_LEARNER_CONTEXT='nodots' cannot be imported"),
        (HERE + "not_callable", f"DAILYCAST_LEARNER_CONTEXT='{HERE}not_callable' is not callable"),
    ],
)
def test_a_bad_path_is_named(path: str, message: str) -> None:
    with override_settings(DAILYCAST_LEARNER_CONTEXT=path), pytest.raises(LearnerContextError) as caught:
        get_learner_context(ALEX)
    assert message in str(caught.value)


def test_no_email_address_stays_in_a_context(host: Any) -> None:
    given = host({"first_name": "alex@example.com", "mistakes": [{"question": "Mail bob@example.com now?"}]})
    assert "example.com" not in str(given)
    assert given.mistakes[0].question == "Mail now?"


def test_a_learner_is_called_by_first_name_else_username() -> None:
    assert [display_name(ALEX), display_name(User(username="kim"))] == ["Alex", "kim"]
