"""Loads `data/*.toml` into the database, with dates relative to now. A second run updates and duplicates nothing."""

import tomllib
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, time, timedelta
from pathlib import Path
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from .models import (
    Answer,
    Course,
    Enrolment,
    Lesson,
    LessonCompletion,
    Profile,
    Question,
    Quiz,
    QuizAttempt,
    ReviewItem,
    Subject,
)

DATA = Path(__file__).parent / "data"
COURSES = ["europe", "everyday_english", "essays"]


@transaction.atomic
def load(password: str) -> list[User]:
    """The learners in the order of `learners.toml`, then the superuser `admin`; new accounts get `password`."""
    for name in COURSES:
        load_course(**read(name))
    learners = [load_learner(password, **learner) for learner in read("learners")["learner"]]
    return [*learners, account("admin", password, is_staff=True, is_superuser=True)]


def read(name: str) -> dict[str, Any]:
    return tomllib.loads((DATA / f"{name}.toml").read_text(encoding="utf-8"))


def load_course(subject: str, title: str, description: str, lesson: list[Any], quiz: list[Any]) -> None:
    record, _ = Subject.objects.get_or_create(name=subject)
    defaults = {"subject": record, "description": description}
    course, _ = Course.objects.update_or_create(title=title, defaults=defaults)
    for order, values in enumerate(lesson, 1):
        values["body"] = values["body"].strip()
        Lesson.objects.update_or_create(course=course, order=order, defaults=values)
    for values in quiz:
        load_quiz(course, **values)


def load_quiz(course: Course, title: str, question: list[Any]) -> None:
    quiz, _ = Quiz.objects.get_or_create(course=course, title=title)
    for order, values in enumerate(question, 1):
        Question.objects.update_or_create(quiz=quiz, order=order, defaults=values)


def load_learner(
    password: str,
    username: str,
    first_name: str,
    enrolment: Sequence[Any] = (),
    attempt: Sequence[Any] = (),
    reviews: Sequence[Any] = (),
    **profile: str,
) -> User:
    user = account(username, password, first_name=first_name)
    if profile:
        Profile.objects.update_or_create(user=user, defaults=profile)
    for values in enrolment:
        enrol(user, **values)
    attempts = Counter[str]()
    for values in attempt:
        attempts[values["quiz"]] += 1
        answer(user, number=attempts[values["quiz"]], **values)
    for values in reviews:
        set_reviews(user, **values)
    return user


def account(username: str, password: str, **values: Any) -> User:
    """The user of that name, created with `password` where there is none, else unchanged."""
    user, created = User.objects.get_or_create(username=username, defaults=values)
    if created:
        user.set_password(password)
        user.save()
    return user


def enrol(user: User, course: str, goal: str = "", completed: Sequence[int] = ()) -> None:
    record = Course.objects.get(title=course)
    Enrolment.objects.update_or_create(user=user, course=record, defaults={"goal": goal})
    for order, days in enumerate(completed, 1):
        lesson = record.lessons.get(order=order)
        LessonCompletion.objects.update_or_create(user=user, lesson=lesson, defaults={"when": morning(days)})


def answer(user: User, number: int, quiz: str, days_ago: int, wrong: Mapping[str, str] | None = None) -> None:
    record = Quiz.objects.get(title=quiz)
    start = morning(days_ago)
    attempt, _ = QuizAttempt.objects.update_or_create(user=user, quiz=record, number=number, defaults={"when": start})
    for question in record.questions.all():
        missed = (wrong or {}).get(str(question.order))
        values = {"given": missed or question.right_answer, "correct": not missed}
        values["when"] = start + timedelta(minutes=question.order)
        Answer.objects.update_or_create(attempt=attempt, question=question, defaults=values)


def set_reviews(user: User, subject: str, cards: Sequence[tuple[str, str, int]]) -> None:
    record = Subject.objects.get(name=subject)
    for front, back, days in cards:
        defaults = {"subject": record, "back": back, "due": timezone.localdate() + timedelta(days=days)}
        ReviewItem.objects.update_or_create(user=user, front=front, defaults=defaults)


def morning(days_ago: int) -> datetime:
    """Ten o'clock local time, which for 1 day ago or more is always in the past."""
    return timezone.make_aware(datetime.combine(timezone.localdate() - timedelta(days=days_ago), time(10)))
