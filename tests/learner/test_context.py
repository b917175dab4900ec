from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils.translation import gettext_lazy

from dailycast.errors import LearnerContextError
from dailycast.learner import (
    Course,
    DueReview,
    LearnerContext,
    Lesson,
    Mistake,
    learner_context,
)


def test_empty_fields_are_left_out_of_the_dict() -> None:
    assert learner_context({"first_name": "Alex", "goal": "", "courses": [Course("History")]}).as_dict() == {
        "first_name": "Alex",
        "courses": ({"title": "History", "subject": "", "lessons_done": 0, "lessons_total": 0, "next_lesson": ""},),
    }


@pytest.mark.parametrize("field", ["courses", "lessons_completed", "quiz_results", "mistakes", "due_reviews"])
def test_any_list_is_material(field: str) -> None:
    assert learner_context({field: ["x"]}).has_material


def test_a_text_stands_for_an_objects_first_field() -> None:
    given = learner_context({"due_reviews": ["ten words", gettext_lazy("Yes")], "lessons_completed": ("Vienna",)})
    assert given == LearnerContext(
        due_reviews=(DueReview("ten words"), DueReview("Yes")), lessons_completed=(Lesson("Vienna"),)
    )


def test_numbers_become_texts_and_none_counts_as_not_given() -> None:
    given = learner_context(
        {"level": 3, "goal": None, "mistakes": [{"question": "1+1", "right_answer": 2, "subject": None}]}
    )
    assert given == LearnerContext(level="3", mistakes=(Mistake("1+1", "", "2"),))


@pytest.mark.parametrize(
    ("data", "message"),
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
        ({"first_name": User()}, "first_name must be a text, not User"),
        ({"active_days": "3"}, "active_days must be a whole number, 0 or more, not '3'"),
        ({"active_days": -1}, "active_days must be a whole number, 0 or more, not -1"),
        ({"active_days": 2.5}, "active_days must be a whole number, 0 or more, not 2.5"),
        ({"active_days": float("nan")}, "active_days must be a whole number, 0 or more, not nan"),
        ({"active_days": True}, "active_days must be a whole number, 0 or more, not True"),
        ({"opted_out": "no"}, "opted_out must be true or false, not 'no'"),
        ({"opted_out": 1}, "opted_out must be true or false, not 1"),
    ],
)
def test_a_wrong_key_is_named(data: dict[str, Any], message: str) -> None:
    with pytest.raises(LearnerContextError) as caught:
        learner_context(data)
    assert str(caught.value) == f"The learner context is wrong: {message}."


def test_every_wrong_key_is_named_at_once() -> None:
    with pytest.raises(LearnerContextError, match="unknown key a; goal must be a text, not list"):
        learner_context({"a": 1, "goal": []})


@pytest.mark.parametrize("days", [3.0, Decimal(3)])
def test_a_whole_number_of_any_type_is_accepted(days: Any) -> None:
    assert learner_context({"active_days": days}).active_days == 3


def test_a_query_or_a_generator_is_read_like_a_list(alex: User) -> None:
    names = User.objects.values_list("username", flat=True)
    assert learner_context({"due_reviews": names, "mistakes": (name for name in ["a"])}) == LearnerContext(
        due_reviews=(DueReview("alex"),), mistakes=(Mistake("a"),)
    )


def test_a_character_that_no_database_stores_is_left_out() -> None:
    assert learner_context({"goal": "Pass\0 it"}).goal == "Pass it"


def test_a_text_that_is_too_long_is_cut() -> None:
    assert learner_context({"goal": "x" * 500_000}).goal == "x" * 2_000


@pytest.mark.parametrize(
    ("given", "opted_out"), [({}, False), ({"opted_out": None}, False), ({"opted_out": True}, True)]
)
def test_a_learner_wants_the_nightly_edition_unless_the_host_says_otherwise(
    given: dict[str, Any], opted_out: bool
) -> None:
    assert learner_context(given).opted_out is opted_out
