"""How long the admin's "Generate" keeps a person waiting, with each runner, while a script takes 3 s and a clip 1 s.

python bench/button.py      bound: 300 ms with every runner but inline (celery: when Redis answers)
"""

import os
import sys
import tempfile
import time
from pathlib import Path
from socket import create_connection
from uuid import uuid4

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from bench import project  # noqa: E402
from bench.stand_in import latency, vendors  # noqa: E402

POSTS = 10
LATENCY = {"openai": 3.0, "polly": 1.0}
REDIS = "127.0.0.1", 6379


def prepare(folder: str) -> None:
    redis = f"redis://{REDIS[0]}:{REDIS[1]}/8"
    project.prepare(folder, DJANGO_ALLOWED_HOSTS="testserver", CELERY_BROKER_URL=redis)
    from django.core.management import call_command

    call_command("load_academy", verbosity=0)


def redis_answers() -> bool:
    try:
        with create_connection(REDIS, timeout=1):
            import tests.integration.celery_host  # noqa: F401  # the host's Celery app
    except (OSError, ImportError):
        return False
    return True


def measure(runner: str, posts: int) -> None:
    from django.contrib.auth.models import User
    from django.test import Client, override_settings

    client, alex = Client(), User.objects.get(username="alex")
    client.force_login(User.objects.get(username="admin"))
    answers, pages = [], []
    with override_settings(DAILYCAST_RUNNER=runner):
        for _ in range(posts):
            form = {"user": alex.pk, "language": "en", "request_key": str(uuid4())}
            began = time.perf_counter()
            answer = client.post("/admin/dailycast/dailypodcast/generate/", form)
            answers.append(time.perf_counter() - began)
            page = client.get(answer["Location"])
            pages.append(time.perf_counter() - began)
            assert (answer.status_code, page.status_code) == (302, 200)
            assert runner == "inline" or b"data-dailycast-status" in page.content, "the page does not show the state"
    first, most, shown = (1000 * seconds for seconds in (answers[0], max(answers), max(pages)))
    print(f"{runner}: first {first:.0f} ms, {most:.0f} ms at most, with the page that follows {shown:.0f} ms at most")


def main() -> None:
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder,
        vendors(*latency({"openai": 3, "polly": 1})),
    ):
        prepare(folder)
        measure("worker", 1)  # warm-up
        for runner in ("worker", "thread", *(["celery"] if redis_answers() else [])):
            measure(runner, POSTS)
        measure("inline", 1)
    os._exit(0)  # the threads are still working


if __name__ == "__main__":
    main()
