"""Real podcast apps subscribe to a learner's feed on loopback and download its audio; feed parsers agree on it."""

import os
import pty
import shutil
import subprocess
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from django.contrib.auth.models import User

from dailycast.audio import storage
from dailycast.models import DailyPodcast, Feed
from tests.web.feed_host import make_episode

FRAME = bytes([0xFF, 0xF3, 0x84, 0xC4])  # MPEG-2 Layer III, 24 kHz, mono, 64 kbit/s: 192 bytes for 24 ms
TITLES = ["Yesterday's mistakes & one <new> idea", "朝の一歩"]

pytestmark = [pytest.mark.services, pytest.mark.django_db(transaction=True)]


@pytest.fixture(autouse=True)
def host(settings: Any) -> None:
    settings.ROOT_URLCONF = "tests.web.feed_host"


def sound(number: int) -> bytes:
    """Four seconds of MP3 that differ for each episode."""
    return b"".join(FRAME + bytes([number, frame % 251]) * 94 for frame in range(167))


@pytest.fixture
def episodes(alex: User) -> list[DailyPodcast]:
    """Two episodes with audio, newest first. A third one is script-only."""
    make_episode(alex, "Script only", audio_file=None)
    made = [make_episode(alex, title, days=days, audio_bytes=len(sound(days))) for days, title in enumerate(TITLES)]
    for days, podcast in enumerate(made):
        storage.write_atomic(str(podcast.audio_file), sound(days))
    return made


@pytest.fixture
def feed(django_port: int, alex: User, episodes: list[DailyPodcast]) -> str:
    return f"http://127.0.0.1:{django_port}/dailycast/feed/{Feed.for_user(alex).token}/podcast.xml"


def skip_without(program: str) -> str:
    """Skips the test; in CI a missing program is a failure."""
    if os.environ.get("CI"):
        pytest.fail(f"{program} is not installed")
    pytest.skip(f"{program} is not installed")


def run(program: str, *arguments: object, home: Path) -> str:
    """The output of `program` with this home folder."""
    command = [shutil.which(program) or skip_without(program), *map(str, arguments)]
    done = subprocess.run(command, env=environment(home), capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def environment(home: Path) -> dict[str, str]:
    own = {"HOME": str(home), "GPODDER_HOME": str(home / "gpodder"), "TERM": "xterm", "LC_ALL": "C.UTF-8"}
    return {name: value for name, value in os.environ.items() if "proxy" not in name.lower()} | own


def downloaded(folder: Path) -> list[bytes]:
    return [path.read_bytes() for path in sorted(folder.rglob("*.mp3"))]


def are_both_episodes(files: list[bytes]) -> bool:
    return sorted(files) == sorted(sound(number) for number in range(2))


def test_gpodder_downloads_the_same_bytes(feed: str, tmp_path: Path) -> None:
    run("gpo", "subscribe", feed, home=tmp_path)
    run("gpo", "update", home=tmp_path)
    listed = run("gpo", "episodes", home=tmp_path)
    assert all(title in listed for title in TITLES)
    assert "Script only" not in listed
    run("gpo", "download", home=tmp_path)
    assert are_both_episodes(downloaded(tmp_path / "gpodder"))


def test_newsboat_queues_and_podboat_downloads_the_same_bytes(feed: str, tmp_path: Path) -> None:
    config = tmp_path / ".newsboat"
    config.mkdir()
    (config / "urls").write_text(feed + "\n")
    (config / "config").write_text(f"podcast-auto-enqueue yes\ndownload-path {tmp_path}/audio/\nmax-downloads 2\n")
    run("newsboat", "-x", "reload", home=tmp_path)
    assert run("newsboat", "-x", "print-unread", home=tmp_path).startswith("2 unread")
    queue = (config / "queue").read_text()
    assert queue.count(feed.removesuffix("podcast.xml")) == 2
    run_on_terminal(["podboat", "-a"], tmp_path, lambda: are_both_episodes(downloaded(tmp_path / "audio")))


def run_on_terminal(command: list[str], home: Path, is_done: Callable[[], bool]) -> None:
    """Run a program that needs a terminal, until its work is done."""
    master, slave = pty.openpty()
    process = subprocess.Popen(command, env=environment(home), stdin=slave, stdout=slave, stderr=slave)
    try:
        for _ in range(300):
            if is_done():
                return
            time.sleep(0.1)
        raise TimeoutError(command)
    finally:
        process.kill()
        process.wait(10)
        os.close(master)
        os.close(slave)


def test_podget_downloads_the_same_bytes(feed: str, tmp_path: Path) -> None:
    run("podget", "-d", tmp_path / ".podget", "--create-config", "podgetrc", home=tmp_path)
    (tmp_path / ".podget" / "serverlist").write_text(f"{feed} School Daily\n")
    run("podget", "-d", tmp_path / ".podget", "-l", tmp_path / "audio", home=tmp_path)
    assert are_both_episodes(downloaded(tmp_path / "audio"))


def test_curl_resumes_an_interrupted_download(feed: str, episodes: list[DailyPodcast], tmp_path: Path) -> None:
    part = tmp_path / "part.mp3"
    part.write_bytes(sound(0)[:10_000])
    address = feed.replace("podcast.xml", f"{episodes[0].guid}.mp3")
    run("curl", "-sS", "--fail", "-C", "-", "-o", part, address, home=tmp_path)
    assert part.read_bytes() == sound(0)


Items = list[tuple[str, int, int, str]]  # title, bytes, seconds, guid


def by_feedparser(feed: str, document: bytes) -> Items:
    parsed = import_module("feedparser").parse(document)
    assert not parsed.bozo, parsed.bozo_exception
    return [
        (entry.title, int(entry.enclosures[0].length), int(entry.itunes_duration), entry.id) for entry in parsed.entries
    ]


def by_podcastparser(feed: str, document: bytes) -> Items:
    from io import BytesIO

    parsed = import_module("podcastparser").parse(feed, BytesIO(document))
    return [
        (entry["title"], entry["enclosures"][0]["file_size"], entry["total_time"], entry["guid"])
        for entry in parsed["episodes"]
    ]


def by_lxml(feed: str, document: bytes) -> Items:
    etree = import_module("lxml.etree")
    names = {"itunes": "http://www.itunes.com/dtds/podcast-1.0.dtd"}
    return [
        (
            item.findtext("title"),
            int(item.find("enclosure").get("length")),
            int(item.findtext("itunes:duration", namespaces=names)),
            item.findtext("guid"),
        )
        for item in etree.fromstring(document).iter("item")
    ]


@pytest.mark.parametrize("parse", [by_feedparser, by_podcastparser, by_lxml])
def test_feed_parsers_agree(parse: Callable[[str, bytes], Items], feed: str, episodes: list[DailyPodcast]) -> None:
    with urlopen(feed) as response:
        document = response.read()
    assert parse(feed, document) == [
        (podcast.title, len(sound(days)), 4, str(podcast.guid)) for days, podcast in enumerate(episodes)
    ]


def test_no_episode_appears_twice_after_a_new_address(
    feed: str, django_port: int, alex: User, episodes: list[DailyPodcast], tmp_path: Path
) -> None:
    run("gpo", "subscribe", feed, home=tmp_path)
    row = Feed.for_user(alex)
    row.renew()
    renewed = f"http://127.0.0.1:{django_port}/dailycast/feed/{row.token}/podcast.xml"
    run("gpo", "rewrite", feed, renewed, home=tmp_path)
    run("gpo", "update", home=tmp_path)
    assert run("gpo", "episodes", home=tmp_path).count(TITLES[1]) == 1
    run("gpo", "download", home=tmp_path)
    assert are_both_episodes(downloaded(tmp_path / "gpodder"))
