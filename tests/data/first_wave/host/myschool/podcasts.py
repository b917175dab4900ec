# myschool/podcasts.py
from dailycast.learner import Course, LearnerContext, Mistake


def learner_context(user) -> LearnerContext:
    answers = user.answers.filter(correct=False).select_related("question")[:20]
    return LearnerContext(
        first_name=user.first_name,
        language="en",
        native_language="ja",
        level="A2",
        courses=(Course(title="Everyday English", subject="English", lessons_done=3, lessons_total=8),),
        mistakes=tuple(Mistake(a.question.text, a.given, a.question.right_answer) for a in answers),
    )
