from django.contrib import admin

from . import models


class QuestionInline(admin.StackedInline):  # type: ignore[type-arg]  # Django's own class takes no parameter
    model = models.Question
    extra = 0


class AnswerInline(admin.TabularInline):  # type: ignore[type-arg]  # the same
    model = models.Answer
    extra = 0
    raw_id_fields = ["question"]


admin.site.register(models.Subject, search_fields=["name"])
admin.site.register(
    models.Course,
    list_display=["title", "subject"],
    list_filter=["subject"],
    list_select_related=["subject"],
    search_fields=["title"],
)
admin.site.register(
    models.Lesson,
    list_display=["title", "course", "order"],
    list_filter=["course"],
    list_select_related=["course"],
    search_fields=["title", "summary"],
)
admin.site.register(
    models.Quiz,
    list_display=["title", "course"],
    list_filter=["course"],
    list_select_related=["course"],
    search_fields=["title", "questions__text"],
    inlines=[QuestionInline],
)
admin.site.register(
    models.Question,
    list_display=["text", "right_answer", "quiz"],
    list_filter=["quiz"],
    list_select_related=["quiz"],
    search_fields=["text", "right_answer"],
)
admin.site.register(
    models.Profile,
    list_display=["user", "native_language", "language", "level"],
    list_select_related=["user"],
    search_fields=["user__username", "level"],
)
admin.site.register(
    models.Enrolment,
    list_display=["user", "course", "goal"],
    list_filter=["course"],
    list_select_related=["user", "course"],
    search_fields=["user__username", "course__title"],
)
admin.site.register(
    models.LessonCompletion,
    list_display=["user", "lesson", "when"],
    list_select_related=["user", "lesson"],
    search_fields=["user__username", "lesson__title"],
)
admin.site.register(
    models.QuizAttempt,
    list_display=["user", "quiz", "number", "when"],
    list_filter=["quiz"],
    list_select_related=["user", "quiz"],
    search_fields=["user__username", "quiz__title"],
    inlines=[AnswerInline],
)
admin.site.register(
    models.Answer,
    list_display=["question", "given", "correct", "attempt", "when"],
    list_filter=["correct"],
    list_select_related=["question", "attempt__user", "attempt__quiz"],
    search_fields=["attempt__user__username", "question__text", "given"],
    raw_id_fields=["attempt", "question"],
)
admin.site.register(
    models.ReviewItem,
    list_display=["front", "back", "user", "subject", "due"],
    list_filter=["subject"],
    list_select_related=["user", "subject"],
    search_fields=["user__username", "front", "back"],
)
