"""`python -m tests.reliability.fork_server FOLDER ENVIRONMENT`: reads a plan as JSON, and writes its record as JSON.

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
LONGEST = 30.0  # seconds that a worker may take
KEY = "the-same-click"

marker = ""


def learner(user: object) -> dict[str, str]:
    """The host's records: they bring the marker of this trial into the prompt."""
    return {"goal": f"Hear of {marker} today.", "language": "en"}


# What a worker does


def user() -> Any:
    from django.contrib.auth import get_user_model

    return get_user_model()._default_manager.get()


def make_in_thread() -> None:
    """A page asks, and a thread of the same process makes it."""
    from dailycast import runners
    from dailycast.runners import thread

    runners.submit(user(), "en", request_key=KEY)
    thread.pool().wait(0)


def make_in_worker() -> None:
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
    """The lease has run out, and the same request is sent again, because not every kill leaves a row."""
    from django.utils import timezone

    from dailycast import services
    from dailycast.jobs import queue
    from dailycast.models import DailyPodcast, Status

    DailyPodcast.objects.filter(status=Status.RUNNING).update(lease_until=timezone.now() - timedelta(seconds=1))
    queue.submit(user(), "en", request_key=KEY)
    queue.sweep()
    while due := queue.due(10):
        for pk in due:
            services.run(pk, can_reschedule=True)
        queue.sweep()


def reopen() -> None:
    """A person asks for another attempt."""
    from dailycast.jobs import queue
    from dailycast.models import DailyPodcast

    for podcast in DailyPodcast.objects.all():
        queue.reopen(podcast.pk)
    resume()


def naive() -> None:
    """What dailycast does not do: buy everything, then save everything."""
    from django.core.files.base import ContentFile

    from dailycast.audio.mp3 import duration, join
    from dailycast.learner import get_learner_context
    from dailycast.llm import openai
    from dailycast.models import DailyPodcast, Status
    from dailycast.script import grammar
    from dailycast.script.prompt import build_prompt
    from dailycast.tts import polly

    if DailyPodcast.objects.exists():
        return
    prompt = build_prompt(get_learner_context(user()), "en", 4.0)
    text = openai.Provider().complete(prompt, 30).text
    voice = polly.Provider()
    known = voice.voice("en")
    assert known
    mp3 = join([voice.speak(clip, known, 30).mp3 for clip in grammar.parse(text, "en").clips]).mp3
    podcast = DailyPodcast(user=user(), status=Status.COMPLETED, script_text=text)
    podcast.audio_bytes, podcast.duration_seconds = len(mp3), duration(mp3)
    podcast.audio_file.save("podcast_1_1.mp3", ContentFile(mp3))


ACTIONS: dict[str, Callable[[], None]] = {
    each.__name__: each for each in (make_in_thread, make_in_worker, resume, reopen, naive)
}


def store_no_clip() -> None:
    from dailycast.audio import clips

    clips.store_clip = lambda key, mp3: None


def store_clip_late() -> None:
    """The ledger entry of a clip is closed before the clip is stored."""
    from dailycast.models import Outcome
    from dailycast.purchases import ledger
    from dailycast.purchases.scheduler import PurchaseScheduler

    def record_answer(self: Any, attempt: Any, answer: Any) -> None:
        ledger.close_entry(attempt, Outcome.OK, attempt.purchase.billed_units(answer))
        attempt.purchase.store(answer)
        attempt.answers.append(answer)

    PurchaseScheduler.record_answer = record_answer  # type: ignore[method-assign]


def write_no_ledger() -> None:
    """The entries of the ledger are never written."""
    from dailycast.purchases import ledger

    ledger._inserted = lambda entries: entries


MUTANTS: dict[str, Callable[[], None]] = {
    each.__name__: each for each in (store_no_clip, store_clip_late, write_no_ledger)
}


# Where it is killed

REOPEN = {"action": "reopen", "line": "", "after": None}


def traced_folders() -> tuple[str, ...]:
    """The files whose lines are recorded: ours, and those of Django that store files and end transactions."""
    names = ("core/files/", "db/models/fields/files.py", "utils/_os.py", "db/transaction.py")
    return (f"{ROOT}dailycast/", *(f"{DJANGO}django/{name}" for name in names))


def trace(notify: Callable[[str, int], object], wanted: Callable[[str], bool]) -> None:
    """Call `notify` before each line in the files that are wanted, in all threads."""

    def local(frame: FrameType, event: str, argument: object) -> Any:
        if event == "line":
            notify(frame.f_code.co_filename, frame.f_lineno)
        return local

    def entered(frame: FrameType, event: str, argument: object) -> Any:
        return local if wanted(frame.f_code.co_filename) else None

    threading.settrace(entered)
    sys.settrace(entered)


def kill_at(line: str, turn: int) -> None:
    """Kill this process before `line` is executed for the `turn`-th time, from 1 on."""
    name, _, number = line.rpartition(":")
    at, turns = int(number), count(1)

    def notify(path: str, reached: int) -> None:
        if reached == at and next(turns) == turn:
            os.kill(os.getpid(), signal.SIGKILL)

    trace(notify, f"{DJANGO if name.startswith('django/') else ROOT}{name}".__eq__)


def record_lines(lines: dict[tuple[str, int], None]) -> None:
    folders = traced_folders()
    trace(lambda path, line: lines.setdefault((path, line)), lambda path: path.startswith(folders))


# A worker


def run_worker(run: dict[str, Any], pipe: int) -> None:
    """All that the forked child does."""
    from django.conf import settings

    report: dict[str, Any] = {"lines": [], "trouble": ""}
    lines: dict[tuple[str, int], None] = {}
    try:
        if not run["budget"]:
            settings.DAILYCAST_DAILY_BUDGET_USD = None
        if run["mutant"]:
            MUTANTS[run["mutant"]]()
        if run["trace"]:
            record_lines(lines)
        if run["line"]:
            kill_at(run["line"], run["turn"])
        ACTIONS[run["action"]]()
    except BaseException:  # noqa: BLE001  # reported to the judge
        report["trouble"] = traceback.format_exc()
    finally:
        sys.settrace(None)
        threading.settrace(None)
        # Django first: a venv may lie inside the project
        report["lines"] = [f"{path.removeprefix(DJANGO).removeprefix(ROOT)}:{line}" for path, line in list(lines)]
        with suppress(OSError), os.fdopen(pipe, "w") as file:
            json.dump(report, file)
        os._exit(0)


def fork_worker(run: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Fork a worker and wait for its end, which closes its pipe."""
    began = time.monotonic()
    ours, theirs = os.pipe()
    pid = os.fork()
    if not pid:
        os.close(ours)
        run_worker(run, theirs)
    os.close(theirs)
    report, is_hung = wait_for_worker(ours, pid, began, run["after"])
    _, status = os.waitpid(pid, 0)
    killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL and not is_hung
    answer = {"lines": [], "trouble": "" if killed else f"the worker ended with status {status}"}
    if is_hung:
        answer["trouble"] = f"the worker did not end within {LONGEST} s"
    elif report and not killed:
        answer = json.loads(report)
    seconds = time.monotonic() - began
    return {**answer, "killed": killed, "seconds": seconds, "state": read_state(folder)}


def wait_for_worker(pipe: int, pid: int, began: float, after: float | None) -> tuple[bytes, bool]:
    """What the worker wrote, and whether it hung. It is killed `after` so many seconds, or when it hangs."""
    report, is_hung, is_killed = b"", False, False
    with os.fdopen(pipe, "rb", buffering=0) as file:
        while True:
            ends = began + (LONGEST if after is None or is_killed else after)
            if not select([file], [], [], max(ends - time.monotonic(), 0))[0]:
                is_hung, is_killed = after is None or is_killed, True
                os.kill(pid, signal.SIGKILL)
                continue
            data = file.read(65_536)
            if not data:
                return report, is_hung
            report += data


# The state after it


def read_state(folder: Path) -> dict[str, Any]:
    with closing(sqlite3.connect(folder / "db.sqlite3", timeout=20)) as database:
        database.row_factory = sqlite3.Row
        table = partial(rows, database)
        episodes, calls = table("dailycast_dailypodcast"), table("dailycast_providercall")
        reserved = sum(row["reserved"] for row in table("dailycast_budget"))
    return {"episodes": episodes, "calls": calls, "reserved": reserved, **read_files(folder / "media")}


def rows(database: sqlite3.Connection, table: str) -> list[dict[str, Any]]:
    return [dict(row) for row in database.execute(f"SELECT * FROM {table} ORDER BY id")]


def read_files(media: Path) -> dict[str, Any]:
    found: dict[str, Any] = {"clips": [], "parts": [], "audio": {}, "others": []}
    for path in sorted(path for path in media.rglob("*") if path.is_file()):
        name, data = path.relative_to(media).as_posix(), path.read_bytes()
        if path.name.startswith(".") and path.suffix == ".part":
            found["parts"].append(name)
        elif not (seconds := seconds_of(data)):
            found["others"].append(name)
        elif name.startswith("podcasts/clips/"):
            found["clips"].append(path.stem)
        else:
            found["audio"][name] = (len(data), seconds)
    return found


def seconds_of(data: bytes) -> float:
    from dailycast.audio.mp3 import duration
    from dailycast.errors import Mp3Error

    try:
        return duration(data)
    except Mp3Error:
        return 0.0


# The server


def prepare(folder: Path, environment: dict[str, str]) -> None:
    """Django with an empty database, and one episode made, so that nothing remains to be imported."""
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
    settings.DAILYCAST_LEARNER_CONTEXT = "tests.reliability.fork_server.learner"
    settings.DAILYCAST_RATE_LIMITS = {"polly/neural": "1000/1000"}  # no permit of a dead worker is waited for
    use_database(folder / "template", folder / "template/db.sqlite3")
    call_command("migrate", verbosity=0)
    get_user_model()._default_manager.create_user("alex", first_name="Alex")
    connections.close_all()
    warm_up(folder)
    share_clients()
    gc.disable()
    gc.freeze()  # else each worker would copy all memory at its first collection


def warm_up(folder: Path) -> None:
    from django.db import connections

    begin_trial(folder / "warm", folder / "template", "trial-0-quick")
    resume()
    connections.close_all()
    for each in threading.enumerate():
        if each is not threading.main_thread():
            each.join(5)
    assert threading.active_count() == 1, threading.enumerate()


def share_clients() -> None:
    """The SDKs' clients, which take longest to make, are made once: without a connection they survive a fork."""
    from dailycast.conf import conf
    from dailycast.llm import openai
    from dailycast.tts import polly

    writer = openai._client.__wrapped__(conf.OPENAI_API_KEY, conf.OPENAI_BASE_URL, 0)
    keys = conf.AWS_ACCESS_KEY_ID, conf.AWS_SECRET_ACCESS_KEY, ""
    voice = polly._cached_client.__wrapped__(keys, conf.AWS_REGION, conf.AWS_ENDPOINT_URL_POLLY, 30, 0)
    openai._client = lambda *_: writer  # type: ignore[assignment]
    polly._cached_client = lambda *_: voice  # type: ignore[assignment]


def use_database(folder: Path, database: Path) -> None:
    from django.conf import settings
    from django.core.signals import setting_changed
    from django.db import connections

    folder.mkdir(parents=True, exist_ok=True)
    connections.close_all()
    connections["default"].settings_dict["NAME"] = str(database)
    settings.MEDIA_ROOT = str(folder / "media")
    setting_changed.send(sender=None, setting="MEDIA_ROOT", value=settings.MEDIA_ROOT, enter=True)


def begin_trial(folder: Path, template: Path, name: str) -> None:
    """A trial's own database and media folder."""
    global marker
    folder.mkdir(parents=True)
    shutil.copy(template / "db.sqlite3", folder / "db.sqlite3")
    use_database(folder, folder / "db.sqlite3")
    marker = name


def run_trial(plan: dict[str, Any], root: Path) -> dict[str, Any]:
    folder = root / plan["marker"]
    begin_trial(folder, root / "template", plan["marker"])
    results = [fork_worker(run, folder) for run in plan["runs"]]
    ended, parked = results[-1]["state"], []
    if any((row["status"], row["error_code"]) == ("failed", "needs_person") for row in ended["episodes"]):
        parked.append(ended)
        results.append(fork_worker({**plan["runs"][-1], **REOPEN}, folder))
        ended = results[-1]["state"]
    shutil.rmtree(folder)
    return {"plan": plan, "results": results, "ended": ended, "parked": parked}


def main() -> None:
    root, environment = Path(sys.argv[1]), json.loads(sys.argv[2])
    prepare(root, environment)
    print("ready", flush=True)
    for line in sys.stdin:
        print(json.dumps(run_trial(json.loads(line), root)), flush=True)


if __name__ == "__main__":
    # As a module of its own name, which is where the settings look for `learner`.
    from tests.reliability import fork_server

    fork_server.main()
