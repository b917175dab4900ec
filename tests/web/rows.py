"""Episodes for the tests of pages and player."""

from typing import Any

from django.contrib.auth.models import User

from dailycast.models import DailyPodcast, Status

NAME = "podcasts/podcast_1_1701920000.mp3"
SCRIPT = "# Two rivers\n## Welcome\nGood morning, Alex.\n## Practice\nWhich river?\n[pause 4s]\nThe Seine."
CUES = [
    {"start": 0.0, "end": 2.5, "text": "Good morning, Alex."},
    {"start": 2.5, "end": 4.0, "text": "Which river?"},
    {"start": 8.0, "end": 9.5, "text": "The Seine."},
]
CHAPTERS = [{"start": 0.0, "title": "Welcome"}, {"start": 2.5, "title": "Practice"}]


def make_episode(user: User, **values: Any) -> DailyPodcast:
    defaults = {"language": "en", "title": "Two rivers", "script_text": SCRIPT, "status": Status.COMPLETED}
    return DailyPodcast.objects.create(user=user, **defaults | values)


def make_audio_episode(user: User, **values: Any) -> DailyPodcast:
    """An episode with audio."""
    defaults = {
        "audio_file": NAME,
        "duration_seconds": 100.0,
        "cues": CUES,
        "chapters": CHAPTERS,
        "tts_provider": "pico",
    }
    return make_episode(user, **defaults | values)
