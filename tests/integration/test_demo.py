"""`make demo` and `make serve` in a folder of their own: what they print, what their pages make, what players read."""

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from examples.academy.management.commands.load_academy import PASSWORD
from tests.integration.person import Person
from tests.integration.ports import free_port, wait_for
from tests.integration.shell import environment, make, make_command, manage, run

AWS = "Dailycast: AWS credentials not configured, skipping audio generation"
NOBODY = "http://127.0.0.1:9"  # no server answers there
KEYS = {
    "OPENAI_API_KEY": "sk-owner",
    "OPENAI_BASE_URL": NOBODY,
    "GEMINI_API_KEY": "owner",
    "GEMINI_BASE_URL": NOBODY,
    "AWS_ACCESS_KEY_ID": "AKIAOWNER",
    "AWS_SECRET_ACCESS_KEY": "owner",
    "AWS_ENDPOINT_URL_POLLY": NOBODY,
    "DAILYCAST_TTS_PROVIDERS": "polly",
}
pytestmark = pytest.mark.services


@pytest.fixture(scope="module")
def demo(unpacked: Path) -> tuple[Path, str]:
    """The folder of an sdist, after `make demo`, and what that printed."""
    return unpacked, make(unpacked, "demo")


@pytest.fixture
def owners_env(tmp_path: Path) -> str:
    """The path of an `.env` with the owner's keys, for vendors that do not answer."""
    file = tmp_path / ".env"
    file.write_text("".join(f"{name}={value}\n" for name, value in KEYS.items()))
    return str(file)


@contextmanager
def serving(folder: Path, **more: str) -> Iterator[str]:
    """The address of `make serve` in `folder`; `more` is added to the environment."""
    port = free_port()
    command = make_command("serve", f"PORT={port}")
    silent = subprocess.DEVNULL
    with subprocess.Popen(
        command, cwd=folder, env=environment(**more), stdout=silent, stderr=silent, start_new_session=True
    ) as server:
        try:
            wait_for(port)
            yield f"http://127.0.0.1:{port}/"
        finally:
            os.killpg(server.pid, signal.SIGTERM)


@pytest.fixture(scope="module")
def address(demo: tuple[Path, str]) -> Iterator[str]:
    with serving(demo[0]) as address:
        yield address


def mp3(demo: tuple[Path, str]) -> Path:
    found = re.search(r"^Audio: (.+\.mp3)$", demo[1], re.MULTILINE)
    assert found
    return Path(found[1])


def row(folder: Path, name: str) -> tuple[float, str, str, str]:
    """What the database says of the episode with that MP3: seconds, writer, voice, USD."""
    code = f"""
from dailycast.models import DailyPodcast
episode = DailyPodcast.objects.get(audio_file="podcasts/{name}")
print(episode.duration_seconds, episode.llm_provider, episode.tts_provider, episode.cost_usd)
"""
    seconds, *others = manage(folder, "shell", "-v", "0", "-c", code).split()[-4:]
    writer, voice, cost = others
    return float(seconds), writer, voice, cost


def assert_players_read(file: Path, seconds: float) -> None:
    """Real players find an MP3 without a fault, and that long."""
    probe = ["ffprobe", "-v", "error", "-show_entries", "format=duration", "-of", "csv=p=0", str(file)]
    assert float(run(file.parent, *probe)) == pytest.approx(seconds, abs=0.2)
    raw = file.with_suffix(".raw")
    assert run(file.parent, "mpg123", "-q", "-s", "--mono", "-r", "16000", "-w", str(raw), str(file)) == ""
    assert (raw.stat().st_size - 44) / 32_000 == pytest.approx(seconds, abs=0.2)
    checked = run(file.parent, "mp3val", str(file)).splitlines()
    assert [line for line in checked if line.startswith(("WARNING", "ERROR"))] == []


def assert_neither_clipped_nor_faint(file: Path) -> None:
    measure = ["ffmpeg", "-nostdin", "-i", str(file), "-af", "ebur128=peak=sample", "-f", "null", "-"]
    printed = run(file.parent, *measure)
    loudness = float(re.findall(r"I:\s+(-?[\d.]+) LUFS", printed)[-1])
    peak = float(re.findall(r"Peak:\s+(-?[\d.]+) dBFS", printed)[-1])
    assert -26 < loudness < -14
    assert peak < 0


def assert_free_and_audible(person: Person, source: str, folder: Path, hears_in: Path) -> None:
    """The person can hear the MP3 at `source`, and the built-in writer and voice made it."""
    file = person.download(source, hears_in)
    seconds, *made_by = row(folder, file.name)
    assert made_by == ["template", "pico", "0.000000"]
    assert 30 <= seconds <= 300
    assert_players_read(file, seconds)
    assert_neither_clipped_nor_faint(file)


def test_the_demo_prints_what_it_made(demo: tuple[Path, str]) -> None:
    folder, printed = demo
    assert "Podcast generated successfully (id=1) for user Alex" in printed.splitlines()
    assert "Cost: $0.00" in printed.splitlines()
    assert re.search(r"^Length: [34] min \d\d s, \d\.\d MB, spoken by en-US pico \(pico\)$", printed, re.MULTILINE)
    assert mp3(demo).parent == folder / "media" / "podcasts"
    assert re.fullmatch(r"podcast_\d+_\d{10}\.mp3", mp3(demo).name)


def test_real_players_read_the_whole_mp3(demo: tuple[Path, str], tmp_path: Path) -> None:
    seconds, *_ = row(demo[0], mp3(demo).name)
    assert 180 <= seconds <= 300
    assert_players_read(mp3(demo), seconds)


def test_the_voice_is_neither_clipped_nor_faint(demo: tuple[Path, str]) -> None:
    assert_neither_clipped_nor_faint(mp3(demo))


def test_running_it_twice_is_fine(demo: tuple[Path, str]) -> None:
    assert "Podcast generated successfully (id=" in make(demo[0], "demo")


def test_afterwards_a_bare_command_is_script_only(demo: tuple[Path, str]) -> None:
    folder = demo[0]
    before = len(list((folder / "media" / "podcasts").glob("*.mp3")))
    printed = manage(folder, "generate_test_podcast", "--language", "en").splitlines()
    assert any(line.startswith(AWS) for line in printed)
    assert re.fullmatch(r"Podcast generated successfully \(id=\d+\) for user Alex", printed[-1])
    assert len(list((folder / "media" / "podcasts").glob("*.mp3"))) == before


def test_alex_asks_on_the_page_and_hears_it(demo: tuple[Path, str], address: str, tmp_path: Path) -> None:
    alex = Person(address)
    alex.open("/dailycast/")
    alex.send("username", username="alex", password=PASSWORD)
    earlier = alex.sources()
    alex.send("request_key")
    alex.wait()
    (source,) = alex.sources()
    assert source not in earlier
    assert_free_and_audible(alex, source, demo[0], tmp_path)


def generate_in_the_admin(address: str, learner: str) -> tuple[Person, str]:
    """The admin, and the audio of the episode that they had made."""
    admin = Person(address)
    admin.open("/admin/dailycast/dailypodcast/generate/")
    admin.send("username", username="admin", password=PASSWORD)
    find = "/admin/autocomplete/?app_label=dailycast&model_name=dailypodcast&field_name=user&term="
    (found,) = admin.session.get(f"{address}{find}{learner}", timeout=10).json()["results"]
    admin.send("request_key", user=found["id"], language="en")
    admin.wait()
    (source,) = admin.sources()
    return admin, source


def test_the_admin_generates_an_episode_and_hears_it(demo: tuple[Path, str], address: str, tmp_path: Path) -> None:
    admin, source = generate_in_the_admin(address, "marta")
    assert_free_and_audible(admin, source, demo[0], tmp_path)


def test_the_owners_keys_are_not_spent(demo: tuple[Path, str], owners_env: str, tmp_path: Path) -> None:
    with serving(demo[0], DOTENV_PATH=owners_env) as address:
        admin, source = generate_in_the_admin(address, "sam")
        assert_free_and_audible(admin, source, demo[0], tmp_path)
    assert "Cost: $0.00" in make(demo[0], "demo", DOTENV_PATH=owners_env).splitlines()
