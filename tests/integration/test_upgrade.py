"""A host that was built by the README and the docs of release 0.1.0 runs on today's code without a change.

The host is in `tests/data/first_wave/host`: its code is that of the docs, its settings are their example environment.
Its database is at that release's last migration. Every process runs with warnings as errors.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from http.client import HTTPResponse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

import pytest
from django.contrib.staticfiles import finders

from tests.cloud import Cloud
from tests.cloud.speech import speak
from tests.first_wave import (
    AUDIBLE,
    DAY,
    FOLDER,
    KILLED_WRITING,
    LAST_MIGRATION,
    NEW_SCRIPT,
    NOT_BOUGHT,
    PODCASTS,
    RECORDED,
    ROWS,
    UNFINISHED,
    restore_media,
    stored,
)

from .ports import free_port, wait_for

pytestmark = pytest.mark.services

ROOT = Path(__file__).parents[2]
PYTHON = (sys.executable, "-W", "error")
# By the models of that release, for those of today may have more fields.
LOAD = """
import json, pathlib, sys
import django
django.setup()
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from myschool.models import Answer, Question

loader = MigrationLoader(connection)
others = [node for node in loader.graph.leaf_nodes() if node[0] != "dailycast"]
apps = loader.project_state([*others, ("dailycast", sys.argv[2])]).apps
for row in json.loads(pathlib.Path(sys.argv[1]).read_text(encoding="utf-8")):
    record = apps.get_model(row["model"])(pk=row["pk"])
    for name, value in row["fields"].items():
        field = record._meta.get_field(name)
        if not field.many_to_many:
            setattr(record, field.attname, field.to_python(value))
    record.save_base(raw=True, force_insert=True)
question = Question.objects.create(text="go, past tense?", right_answer="went")
Answer.objects.create(user_id=1, question=question, given="goed", correct=False)
"""
COSTS = """
from django.db.models import Sum
from dailycast.models import ProviderCall
for row in ProviderCall.objects.filter(day__year=2026, day__month=11).values('provider', 'model', 'outcome').annotate(usd=Sum('cost_usd')):
    print(row)"""  # noqa: E501  # as docs/operations.md had it
TRY_ALL = "from myschool.episodes import try_all; print(*try_all('alex'), sep='\\n')"
FAIL = """
from dailycast.errors import ProviderError
from dailycast.services import synthesize_audio
for word in ("key", "cut", "busy"):
    try:
        synthesize_audio(f"This says {word}.", "en")
    except ProviderError as error:
        print(error, error.permanent)"""
LEDGER = """
from dailycast.models import ProviderCall
for call in ProviderCall.objects.all():
    print(call.provider, call.model, call.outcome)"""
SESSION = """
import sys
import django
django.setup()
from django.contrib.auth.models import User
from django.test import Client
client = Client()
client.force_login(User.objects.get(username=sys.argv[1]))
print(client.cookies["sessionid"].value)
"""
CELERY = """
import sys
from myproject.celery import app
app.loader.import_default_modules()
app.tasks["dailycast.sweep"].apply().get()
for pk in sys.argv[1:]:
    app.tasks["dailycast.run"].apply((int(pk),)).get()
"""


@dataclass(frozen=True)
class Host:
    """A project of its own in `folder`, and what its processes have in their environment."""

    folder: Path
    environment: dict[str, str]

    def run(self, *command: str) -> str:
        """What a Python of the host prints and logs."""
        done = subprocess.run(
            [*PYTHON, *command],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout
        assert "Warning:" not in done.stdout, done.stdout
        return done.stdout

    def manage(self, *command: str) -> str:
        return self.run("manage.py", *command)

    def given(self, **settings: str) -> "Host":
        """The same host with these names in its environment."""
        return replace(self, environment=self.environment | settings)

    def notified(self) -> list[str]:
        """What its receiver of `podcast_ready` wrote down."""
        path = self.folder / "ready.txt"
        return path.read_text().splitlines() if path.exists() else []


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The host's folder as release 0.1.0 left it."""
    folder = tmp_path_factory.mktemp("built") / "host"
    shutil.copytree(FOLDER / "host", folder)
    (folder / "env").rename(folder / ".env")
    restore_media(folder / "media")
    host = Host(folder, plain_environment())
    host.manage("migrate", "--verbosity", "0")
    host.manage("migrate", "dailycast", LAST_MIGRATION, "--verbosity", "0")
    host.run("-c", LOAD, str(ROWS), LAST_MIGRATION)
    return folder


def plain_environment() -> dict[str, str]:
    known = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return known | {"PYTHONPATH": str(ROOT), "DJANGO_SETTINGS_MODULE": "myproject.settings"}


@pytest.fixture
def vendors() -> Iterator[Cloud]:
    """Only the script of one learner is new; the others ask for what is bought."""
    with Cloud() as cloud:
        cloud.script = lambda prompt: NEW_SCRIPT if "Kim" in prompt else '# Once more\nIt is "went".'
        yield cloud


@pytest.fixture
def host(built: Path, vendors: Cloud, tmp_path: Path) -> Host:
    folder = tmp_path / "host"
    shutil.copytree(built, folder)
    host = Host(folder, plain_environment() | vendors.environment)
    host.manage("migrate", "-v", "0")
    return host


def spoken(vendors: Cloud) -> list[str]:
    return sorted(call.text for call in vendors.calls if call.vendor == "polly")


def test_the_host_starts(host: Host) -> None:
    assert host.manage("check") == "System check identified no issues (0 silenced).\n"
    assert host.manage("makemigrations", "--check", "--dry-run") == "No changes detected\n"
    assert "(dailycast." not in host.manage("check", "--deploy")
    host.run("-c", "import myproject.wsgi")


def test_what_its_requirements_and_its_style_name_is_there() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = {"openai", "gemini", "genai", "polly", "offline", "s3", "celery", "api", "all"}
    assert extras <= set(project["optional-dependencies"])
    style = finders.find("dailycast/player.css")
    assert style
    assert "--dailycast-accent:" in Path(style).read_text(encoding="utf-8")
    assert finders.find("dailycast/player.js")


def test_one_migrate_is_the_whole_upgrade(host: Host) -> None:
    host.manage("migrate", "--check")


def test_the_commands_finish_what_was_begun(host: Host, vendors: Cloud) -> None:
    assert "Made 2, failed 0, made before 1." in host.manage("generate_daily_podcasts", "--date", DAY)
    assert spoken(vendors) == sorted(NOT_BOUGHT)
    assert len(vendors.calls) == len(NOT_BOUGHT) + 2  # scripts: of the learner who asked, of the admin's edition
    users = {13: "alex", 15: "kim", 16: "kim", 17: "kim", 18: "admin"}
    assert sorted(host.notified()) == sorted(f"{user} /dailycast/episodes/{pk}/" for pk, user in users.items())
    assert "Made 0, failed 0, made before 3." in host.manage("generate_daily_podcasts", "--date", DAY)
    assert "Deleted: 0 clips, 0 audio files, 0 audio files that no episode has." in host.manage("prune_podcasts")
    assert len(vendors.calls) == len(NOT_BOUGHT) + 2
    assert "'provider': 'school', 'model': 'school', 'outcome': 'ok'" in host.manage("shell", "-v", "0", "-c", COSTS)


def test_celery_finishes_what_was_begun(host: Host, vendors: Cloud) -> None:
    pytest.importorskip("celery")
    chosen = host.given(DAILYCAST_RUNNER="celery")
    chosen.run("-c", CELERY, *map(str, UNFINISHED))
    assert spoken(vendors) == sorted(NOT_BOUGHT)
    assert len(chosen.notified()) == len(UNFINISHED)


def test_its_own_adapters_are_asked(host: Host) -> None:
    opted_out = host.given(DAILYCAST_LEARNER_CONTEXT="myschool.episodes.everything")
    options = ("--dry-run", "--date", "2026-11-01", "--limit", "5", "--concurrency", "2", "--retry")
    printed = opted_out.manage("generate_daily_podcasts", *options)
    assert "Skipped: 3 opted out, 0 no data." in printed
    japanese = host.given(DAILYCAST_LEARNER_CONTEXT="myschool.episodes.as_a_dict", DAILYCAST_LLM_PROVIDERS="template")
    printed = japanese.manage("generate_test_podcast", "--user", "kim", "--script-only", "--minutes", "1")
    assert re.search(r"^Podcast generated successfully \(id=\d+\) for user Kim$", printed, re.MULTILINE)


# The host's own writer and voices


class School(ThreadingHTTPServer):
    """The server of the example in docs/providers.md; `peak` is the most clips that were asked for at once."""

    lock, at_once, peak = threading.Lock(), 0, 0

    def answer(self, path: str, text: str) -> bytes:
        if path == "/write":
            return b"# From school\n## One\nGood morning.\n\nIt is Monday.\n\nIt rains."
        with self.lock:
            self.at_once += 1
            self.peak = max(self.peak, self.at_once)
        time.sleep(0.2)
        with self.lock:
            self.at_once -= 1
        return speak(text, 24_000)


class Handler(BaseHTTPRequestHandler):
    server: School

    def do_POST(self) -> None:
        text = self.rfile.read(int(self.headers["Content-Length"])).decode()
        body = self.server.answer(self.path, text)
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def school() -> Iterator[School]:
    with School(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def new_episode(host: Host) -> str:
    return host.manage("generate_test_podcast", "--language", "en", "--user", "alex")


def ledger(host: Host) -> set[str]:
    """Who was called, and what became of it."""
    return set(host.manage("shell", "-v", "0", "-c", LEDGER).splitlines())


def test_its_own_writer_and_voice_make_an_episode(host: Host, vendors: Cloud, school: School) -> None:
    own = host.given(
        SCHOOL_SERVER=f"http://127.0.0.1:{school.server_port}",
        DAILYCAST_LLM_PROVIDERS="myschool.speech.Writer,template",
        DAILYCAST_TTS_PROVIDERS="myschool.speech.Speaker",
        DAILYCAST_RUNNER="worker",
    )
    printed = new_episode(own)
    assert re.search(r"^Script: \d+ characters by school$", printed, re.MULTILINE)
    assert re.search(r"spoken by Anna school \(school\)\nCost: \$0\.00$", printed, re.MULTILINE)
    made = re.search(r"^Podcast generated successfully \(id=(\d+)\) for user Alex$", printed, re.MULTILINE)
    assert made
    assert own.notified() == [f"alex /dailycast/episodes/{made[1]}/"]
    assert school.peak == 2  # `parallel` of the voice
    lines = own.manage("shell", "-v", "0", "-c", TRY_ALL).splitlines()
    assert [line for line in lines if not line.startswith("Dailycast: ")] == [
        "('school', 'school', True, 'completed', True, 'From school')",
        "(False, 'command')",
        "1",  # the script: its clips are bought
        "True",
        "('LanguageError', True)",
        "('ScriptError', True)",
        "('InTransactionError', True)",
    ]
    assert ledger(own) >= {"school school-1 ok", "school school ok"}
    assert vendors.calls == []


def test_its_own_voice_takes_an_sdk_and_fails_as_the_docs_say(host: Host) -> None:
    own = host.given(DAILYCAST_TTS_PROVIDERS="myschool.sdk.Speaker")
    assert "(dailycast.W005) SCHOOL_VOICE is not set." in own.manage("check")
    assert "spoken by Bea sdk (sdk)" in new_episode(own)
    lines = own.manage("shell", "-v", "0", "-c", FAIL).splitlines()
    assert [line for line in lines if not line.startswith("Dailycast: ")] == [
        "sdk: The SDK refused the key. True",
        "sdk: The SDK cut the audio. True",
        "sdk: The SDK is busy. False",
    ]
    assert {line for line in ledger(own) if line.startswith("sdk")} == {
        "sdk sdk ok",
        "sdk sdk blocked",
        "sdk sdk failed",
        "sdk sdk refused",
    }


def test_its_own_voice_on_the_server_itself_is_not_on_the_ledger(host: Host) -> None:
    own = host.given(DAILYCAST_TTS_PROVIDERS="myschool.sdk.Quiet")
    assert "spoken by Bea sdk (quiet)" in new_episode(own)
    assert not [line for line in ledger(own) if line.startswith("quiet")]


# Over HTTP


@dataclass(frozen=True)
class Browser:
    """Somebody who is signed in, or a stranger."""

    port: int
    session: str = ""

    def open(self, path: str, body: bytes | None = None, **headers: str) -> tuple[int, bytes]:
        """The status and the body of the answer; a POST where there is a `body`."""
        sent = {"Cookie": f"sessionid={self.session}; csrftoken={'c' * 32}", "X-CSRFToken": "c" * 32, **headers}
        request = Request(f"http://127.0.0.1:{self.port}{path}", body, sent)
        try:
            response: HTTPResponse = urlopen(request, timeout=30)
        except HTTPError as error:
            with error:
                return error.code, error.read()
        with response:
            return response.status, response.read()

    def page(self, path: str) -> str:
        status, body = self.open(path)
        assert status == 200, path
        return body.decode()


@contextmanager
def serving(host: Host) -> Iterator[Callable[[str], Browser]]:
    """The host's own server; who signs in, by name. Nothing in its log is an error or a warning."""
    port, log = free_port(), host.folder / "server.log"
    command = [*PYTHON, "manage.py", "runserver", f"127.0.0.1:{port}", "--noreload"]
    with log.open("w") as output:
        server = subprocess.Popen(command, cwd=host.folder, env=host.environment, stdout=output, stderr=output)
    try:
        wait_for(port)
        yield lambda name: Browser(port, host.run("-c", SESSION, name).strip() if name else "")
    finally:
        server.terminate()
        server.wait(30)
    assert not re.search(r"Traceback|Error|Warning", log.read_text()), log.read_text()


def until(happens: Callable[[], bool], seconds: float = 60) -> None:
    ends = time.monotonic() + seconds
    while not happens():
        assert time.monotonic() < ends, "it took too long"
        time.sleep(0.1)


def test_the_server_shows_and_finishes_the_old_episodes(host: Host, vendors: Cloud) -> None:
    with serving(host) as sign_in:
        alex, kim, stranger = sign_in("alex"), sign_in("kim"), sign_in("")
        mine = [pk for pk in AUDIBLE if PODCASTS[pk]["user"] == 1]
        archive, own_page = alex.page("/dailycast/archive/"), alex.page("/my-podcasts/")
        assert "My school" in archive
        for pk in mine:
            address = f"/media/{PODCASTS[pk]['audio_file']}"
            assert address in alex.page(f"/dailycast/episodes/{pk}/")
            assert own_page.count(address) >= 2  # the plain element and the player
            assert alex.open(address) == (200, (host.folder / address.lstrip("/")).read_bytes())
            assert alex.open(address, Range="bytes=0-1")[0] == 206
            assert (kim.open(address)[0], stranger.open(address)[0]) == (404, 404)
        check_feed(stranger)
        check_api(alex, mine)
        until(lambda: '"status": "completed"' in kim.page(f"/state/{KILLED_WRITING}/"))
        until(lambda: len(host.notified()) == len(UNFINISHED))
        assert spoken(vendors) == sorted(NOT_BOUGHT)


def check_feed(stranger: Browser) -> None:
    token = stored("dailycast.feed")[1]["token"]
    feed = stranger.page(f"/dailycast/feed/{token}/podcast.xml")
    for item in RECORDED["feed"]:
        path = urlsplit(item["enclosure"]["url"]).path
        assert item["guid"] in feed
        assert path in feed
        assert stranger.open(path)[0] == 200


def check_api(alex: Browser, mine: list[int]) -> None:
    episodes = json.loads(alex.page("/dailycast/api/episodes/"))["results"]
    assert set(mine) < {episode["id"] for episode in episodes}
    for pk in mine:
        answer = json.loads(alex.page(f"/dailycast/api/episodes/{pk}/"))
        assert (answer["cues"], answer["script"]) == (PODCASTS[pk]["cues"], PODCASTS[pk]["script_text"])
        assert Browser(alex.port).open(urlsplit(answer["audio"]["url"]).path)[0] == 200


def test_the_server_takes_requests_as_before(host: Host, vendors: Cloud) -> None:
    with serving(host.given(DAILYCAST_COOLDOWN_HOURS="0.0001")) as sign_in:
        alex, admin = sign_in("alex"), sign_in("admin")
        made = json.loads(alex.open("/ask/", b"key=monday")[1])
        assert made["id"] > max(PODCASTS)
        assert json.loads(alex.open("/ask/", b"key=monday")[1])["id"] == made["id"]
        until(lambda: '"status": "completed"' in alex.page(f"/state/{made['id']}/"))
        for site in ("/admin", "/school-admin"):
            assert "Two mistakes &amp; a new idea" in admin.page(f"{site}/dailycast/dailypodcast/5/change/")
            assert admin.open(f"{site}/dailycast/dailypodcast/generate/")[0] == 200
        assert "Two mistakes &amp; a new idea" in admin.page("/school-admin/dailycast/dailypodcast/")
        assert "gpt-6-luna" in admin.page("/admin/dailycast/providercall/")
        until(lambda: len(host.notified()) == len(UNFINISHED) + 1)
        bought = spoken(vendors)
        assert admin.open("/school-admin/dailycast/dailypodcast/1/make-audio/", b"")[0] == 200
        until(lambda: "The episode is ready." in admin.page("/school-admin/dailycast/dailypodcast/1/status/"))
        assert spoken(vendors) == bought  # its clips are in the store
