"""The private feed of a learner with 365 episodes: queries and milliseconds, on SQLite.

python bench/feed.py      bound: 6 queries, 50 ms of CPU, which is the whole time on a machine that is otherwise idle
"""

import sys
import tempfile
import time
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from bench import project  # noqa: E402

EPISODES, ASKED = 365, 20
SENTENCE = 'Yesterday you answered "went" to seven of ten questions about the past tense, one more than the day before.'


def prepare(folder: str) -> None:
    project.prepare(folder, DJANGO_ALLOWED_HOSTS="testserver", DJANGO_DEBUG="false", DJANGO_SECRET_KEY="for this run")


def create_episodes() -> str:
    """Create a year of episodes of four minutes each; return the address of their feed."""
    from datetime import timedelta

    from django.contrib.auth.models import User
    from django.urls import reverse
    from django.utils import timezone

    from dailycast.models import DailyPodcast, Feed, Status

    alex = User.objects.create_user("alex")
    DailyPodcast.objects.bulk_create(
        DailyPodcast(
            user=alex,
            language="en",
            title=f"Yesterday's mistakes, and idea number {day}",
            script_text="# A title\n\n## Welcome back\n" + f"{SENTENCE}\n\n" * 35,
            audio_file=f"podcasts/podcast_1_{day}.mp3",
            audio_bytes=1_800_000,
            duration_seconds=240.5,
            status=Status.COMPLETED,
            chapters=[{"start": 60.0 * number, "title": "Practice"} for number in range(4)],
            cues=[{"start": 7.0 * number, "end": 7.0 * number + 6.5, "text": SENTENCE} for number in range(35)],
            context={"notes": SENTENCE * 20},
            completed_at=timezone.now() - timedelta(days=day),
        )
        for day in range(EPISODES)
    )
    return reverse("dailycast:feed", args=[Feed.for_user(alex).token])


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        prepare(folder)
        from django.db import connection
        from django.test import Client
        from django.test.utils import CaptureQueriesContext

        address, client, walls, cpus = create_episodes(), Client(), [], []
        with CaptureQueriesContext(connection) as queries:
            first = client.get(address)
        asked = len(queries)
        for _ in range(ASKED):
            wall, cpu = time.perf_counter(), time.process_time()
            answer = client.get(address)
            walls.append((time.perf_counter() - wall) * 1000)
            cpus.append((time.process_time() - cpu) * 1000)
            assert answer.content.count(b"<item>") == first.content.count(b"<item>") == EPISODES
    print(
        f"{EPISODES} episodes, {len(first.content) / 1000:.0f} kB: {asked} queries, {median(cpus):.0f} ms of CPU and "
        f"{median(walls):.0f} ms of wall time at the median, {min(walls):.0f} to {max(walls):.0f} ms"
    )
    if asked > 6 or median(cpus) > 50:
        sys.exit("above the bound of 6 queries and 50 ms")


if __name__ == "__main__":
    main()
