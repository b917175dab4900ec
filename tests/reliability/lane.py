"""`python -m tests.reliability.lane FOLDER ENVIRONMENT`: a fork server. A plan in JSON comes in, its record goes out.

Everything is imported and warm before a worker is forked, and no thread and no connection is open then. Each trial has
a database and a media folder of its own.
"""

import gc
import json
import os
import shutil
import signal
import sqlite3
import sys
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import closing, suppress
from datetime import timedelta
from functools import partial
from itertools import count
from pathlib import Path
from select import select
from types import FrameType
from typing import Any

import django

ROOT = f"{Path(__file__).resolve().parents[2]}/"
DJANGO = f"{Path(django.__file__).resolve().parents[1]}/"
PATIENCE = 30.0  # seconds that a worker may take
KEY = "the-same-click"

marker = ""


def learner(user: object) -> dict[str, str]:
    """The host's records: what the marker of this trial goes into the prompt with."""
    return {"goal": f"Hear of {marker} today.", "language": "en"}


# What a worker does


def user() -> Any:
    from django.contrib.auth import get_user_model

    return get_user_model()._default_manager.get()


def ask() -> None:
    """A page asks, and a thread of the same process makes it."""
    from dailycast import runners
    from dailycast.runners import thread

    runners.submit(user(), "en", request_key=KEY)
    thread.pool().wait(0)


def work() -> None:
    """A page asks, and a worker finds it."""
    from django.conf import settings
    from django.db import connections

    from dailycast import runners
    from dailycast.jobs.job import stopping
    from dailycast.models import DailyPodcast, Status
    from dailycast.runners import worker

    def watch() -> None:
        while DailyPodcast.objects.filter(status__in=(Status.PENDING, Status.RUNNING)).exists():
            time.sleep(0.01)
        connections.close_all()
        stopping.set()

    settings.DAILYCAST_RUNNER = "worker"
    runners.submit(user(), "en", request_key=KEY)
    threading.Thread(target=watch, daemon=True).start()
    worker.work(1, 0.01)


def resume() -> None:
    """The lease has run out, and whoever asked asks again, for not every kill left a row."""
    from django.utils import timezone

    from dailycast import services
    from dailycast.jobs import queue as jobs
    from dailycast.models import DailyPodcast, Status

    DailyPodcast.objects.filter(status=Status.RUNNING).update(lease_until=timezone.now() - timedelta(seconds=1))
    jobs.submit(user(), "en", request_key=KEY)
    jobs.sweep()
    while due := jobs.due(10):
        for pk in due:
            services.run(pk, can_reschedule=True)
        jobs.sweep()


def reopen() -> None:
    """A person says: try again."""
    from dailycast.jobs import queue as jobs
    from dailycast.models import DailyPodcast

    for podcast in DailyPodcast.objects.all():
        jobs.reopen(podcast.pk)
    resume()


def naive() -> None:
    """What dailycast is not: all is bought, then all is saved."""
    from django.core.files.base import ContentFile

    from dailycast.audio.mp3 import duration, join
    from dailycast.learner import get_learner_context
    from dailycast.llm import openai
    from dailycast.models import DailyPodcast, Status
    from dailycast.script import grammar as script
    from dailycast.script import prompt as prompts
    from dailycast.tts import polly

    if DailyPodcast.objects.exists():
        return
    prompt = prompts.build_prompt(get_learner_context(user()), "en", 4.0)
    text = openai.Provider().complete(prompt, 30).text
    voice = polly.Provider()
    known = voice.voice("en")
    assert known
    mp3 = join([voice.speak(clip, known, 30).mp3 for clip in script.parse(text, "en").clips]).mp3
    podcast = DailyPodcast(user=user(), status=Status.COMPLETED, script_text=text)
    podcast.audio_bytes, podcast.duration_seconds = len(mp3), duration(mp3)
    podcast.audio_file.save("podcast_1_1.mp3", ContentFile(mp3))


ACTIONS: dict[str, Callable[[], None]] = {each.__name__: each for each in (ask, work, resume, reopen, naive)}


def keep_nothing() -> None:
    from dailycast.audio import clips

    clips.store_clip = lambda key, mp3: None


def keep_late() -> None:
    """The ledger says that a clip is bought before the clip is stored."""
    from dailycast.models import Outcome
    from dailycast.purchases import ledger
    from dailycast.purchases.scheduler import PurchaseScheduler

    def record_answer(self: Any, attempt: Any, answer: Any) -> None:
        ledger.close_entry(attempt, Outcome.OK, attempt.purchase.billed_units(answer))
        attempt.purchase.store(answer)
        attempt.answers.append(answer)

    PurchaseScheduler.record_answer = record_answer  # type: ignore[method-assign]


def no_ledger() -> None:
    """The ledger rows are never written."""
    from dailycast.purchases import ledger

    ledger._inserted = lambda entries: entries


MUTANTS: dict[str, Callable[[], None]] = {each.__name__: each for each in (keep_nothing, keep_late, no_ledger)}


# How it dies

REOPEN = {"action": "reopen", "line": "", "after": None}


def watched() -> tuple[str, ...]:
    """The files whose lines are told: ours, and what of Django's stores files and ends transactions."""
    files = ("core/files/", "db/models/fields/files.py", "utils/_os.py", "db/transaction.py")
    return (f"{ROOT}dailycast/", *(f"{DJANGO}django/{name}" for name in files))


def traced(notice: Callable[[str, int], object], wanted: Callable[[str], bool]) -> None:
    """Call `notice` before each line in the files that are wanted, in all threads."""

    def local(frame: FrameType, event: str, argument: object) -> Any:
        if event == "line":
            notice(frame.f_code.co_filename, frame.f_lineno)
        return local

    def entered(frame: FrameType, event: str, argument: object) -> Any:
        return local if wanted(frame.f_code.co_filename) else None

    threading.settrace(entered)
    sys.settrace(entered)


def die_at(line: str, turn: int) -> None:
    """Before `line` is executed for that time; the first time is turn 1."""
    name, _, number = line.rpartition(":")
    at, turns = int(number), count(1)

    def notice(path: str, reached: int) -> None:
        if reached == at and next(turns) == turn:
            os.kill(os.getpid(), signal.SIGKILL)

    traced(notice, f"{DJANGO if name.startswith('django/') else ROOT}{name}".__eq__)


def note(lines: dict[tuple[str, int], None]) -> None:
    folders = watched()
    traced(lambda path, line: lines.setdefault((path, line)), lambda path: path.startswith(folders))


# A worker


def live(run: dict[str, Any], report: int) -> None:
    """The forked child's whole life."""
    from django.conf import settings

    told: dict[str, Any] = {"lines": [], "trouble": ""}
    lines: dict[tuple[str, int], None] = {}
    try:
        if not run["budget"]:
            settings.DAILYCAST_DAILY_BUDGET_USD = None
        if run["mutant"]:
            MUTANTS[run["mutant"]]()
        if run["trace"]:
            note(lines)
        if run["line"]:
            die_at(run["line"], run["turn"])
        ACTIONS[run["action"]]()
    except BaseException:  # noqa: BLE001  # reported, and judged
        told["trouble"] = traceback.format_exc()
    finally:
        sys.settrace(None)
        threading.settrace(None)
        # Django first: a venv may lie inside the project
        told["lines"] = [f"{path.removeprefix(DJANGO).removeprefix(ROOT)}:{line}" for path, line in list(lines)]
        with suppress(OSError), os.fdopen(report, "w") as file:
            json.dump(told, file)
        os._exit(0)


def lived(run: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Fork a worker and see it end; the pipe it holds closes with it."""
    began = time.monotonic()
    ours, theirs = os.pipe()
    pid = os.fork()
    if not pid:
        os.close(ours)
        live(run, theirs)
    os.close(theirs)
    told, hung = heard(ours, pid, began, run["after"])
    _, status = os.waitpid(pid, 0)
    killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL and not hung
    answer = {"lines": [], "trouble": "" if killed else f"the worker ended with status {status}"}
    if hung:
        answer["trouble"] = f"the worker hung for {PATIENCE} s"
    elif told and not killed:
        answer = json.loads(told)
    seconds = time.monotonic() - began
    return {**answer, "killed": killed, "seconds": seconds, "state": left(folder)}


def heard(pipe: int, pid: int, began: float, after: float | None) -> tuple[bytes, bool]:
    """What the worker said until it ended; it is killed `after` so long, and when it hangs (the second part)."""
    told, hung, sent = b"", False, False
    with os.fdopen(pipe, "rb", buffering=0) as file:
        while True:
            ends = began + (PATIENCE if after is None or sent else after)
            if not select([file], [], [], max(ends - time.monotonic(), 0))[0]:
                hung, sent = after is None or sent, True
                os.kill(pid, signal.SIGKILL)
                continue
            piece = file.read(65_536)
            if not piece:
                return told, hung
            told += piece


# What is left


def left(folder: Path) -> dict[str, Any]:
    with closing(sqlite3.connect(folder / "db.sqlite3", timeout=20)) as database:
        database.row_factory = sqlite3.Row
        table = partial(rows, database)
        episodes, calls = table("dailycast_dailypodcast"), table("dailycast_providercall")
        reserved = sum(row["reserved"] for row in table("dailycast_budget"))
    return {"episodes": episodes, "calls": calls, "reserved": reserved, **files(folder / "media")}


def rows(database: sqlite3.Connection, table: str) -> list[dict[str, Any]]:
    return [dict(row) for row in database.execute(f"SELECT * FROM {table} ORDER BY id")]


def files(media: Path) -> dict[str, Any]:
    found: dict[str, Any] = {"clips": [], "parts": [], "audio": {}, "others": []}
    for path in sorted(path for path in media.rglob("*") if path.is_file()):
        name, data = path.relative_to(media).as_posix(), path.read_bytes()
        if path.name.startswith(".") and path.suffix == ".part":
            found["parts"].append(name)
        elif not (seconds := whole(data)):
            found["others"].append(name)
        elif name.startswith("podcasts/clips/"):
            found["clips"].append(path.stem)
        else:
            found["audio"][name] = (len(data), seconds)
    return found


def whole(data: bytes) -> float:
    from dailycast.audio.mp3 import duration
    from dailycast.errors import Mp3Error

    try:
        return duration(data)
    except Mp3Error:
        return 0.0


# The server


def prepare(folder: Path, environment: dict[str, str]) -> None:
    """Django with an empty database, and one episode made, so that nothing is left to import."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
    from django.conf import settings
    from django.contrib.auth import get_user_model
    from django.core.management import call_command
    from django.db import connections

    django.setup()
    for name, value in environment.items():
        setattr(settings, name, value)
    settings.DAILYCAST_RUNNER = "thread"
    settings.DAILYCAST_DAILY_BUDGET_USD = "5"
    settings.DAILYCAST_LEARNER_CONTEXT = "tests.reliability.lane.learner"
    settings.DAILYCAST_RATE_LIMITS = {"polly/neural": "1000/1000"}  # places of the dead are not what is tried here
    use(folder / "template", folder / "template/db.sqlite3")
    call_command("migrate", verbosity=0)
    get_user_model()._default_manager.create_user("alex", first_name="Alex")
    connections.close_all()
    warm(folder)
    clients()
    gc.disable()
    gc.freeze()  # else each worker would copy all of it at its first collection


def warm(folder: Path) -> None:
    from django.db import connections

    begin(folder / "warm", folder / "template", "trial-0-quick")
    resume()
    connections.close_all()
    for each in threading.enumerate():
        if each is not threading.main_thread():
            each.join(5)
    assert threading.active_count() == 1, threading.enumerate()


def clients() -> None:
    """The SDKs' clients, which take longest to make, are made once; without a connection they outlive a fork."""
    from dailycast.conf import conf
    from dailycast.llm import openai
    from dailycast.tts import polly

    writer = openai._client.__wrapped__(conf.OPENAI_API_KEY, conf.OPENAI_BASE_URL, 0)
    keys = conf.AWS_ACCESS_KEY_ID, conf.AWS_SECRET_ACCESS_KEY, ""
    voice = polly._cached_client.__wrapped__(keys, conf.AWS_REGION, conf.AWS_ENDPOINT_URL_POLLY, 30, 0)
    openai._client = lambda *_: writer  # type: ignore[assignment]
    polly._cached_client = lambda *_: voice  # type: ignore[assignment]


def use(folder: Path, database: Path) -> None:
    from django.conf import settings
    from django.core.signals import setting_changed
    from django.db import connections

    folder.mkdir(parents=True, exist_ok=True)
    connections.close_all()
    connections["default"].settings_dict["NAME"] = str(database)
    settings.MEDIA_ROOT = str(folder / "media")
    setting_changed.send(sender=None, setting="MEDIA_ROOT", value=settings.MEDIA_ROOT, enter=True)


def begin(folder: Path, template: Path, name: str) -> None:
    """A trial's own database and media folder."""
    global marker
    folder.mkdir(parents=True)
    shutil.copy(template / "db.sqlite3", folder / "db.sqlite3")
    use(folder, folder / "db.sqlite3")
    marker = name


def tried(plan: dict[str, Any], root: Path) -> dict[str, Any]:
    folder = root / plan["marker"]
    begin(folder, root / "template", plan["marker"])
    deaths = [lived(run, folder) for run in plan["runs"]]
    ended, parked = deaths[-1]["state"], []
    if any((row["status"], row["error_code"]) == ("failed", "needs_person") for row in ended["episodes"]):
        parked.append(ended)
        deaths.append(lived({**plan["runs"][-1], **REOPEN}, folder))
        ended = deaths[-1]["state"]
    shutil.rmtree(folder)
    return {"plan": plan, "deaths": deaths, "ended": ended, "parked": parked}


def main() -> None:
    root, environment = Path(sys.argv[1]), json.loads(sys.argv[2])
    prepare(root, environment)
    print("ready", flush=True)
    for line in sys.stdin:
        print(json.dumps(tried(json.loads(line), root)), flush=True)


if __name__ == "__main__":
    # As a module of its own name, which is where the settings look for `learner`.
    from tests.reliability import lane

    lane.main()
