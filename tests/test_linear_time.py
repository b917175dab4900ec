"""No text of the host's records or of a vendor keeps a pattern busy: the time grows with its length, not faster."""

import subprocess
import sys
from pathlib import Path

import pytest

SECONDS = 120.0  # some 15 are needed; with a quadratic pattern a single text takes longer


@pytest.mark.reliability
def test_texts_of_100_000_characters_take_linear_time() -> None:
    command = [sys.executable, "-m", "tests.linear_time"]
    run = subprocess.run(
        command, cwd=Path(__file__).parents[1], timeout=SECONDS, check=True, capture_output=True, text=True
    )
    assert run.stdout.splitlines()[-1] == "done"
