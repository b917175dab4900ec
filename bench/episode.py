"""One episode of 700 words in a warm process: wall time beside the vendors' own, CPU, and peak memory.

    python bench/episode.py            the stand-in for OpenAI (2.0 s a script) and Polly (0.5 s a clip), over real HTTP
    python bench/episode.py --offline  the built-in writer and voice, for the demo's learner Alex

The bound for the first is 1.1 x (the script's latency + one clip's latency for each eight clips, rounded up).
"""

import argparse
import math
import resource
import sys
import tempfile
import time
from contextlib import AbstractContextManager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from bench import project  # noqa: E402
from bench.stand_in import latency, vendors  # noqa: E402

LATENCY = {"openai": 2.0, "gemini": 2.0, "polly": 0.5}
WORDS, PARAGRAPHS = 700, 20


def stand_in() -> AbstractContextManager[None]:
    """The vendors, with a new script each time: for one that was spoken before no clip would be bought."""
    paragraphs = ["--paragraphs", str(PARAGRAPHS), "--words", str(WORDS // PARAGRAPHS)]
    return vendors(*latency(LATENCY), *paragraphs, module="bench.vendors")


def prepare(folder: str, offline: bool) -> None:
    """Set up a project with an empty database and media folder in `folder`, and the academy's learners."""
    built_in = {"DAILYCAST_LLM_PROVIDERS": "template", "DAILYCAST_TTS_PROVIDERS": "pico"} if offline else {}
    # 20 clips at 8 a second would measure Polly's limit, not us
    project.prepare(folder, DAILYCAST_RATE_LIMITS="polly/neural=0", **built_in)
    from django.core.management import call_command

    call_command("load_academy", verbosity=0)


def measure(runs: int) -> None:
    from django.contrib.auth import get_user_model

    from dailycast import services
    from dailycast.script import grammar

    alex = get_user_model()._default_manager.get(username="alex")
    services.create_podcast_for_user(alex, "en")  # warm-up: SDKs imported, connections open
    for _ in range(runs):
        wall, cpu = time.perf_counter(), time.process_time()
        podcast = services.create_podcast_for_user(alex, "en")
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        assert podcast.has_audio, podcast.error_message
        clips = len(set(grammar.parse(podcast.script_text, "en").clips))
        words, minutes = len(podcast.script_text.split()), (podcast.duration_seconds or 0) / 60
        print(
            f"{podcast.llm_provider}+{podcast.tts_provider}: {words} words, {clips} clips, {minutes:.1f} min of audio: "
            f"wall {wall:.2f} s, CPU {cpu:.2f} s ({cpu / minutes * 4:.2f} s for 4 minutes)"
        )
        if podcast.tts_provider == "polly":
            least = LATENCY["openai"] + LATENCY["polly"] * math.ceil(clips / 8)
            print(f"    vendors' latency {least:.2f} s: ratio {wall / least:.3f}, bound 1.1")
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--offline", action="store_true")
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if options.offline:
            prepare(folder, offline=True)
            measure(options.runs)
        else:
            with stand_in():
                prepare(folder, offline=False)
                measure(options.runs)


if __name__ == "__main__":
    main()
