"""The records of a small LMS: courses, learners, their answers, and what they should review."""

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import get_language


def in_active_language(record: models.Model, field: str) -> str:
    """The text of `field` in Django's active language, where the record has a translation."""
    translated = getattr(record, f"{field}_{get_language()}", "")
    return str(translated or getattr(record, field))


class Subject(models.Model):
    name = models.CharField(max_length=100, unique=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class Course(models.Model):
    subject = models.ForeignKey(Subject, models.PROTECT, related_name="courses")
    title = models.CharField(max_length=200, unique=True)
    description = models.TextField(blank=True)

    class Meta:
        ordering = ["title"]

    def __str__(self) -> str:
        return self.title


class Lesson(models.Model):
    course = models.ForeignKey(Course, models.CASCADE, related_name="lessons")
    order = models.PositiveSmallIntegerField()
    title = models.CharField(max_length=200)
    summary = models.TextField(help_text="What the lesson teaches, in a sentence or two.")
    summary_ja = models.TextField("summary in Japanese", blank=True)
    body = models.TextField(help_text="The teaching text; an empty line begins a new paragraph.")

    class Meta:
        ordering = ["course", "order"]
        constraints = [models.UniqueConstraint(fields=["course", "order"], name="academy_one_lesson_a_place")]

    def __str__(self) -> str:
        return self.title

    @property
    def subject(self) -> Subject:
        return self.course.subject

    @property
    def local_summary(self) -> str:
        return in_active_language(self, "summary")


class Quiz(models.Model):
    course = models.ForeignKey(Course, models.CASCADE, related_name="quizzes")
    title = models.CharField(max_length=200)

    class Meta:
        ordering = ["course", "id"]
        verbose_name_plural = "quizzes"
        constraints = [models.UniqueConstraint(fields=["course", "title"], name="academy_one_quiz_a_title")]

    def __str__(self) -> str:
        return self.title

    @property
    def subject(self) -> Subject:
        return self.course.subject


class Question(models.Model):
    quiz = models.ForeignKey(Quiz, models.CASCADE, related_name="questions")
    order = models.PositiveSmallIntegerField()
    text = models.CharField(max_length=300)
    right_answer = models.CharField(max_length=300)
    explanation = models.TextField(blank=True, help_text="Why the right answer is right.")
    explanation_ja = models.TextField("explanation in Japanese", blank=True)

    class Meta:
        ordering = ["quiz", "order"]
        constraints = [models.UniqueConstraint(fields=["quiz", "order"], name="academy_one_question_a_place")]

    def __str__(self) -> str:
        return self.text

    @property
    def subject(self) -> Subject:
        return self.quiz.course.subject

    @property
    def local_explanation(self) -> str:
        return in_active_language(self, "explanation")


class Profile(models.Model):
    """What the academy knows of a learner besides the user; both languages are BCP-47 codes."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, models.CASCADE, related_name="profile")
    native_language = models.CharField(max_length=35, blank=True)
    language = models.CharField("language of the podcast", max_length=35, blank=True)
    level = models.CharField(max_length=40, blank=True)

    def __str__(self) -> str:
        return f"Profile of {self.user}"


class Enrolment(models.Model):
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="enrolments")
    course = models.ForeignKey(Course, models.CASCADE, related_name="enrolments")
    goal = models.CharField(max_length=200, blank=True)

    class Meta:
        ordering = ["user", "id"]
        constraints = [models.UniqueConstraint(fields=["user", "course"], name="academy_enrolled_once")]

    def __str__(self) -> str:
        return f"{self.user} in {self.course}"


class LessonCompletion(models.Model):
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="lesson_completions")
    lesson = models.ForeignKey(Lesson, models.CASCADE, related_name="completions")
    when = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["when", "id"]
        constraints = [models.UniqueConstraint(fields=["user", "lesson"], name="academy_completed_once")]

    def __str__(self) -> str:
        return f"{self.user} completed {self.lesson}"


class QuizAttempt(models.Model):
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="quiz_attempts")
    quiz = models.ForeignKey(Quiz, models.CASCADE, related_name="attempts")
    number = models.PositiveSmallIntegerField(default=1, help_text="1 for the learner's first try at this quiz.")
    when = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["when", "id"]
        constraints = [models.UniqueConstraint(fields=["user", "quiz", "number"], name="academy_attempts_numbered")]

    def __str__(self) -> str:
        return f"{self.user} tried {self.quiz}"


class Answer(models.Model):
    attempt = models.ForeignKey(QuizAttempt, models.CASCADE, related_name="answers")
    question = models.ForeignKey(Question, models.CASCADE, related_name="answers")
    given = models.CharField(max_length=300, blank=True)
    correct = models.BooleanField()
    when = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["when", "id"]
        constraints = [models.UniqueConstraint(fields=["attempt", "question"], name="academy_answered_once_a_try")]

    def __str__(self) -> str:
        return self.given


class ReviewItem(models.Model):
    """A card that comes back on the day it is due."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="review_items")
    subject = models.ForeignKey(Subject, models.CASCADE, related_name="review_items")
    front = models.CharField(max_length=200)
    back = models.CharField(max_length=200)
    due = models.DateField()

    class Meta:
        ordering = ["due", "id"]
        constraints = [models.UniqueConstraint(fields=["user", "front"], name="academy_one_card_a_front")]

    def __str__(self) -> str:
        return self.front
