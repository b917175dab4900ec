"""The three functions of docs/integrating.md, and every error that its pages name."""

from dailycast.errors import (
    CooldownError,
    DailycastError,
    InTransactionError,
    LanguageError,
    LearnerContextError,
    ProviderError,
    ScriptError,
)
from dailycast.learner import Course, DueReview, LearnerContext, Lesson, Mistake, QuizResult
from dailycast.models import DailyPodcast, ProviderCall
from dailycast.runners import retry, submit, sweep
from dailycast.services import create_podcast_for_user, generate_podcast_script, synthesize_audio
from django.contrib.auth.models import User
from django.db import transaction

ERRORS = (CooldownError, InTransactionError, LanguageError, LearnerContextError, ProviderError, ScriptError)


def everything(user):
    """Whatever the records may hold, for DAILYCAST_LEARNER_CONTEXT."""
    return LearnerContext(
        first_name="Alex",
        courses=(Course("Everyday English", "English", 3, 8, next_lesson="Small talk"),),
        lessons_completed=(Lesson("Vienna", "History", summary="Five powers drew the map."),),
        quiz_results=(QuizResult("Past tenses", "English", correct=7, total=10),),
        mistakes=(Mistake("go, past tense?", "goed", "went", explanation="It is irregular."),),
        due_reviews=(DueReview("Who led the Austrian side?", answer="Metternich"),),
        weakest_subject="English",
        strongest_subject="History",
        active_days=3,
        goal="pass the history exam",
        opted_out=True,
    )


def as_a_dict(user):
    return {
        "first_name": "Yuki",
        "language": "ja",
        "mistakes": [{"question": "go, past tense?", "learner_answer": "goed", "right_answer": "went"}],
        "due_reviews": ["ten words about food"],
    }


def try_all(username):
    user = User.objects.get(username=username)
    text, writer = generate_podcast_script(user, "en")
    mp3, voice = synthesize_audio(text, language="en")
    podcast = create_podcast_for_user(user, language="en")
    yield writer, voice, len(mp3) > 1000, podcast.status, podcast.has_audio, podcast.title
    yield retry(podcast), submit(user, "en", source="command", with_audio=False, minutes=2, requested_by=user).source
    sweep()
    yield ProviderCall.objects.filter(podcast=podcast, outcome="ok").count()
    yield DailyPodcast.objects.filter(user=user, status="completed").exists()
    yield from (failure(call, user) for call in (nowhere, unspeakable, inside))


def nowhere(user):
    submit(user, "tlh")


def unspeakable(user):
    synthesize_audio("[pause 4s]", "en")


def inside(user):
    with transaction.atomic():
        create_podcast_for_user(user)


def failure(call, user):
    try:
        call(user)
    except DailycastError as error:
        return type(error).__name__, isinstance(error, ERRORS)
