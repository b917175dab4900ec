"""What dailycast may know of a learner, read from the academy's records. Copy this module for your own LMS."""

from collections import Counter
from datetime import timedelta

from django.contrib.auth.models import User
from django.db.models import Count, Q
from django.utils.timezone import localdate, now

from dailycast.learner import Course, DueReview, LearnerContext, Lesson, Mistake, QuizResult

from . import models


def learner_context(user: User) -> LearnerContext:
    """What `user` learns, did in the last 14 days, missed and should review, newest first. Always seven queries."""
    since, today = now() - timedelta(days=14), localdate()
    profile = models.Profile.objects.filter(user=user).first() or models.Profile()
    enrolled = list(user.enrolments.select_related("course__subject").prefetch_related("course__lessons"))
    completed = list(user.lesson_completions.select_related("lesson__course__subject"))
    recent_lessons = [completion.lesson for completion in reversed(completed) if completion.when >= since]
    attempts = user.quiz_attempts.filter(when__gte=since).select_related("quiz__course__subject").order_by("when")
    scored = attempts.annotate(right=Count("answers", filter=Q(answers__correct=True)), total=Count("answers"))
    recent = models.Answer.objects.filter(attempt__user=user, when__gte=since).order_by("when")
    answers = list(recent.select_related("question__quiz__course__subject"))
    latest = list(
        {answer.question_id: answer for answer in answers}.values()
    )  # a mistake that was corrected since does not count
    last = {attempt.quiz_id: attempt for attempt in scored}.values()  # the last attempt at each quiz
    missed = [(answer.question, answer.given) for answer in reversed(latest) if not answer.correct]
    due = user.review_items.filter(due__lte=today).select_related("subject")
    active = {localdate(when) for when in [*(c.when for c in completed), *(a.when for a in answers)]}
    weakest, strongest = extremes(latest)
    return LearnerContext(
        first_name=user.first_name,
        language=profile.language,
        native_language=profile.native_language,
        level=profile.level,
        courses=tuple(progress(e.course, {c.lesson_id for c in completed}) for e in enrolled),
        lessons_completed=tuple(
            Lesson(lesson.title, lesson.subject.name, lesson.local_summary) for lesson in recent_lessons
        ),
        quiz_results=tuple(QuizResult(t.quiz.title, t.quiz.subject.name, t.right, t.total) for t in reversed(last)),
        mistakes=tuple(Mistake(q.text, g, q.right_answer, q.subject.name, q.local_explanation) for q, g in missed),
        due_reviews=tuple(DueReview(card.front, card.back, card.subject.name) for card in due),
        weakest_subject=weakest,
        strongest_subject=strongest,
        active_days=sum(today - timedelta(days=7) < day <= today for day in active),
        goal=next((e.goal for e in enrolled if e.goal), ""),
    )


def progress(course: models.Course, done: set[int]) -> Course:
    total = len(course.lessons.all())
    left = [lesson.title for lesson in course.lessons.all() if lesson.pk not in done]
    return Course(course.title, course.subject.name, total - len(left), total, left[0] if left else "")


def extremes(answers: list[models.Answer]) -> tuple[str, str]:
    """The weakest and the strongest of the subjects with three answers, if they differ by at least ten per cent."""
    total = Counter(answer.question.subject.name for answer in answers)
    right = Counter(answer.question.subject.name for answer in answers if answer.correct)
    rates = sorted((100 * right[subject] // total[subject], subject) for subject in total if total[subject] >= 3)
    return (rates[0][1], rates[-1][1]) if rates and rates[-1][0] - rates[0][0] >= 10 else ("", "")
