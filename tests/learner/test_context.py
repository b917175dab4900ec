from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import override_settings
from django.utils.translation import gettext_lazy

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
    without_emails,
)

ALEX = User(pk=98765, username="alex77", first_name="Alex", email="alex@example.com")
answer: Any = {}


def adapter(user: User) -> Any:
    return answer(user) if callable(answer) else answer


not_callable = 3
HERE = "tests.learner.test_context."


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch, settings: Any) -> Any:
    settings.DAILYCAST_LEARNER_CONTEXT = HERE + "adapter"

    def say(value: Any) -> LearnerContext:
        monkeypatch.setattr("tests.learner.test_context.answer", value)
        return get_learner_context(ALEX)

    return say


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


def test_every_field_arrives(host: Any) -> None:
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


def test_what_says_nothing_is_left_out_of_the_record(host: Any) -> None:
    assert learner_context({"first_name": "Alex", "goal": "", "courses": [Course("History")]}).as_dict() == {
        "first_name": "Alex",
        "courses": ({"title": "History", "subject": "", "lessons_done": 0, "lessons_total": 0, "next_lesson": ""},),
    }


@pytest.mark.parametrize("nothing", [None, {}, LearnerContext()])
def test_a_host_may_know_nothing(host: Any, nothing: Any) -> None:
    assert not host(nothing).has_material


@override_settings(DAILYCAST_LEARNER_CONTEXT="")
def test_without_an_adapter_only_the_first_name_is_known() -> None:
    assert get_learner_context(ALEX) == LearnerContext(first_name="Alex")


def test_a_user_model_without_first_name() -> None:
    with override_settings(DAILYCAST_LEARNER_CONTEXT=""):
        assert get_learner_context(SimpleNamespace(pk=1)) == LearnerContext()  # type: ignore[arg-type]  # a bare user


@pytest.mark.parametrize("field", ["courses", "lessons_completed", "quiz_results", "mistakes", "due_reviews"])
def test_any_list_is_material(field: str) -> None:
    assert learner_context({field: ["x"]}).has_material


def test_a_text_stands_for_an_objects_first_field() -> None:
    given = learner_context({"due_reviews": ["ten words", gettext_lazy("Yes")], "lessons_completed": ("Vienna",)})
    assert given == LearnerContext(
        due_reviews=(DueReview("ten words"), DueReview("Yes")), lessons_completed=(Lesson("Vienna"),)
    )


def test_numbers_become_texts_and_none_is_nothing() -> None:
    given = learner_context(
        {"level": 3, "goal": None, "mistakes": [{"question": "1+1", "right_answer": 2, "subject": None}]}
    )
    assert given == LearnerContext(level="3", mistakes=(Mistake("1+1", "", "2"),))


@pytest.mark.parametrize(
    ("data", "told"),
    [
        ({"mistkes": []}, "unknown key mistkes (did you mean mistakes?)"),
        ({"zzz": 1}, "unknown key zzz"),
        ({"courses": [{"titel": "x"}]}, "unknown key courses[0].titel (did you mean title?)"),
        ({"courses": "History"}, "courses must be a list, not str"),
        ({"courses": {"title": "x"}}, "courses must be a list, not dict"),
        ({"courses": 3}, "courses must be a list, not int"),
        ({"courses": gettext_lazy("Yes")}, "courses must be a list, not __proxy__"),
        ({"mistakes": ["a", 7]}, "mistakes[1] must be a dict or a text, not int"),
        ({"goal": ["a"]}, "goal must be a text, not list"),
        ({"first_name": ALEX}, "first_name must be a text, not User"),
        ({"active_days": "3"}, "active_days must be a whole number, 0 or more, not '3'"),
        ({"active_days": -1}, "active_days must be a whole number, 0 or more, not -1"),
        ({"active_days": 2.5}, "active_days must be a whole number, 0 or more, not 2.5"),
        ({"active_days": float("nan")}, "active_days must be a whole number, 0 or more, not nan"),
        ({"active_days": True}, "active_days must be a whole number, 0 or more, not True"),
        ({"opted_out": "no"}, "opted_out must be true or false, not 'no'"),
        ({"opted_out": 1}, "opted_out must be true or false, not 1"),
    ],
)
def test_a_wrong_key_is_named(data: dict[str, Any], told: str) -> None:
    with pytest.raises(LearnerContextError) as caught:
        learner_context(data)
    assert str(caught.value) == f"The learner context is wrong: {told}."


def test_every_wrong_key_is_named_at_once() -> None:
    with pytest.raises(LearnerContextError, match="unknown key a; goal must be a text, not list"):
        learner_context({"a": 1, "goal": []})


@pytest.mark.parametrize("days", [3.0, Decimal(3)])
def test_a_whole_number_of_any_kind_is_one(days: Any) -> None:
    assert learner_context({"active_days": days}).active_days == 3


def test_a_query_is_as_good_as_a_list(alex: User) -> None:
    names = User.objects.values_list("username", flat=True)
    assert learner_context({"due_reviews": names, "mistakes": (name for name in ["a"])}) == LearnerContext(
        due_reviews=(DueReview("alex"),), mistakes=(Mistake("a"),)
    )


def test_a_character_that_no_database_stores_is_left_out() -> None:
    assert learner_context({"goal": "Pass\0 it"}).goal == "Pass it"


def test_a_text_without_end_is_cut() -> None:
    assert learner_context({"goal": "x" * 500_000}).goal == "x" * 2_000


def test_an_adapter_must_return_a_context_or_a_dict(host: Any) -> None:
    with pytest.raises(LearnerContextError, match=HERE + "adapter must return a LearnerContext or a dict, not list"):
        host([1])


@pytest.mark.parametrize(
    ("path", "told"),
    [
        (HERE + "nothing", f"DAILYCAST_LEARNER_CONTEXT='{HERE}nothing' cannot be imported"),
        ("no.such.module", "DAILYCAST_LEARNER_CONTEXT='no.such.module' cannot be imported"),
        ("nodots", "DAILYCAST_LEARNER_CONTEXT='nodots' cannot be imported"),
        (HERE + "not_callable", f"DAILYCAST_LEARNER_CONTEXT='{HERE}not_callable' is not callable"),
    ],
)
def test_a_bad_path_is_named(path: str, told: str) -> None:
    with override_settings(DAILYCAST_LEARNER_CONTEXT=path), pytest.raises(LearnerContextError) as caught:
        get_learner_context(ALEX)
    assert told in str(caught.value)


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("alex@example.com", ""),
        ("Write to anna.b+x@mail.example.co.uk, please.", "Write to , please."),
        ("Is it <jo@ex.org>?", "Is it < >?"),
        ("What does @ mean?", "What does @ mean?"),
        ("a@b", "a@b"),
        ("ünï@bücher.de!", "!"),
        ("two  spaces\nstay", "two  spaces\nstay"),
    ],
)
def test_no_address_stays_in_a_text(text: str, clean: str) -> None:
    assert without_emails(text) == clean


def test_no_address_stays_in_a_context(host: Any) -> None:
    given = host({"first_name": "alex@example.com", "mistakes": [{"question": "Mail bob@example.com now?"}]})
    assert "example.com" not in str(given)
    assert given.mistakes[0].question == "Mail now?"


def test_a_learner_is_called_by_first_name_else_username() -> None:
    assert [display_name(ALEX), display_name(User(username="kim"))] == ["Alex", "kim"]


@pytest.mark.parametrize(("said", "means"), [({}, False), ({"opted_out": None}, False), ({"opted_out": True}, True)])
def test_a_learner_wants_the_nightly_edition_unless_the_host_says_otherwise(said: dict[str, Any], means: bool) -> None:
    assert learner_context(said).opted_out is means
