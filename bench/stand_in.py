"""The vendors in a process of their own, so that none of their CPU counts as ours."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


@contextmanager
def vendors(*options: str, module: str = "tests.cloud") -> Iterator[None]:
    """Run `python -m module options` until the end of the context, with its addresses and keys in our environment."""
    command = [sys.executable, "-m", module, *options]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        for _ in range(6):
            name, _, value = process.stdout.readline().removeprefix("export ").strip().partition("=")
            os.environ[name] = value
        try:
            yield
        finally:
            process.terminate()


def latency(seconds: dict[str, float]) -> list[str]:
    """The options of the stand-in for `seconds` of latency of each vendor."""
    return ["--latency", *(f"{name}={value}" for name, value in seconds.items())]
