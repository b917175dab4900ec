"""`python -m tests.cloud --port N`: the stand-in for benchmarks and shells, until it is interrupted."""

import argparse
import threading
from pathlib import Path

from .server import Cloud


def seconds(text: str) -> tuple[str, float]:
    vendor, _, value = text.partition("=")
    return vendor, float(value)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.cloud", description="OpenAI, Gemini and Polly on loopback.")
    parser.add_argument("--port", type=int, default=0, help="default: any free port")
    parser.add_argument("--latency", type=seconds, nargs="*", default=[], metavar="VENDOR=SECONDS")
    parser.add_argument("--script", type=Path, help="a file with what the writers answer")
    options = parser.parse_args()
    with Cloud(options.port) as cloud:
        cloud.latency.update(options.latency)
        if options.script:
            cloud.script = options.script.read_text(encoding="utf-8")
        for name, value in cloud.environment.items():
            print(f"export {name}={value}", flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        print()
