"""The stand-in for `bench/batch.py`: each prompt gets a script of its own, so that no two share a clip."""

import argparse
import re
import threading
from itertools import count

from tests.cloud import Cloud

numbers = count()


def script(paragraphs: int, words: int, prompt: str) -> str:
    """A script of so many `paragraphs` of `words` words each, different from every earlier one."""
    name = re.search(r"learner\d+", prompt)
    own = f"{name[0] if name else 'nobody'} take {next(numbers)}"
    spoken = [f"{own} part {part}. " + " ".join(["word"] * (words - 5)) + "." for part in range(paragraphs)]
    return "\n\n".join(["# A measured night", *spoken])


def pair(text: str) -> tuple[str, float]:
    vendor, _, value = text.partition("=")
    return vendor, float(value)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--latency", type=pair, nargs="*", default=[])
    parser.add_argument("--rate", type=pair, nargs="*", default=[])
    parser.add_argument("--paragraphs", type=int, required=True)
    parser.add_argument("--words", type=int, required=True)
    options = parser.parse_args()
    cloud = Cloud(
        latency=dict(options.latency),
        rate={vendor: int(value) for vendor, value in options.rate},
        script=lambda prompt: script(options.paragraphs, options.words, prompt),
    )
    if dict(options.rate).get("polly") != 8:  # then there is no limit of calls at once either
        cloud.polly.parallel = {}
    with cloud:
        for name, value in cloud.environment.items():
            print(f"export {name}={value}", flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main()
