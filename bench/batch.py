"""A night: many learners, the vendors' limit of calls a second, one `generate_daily_podcasts`.

    python bench/batch.py                                    100 learners, Polly at 8 calls a second
    python bench/batch.py --learners 1000 --rate 80 --concurrency 50
    python bench/batch.py --learners 200 --rate 0 --concurrency 16      no limit

The stand-in for OpenAI (2.0 s a script) and Polly (0.5 s a clip) runs in a process of its own, over real HTTP, and
throttles calls above its limit. With a limit the measure is how much of it was used: (clips / limit) / time, to be
at least 0.95. The first learner is made alone, and two scripts have to be written before there is much to speak, so
three shares are printed: of the whole command's time; of the time from the first call for speech to the last answer, as
the vendor sees it; and of that from the second learner's first clip on. Without a limit the measure is wall time /
(latency of one episode x learners / concurrency), at most 1.3.
"""

import argparse
import math
import os
import resource
import sys
import tempfile
import time
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
if TYPE_CHECKING:
    from django.db.models import QuerySet

    from dailycast.models import ProviderCall

from bench import project  # noqa: E402
from bench.stand_in import latency, vendors  # noqa: E402

LATENCY = {"openai": 2.0, "polly": 0.5}
PARAGRAPHS, WORDS = 8, 90  # about 3,600 characters: an episode of four minutes


def stand_in(rate: int) -> AbstractContextManager[None]:
    options = [*latency(LATENCY), "--paragraphs", str(PARAGRAPHS), "--words", str(WORDS)]
    return vendors(*options, *(["--rate", f"polly={rate}"] if rate else []), module="bench.vendors")


def prepare(folder: str, learners: int, rate: int) -> None:
    """Set up a project in `folder`, with so many learners, who all have records."""
    project.prepare(
        folder,
        DATABASE_NAME=os.environ.get("DATABASE_NAME", f"{folder}/db.sqlite3"),
        DJANGO_DEBUG="false",  # with it Django would store every query
        DJANGO_SECRET_KEY="for a benchmark",
        DAILYCAST_LEARNER_CONTEXT="bench.batch.context",
        DAILYCAST_RATE_LIMITS="" if rate == 8 else f"polly/neural={rate}",
    )
    from django.contrib.auth import get_user_model

    users = get_user_model()
    users.objects.bulk_create(users(username=f"learner{number}") for number in range(learners))


def context(user: object) -> dict[str, object]:
    return {"first_name": f"Kim {user}", "goal": "pass the exam", "mistakes": ["What is the past tense of to go?"]}


def share_used(speech: "QuerySet[ProviderCall]", rate: int) -> float:
    """The share of the limit that these calls used, between the first one and the last answer."""
    from django.db.models import Max, Min

    span = speech.aggregate(first=Min("created_at"), last=Max("ended_at"))
    seconds: float = (span["last"] - span["first"]).total_seconds()
    return speech.filter(outcome="ok").count() / rate / seconds


def measure(learners: int, rate: int, concurrency: int) -> None:
    from dailycast.models import DailyPodcast, Kind, Outcome, ProviderCall
    from dailycast.models.dates import today
    from dailycast.runners import nightly

    wall, cpu = time.perf_counter(), time.process_time()
    tally = nightly.Edition(today(), concurrency=concurrency).make()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    with_audio = DailyPodcast.objects.exclude(audio_file=None).exclude(audio_file="").count()
    assert (tally.made, tally.without_audio, with_audio) == (learners, 0, learners), tally
    speech = ProviderCall.objects.filter(kind=Kind.SPEECH)
    clips, throttled = speech.filter(outcome=Outcome.OK).count(), speech.filter(outcome=Outcome.REFUSED).count()
    print(f"{learners} learners, {concurrency} at a time, {clips} clips: {wall:.1f} s, {throttled} calls throttled")
    if rate:
        others = speech.exclude(podcast=DailyPodcast.objects.earliest("pk"))  # the first is made alone, for safety
        print(f"    limit {rate} a second, so {clips / rate:.1f} s at least, bound 0.95: {clips / rate / wall:.3f} of")
        print(f"    the whole time, {share_used(speech, rate):.3f} from the first call for speech to the last answer,")
        print(f"    {share_used(others, rate):.3f} from the second learner's first clip on")
    else:
        least = (LATENCY["openai"] + LATENCY["polly"] * math.ceil(clips / learners / 8)) * learners / concurrency
        print(f"    vendors' latency {least:.1f} s: ratio {wall / least:.3f}, bound 1.3")
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"    CPU {cpu / learners * 1000:.0f} ms an episode, {cpu / clips * 1000:.1f} ms a clip; memory {memory:.0f} MB"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--learners", type=int, default=100)
    parser.add_argument("--rate", type=int, default=8, help="speech calls a second; 0: no limit")
    parser.add_argument("--concurrency", type=int, default=8)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, stand_in(options.rate):
        prepare(folder, options.learners, options.rate)
        measure(options.learners, options.rate, options.concurrency)


if __name__ == "__main__":
    main()
