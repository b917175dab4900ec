"""`make demo` in a folder of its own, and its MP3 as real players read it."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
VENV = Path(sys.executable).parents[1]
AWS = "Dailycast: AWS credentials not configured, skipping audio generation"
pytestmark = pytest.mark.services


def run(folder: Path, *command: str) -> str:
    """What `command` prints in `folder`, without keys and settings of dailycast in the environment."""
    environ = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    done = subprocess.run(
        command, cwd=folder, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A copy of the repository's files after `make demo`, and the output of that."""
    folder = tmp_path_factory.mktemp("demo")
    for name in run(ROOT, "git", "ls-files", "--cached", "--others", "--exclude-standard").splitlines():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    for stamp in (".demo", ".test"):  # so that make installs nothing
        (VENV / stamp).touch()
    return folder, run(folder, "make", "demo", f"VENV={VENV}")


def mp3(demo: tuple[Path, str]) -> Path:
    found = re.search(r"^Audio: (.+\.mp3)$", demo[1], re.MULTILINE)
    assert found
    return Path(found[1])


def stored_seconds(folder: Path) -> float:
    code = "from dailycast.models import DailyPodcast as P; print(P.objects.get(pk=1).duration_seconds)"
    return float(run(folder, f"{VENV}/bin/python", "manage.py", "shell", "-v", "0", "-c", code).split()[-1])


def test_the_demo_prints_what_it_made(demo: tuple[Path, str]) -> None:
    folder, output = demo
    assert "Podcast generated successfully (id=1) for user Alex" in output.splitlines()
    assert "Cost: $0.00" in output.splitlines()
    assert re.search(r"^Length: [34] min \d\d s, \d\.\d MB, spoken by en-US pico \(pico\)$", output, re.MULTILINE)
    assert mp3(demo).parent == folder / "media" / "podcasts"
    assert re.fullmatch(r"podcast_\d+_\d{10}\.mp3", mp3(demo).name)


def test_real_players_read_the_complete_mp3(demo: tuple[Path, str]) -> None:
    file, stored = str(mp3(demo)), stored_seconds(demo[0])
    assert 180 <= stored <= 300
    probe = ["ffprobe", "-v", "error", "-show_entries", "format=duration", "-of", "csv=p=0", file]
    assert float(run(demo[0], *probe)) == pytest.approx(stored, abs=0.2)
    raw = demo[0] / "decoded.raw"
    assert run(demo[0], "mpg123", "-q", "-s", "--mono", "-r", "16000", "-w", str(raw), file) == ""
    assert (raw.stat().st_size - 44) / 32_000 == pytest.approx(stored, abs=0.2)
    problems = [line for line in run(demo[0], "mp3val", file).splitlines() if line.startswith(("WARNING", "ERROR"))]
    assert problems == []


def test_the_voice_is_neither_clipped_nor_too_quiet(demo: tuple[Path, str]) -> None:
    output = run(demo[0], "ffmpeg", "-nostdin", "-i", str(mp3(demo)), "-af", "ebur128=peak=sample", "-f", "null", "-")
    loudness = float(re.findall(r"I:\s+(-?[\d.]+) LUFS", output)[-1])
    peak = float(re.findall(r"Peak:\s+(-?[\d.]+) dBFS", output)[-1])
    assert -26 < loudness < -14
    assert peak < 0


def test_the_demo_can_run_twice(demo: tuple[Path, str]) -> None:
    assert "Podcast generated successfully (id=" in run(demo[0], "make", "demo", f"VENV={VENV}")


def test_afterwards_a_bare_command_is_script_only(demo: tuple[Path, str]) -> None:
    folder = demo[0]
    before = len(list((folder / "media" / "podcasts").glob("*.mp3")))
    output = run(folder, f"{VENV}/bin/python", "manage.py", "generate_test_podcast", "--language", "en")
    assert AWS in output.splitlines()
    assert re.fullmatch(r"Podcast generated successfully \(id=\d+\) for user Alex", output.splitlines()[-1])
    assert len(list((folder / "media" / "podcasts").glob("*.mp3"))) == before
