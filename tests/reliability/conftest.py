"""Trials run on two fork servers, one for each core that CI has, beside the vendors in a process of their own."""

import json
import queue
import re
import subprocess
import sys
import threading
from collections import defaultdict
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, replace
from decimal import Decimal
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from .trial import Bill, Plan, Record, Run, judge, overpaid, record
from .vendors import MARKER

ROOT = Path(__file__).resolve().parents[2]
SERVERS = 2
LONGEST = 300.0  # seconds for a server's answer: it ends a worker that hangs by itself, long before
NOT_KILLED = Run("resume")


class Process:
    """A process of ours that reads and writes lines."""

    def __init__(self, stack: ExitStack, log: Path, *command: str) -> None:
        self.log = log
        errors = stack.enter_context(log.open("w"))
        self.process = subprocess.Popen(
            [sys.executable, "-m", *command],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
        stack.enter_context(self.process)
        stack.callback(self.process.kill)

    def read_line(self) -> str:
        assert self.process.stdout
        alarm = threading.Timer(LONGEST, self.process.kill)
        alarm.start()
        try:
            line = self.process.stdout.readline()
        finally:
            alarm.cancel()
        assert line, self.log.read_text()[-4000:]
        return line

    def write_line(self, line: str) -> None:
        assert self.process.stdin
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()


class TrialRunner:
    """Runs trials, each with a marker of its own, and judges them when all have ended."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.journal = folder / "journal"
        vendors = Process(stack, folder / "vendors.log", "tests.reliability.vendors", str(self.journal))
        environment = vendors.read_line()
        self.servers = [self.start_server(folder / f"server{number}", environment, stack) for number in range(SERVERS)]
        self.idle: queue.SimpleQueue[Process] = queue.SimpleQueue()
        for server in self.servers:
            assert server.read_line() == "ready\n"
            self.idle.put(server)
        self.numbers = count(1)
        self.totals = Totals()

    def start_server(self, folder: Path, environment: str, stack: ExitStack) -> Process:
        folder.mkdir()
        return Process(stack, folder / "log", "tests.reliability.fork_server", str(folder), environment)

    def plan(self, *runs: Run, slow: bool = False) -> Plan:
        return Plan(f"trial-{next(self.numbers)}-{'slow' if slow else 'quick'}", runs)

    def run(self, plans: Iterable[Plan]) -> list[Record]:
        with ThreadPoolExecutor(SERVERS) as pool:
            records = list(pool.map(self.run_plan, plans))
        self.totals.add(records, self.bills())
        return records

    def run_plan(self, plan: Plan) -> Record:
        server = self.idle.get()
        try:
            server.write_line(json.dumps(asdict(plan)))
            return record(json.loads(server.read_line()))
        finally:
            self.idle.put(server)

    def lines(self, *runs: Run) -> list[str]:
        """What the last of `runs` executes."""
        tried = self.run([self.plan(*runs[:-1], replace(runs[-1], trace=True))])[0]
        assert not tried.results[-1].trouble, tried.results[-1].trouble
        return tried.results[-1].lines

    def kill_at(self, lines: Iterable[str], *runs: Run) -> list[Record]:
        """A trial for each line: the last of `runs` is killed there, and then another worker finishes the episode."""
        return self.run([self.plan(*runs[:-1], replace(runs[-1], line=line), NOT_KILLED) for line in lines])

    def bills(self) -> dict[str, list[Bill]]:
        """What the vendors billed for each trial."""
        found: dict[str, list[Bill]] = defaultdict(list)
        for line in self.journal.read_text().splitlines():
            entry = json.loads(line)
            marker = MARKER.search(entry["text"])
            if entry["units"] != [0]:  # else its worker died before it had sent all of it
                assert marker
                found[marker[0]].append(Bill(entry["vendor"], entry["text"], entry["units"]))
        return found

    def assert_clean(self, trials: Iterable[Record]) -> None:
        found = self.complaints(trials)
        assert not found, "\n".join([f"{len(found)} complaints", *found[:20]])

    def complaints(self, trials: Iterable[Record]) -> list[str]:
        """What the judge complains about, with how each worker ended."""
        bills = self.bills()
        return [
            f"{trial.plan.marker} {[describe(run) for run in trial.plan.runs]}: {complaint}"
            for trial in trials
            for complaint in judge(trial, bills[trial.plan.marker])
        ]


def describe(run: Run) -> str:
    return f"{run.action} {run.mutant} {run.line or run.after or 'not killed'}".replace("  ", " ")


class Totals:
    """Of all trials of the product itself, without the controls."""

    def __init__(self) -> None:
        self.trials = self.kills = self.parts = self.parked = 0
        self.lines: set[str] = set()
        self.worst = self.worst_of_one = 0, Decimal(0)  # calls and USD: the worst trial, and the worst with one kill

    def add(self, trials: Iterable[Record], bills: dict[str, list[Bill]]) -> None:
        for trial in trials:
            if any(run.mutant or run.action == "naive" for run in trial.plan.runs):
                continue
            self.trials += 1
            self.kills += trial.kills
            self.parked += len(trial.parked)
            self.parts = max(self.parts, len(trial.ended.parts))
            again = overpaid(bills[trial.plan.marker])
            self.worst = max(self.worst, again)
            self.worst_of_one = max(self.worst_of_one, again) if trial.kills == 1 else self.worst_of_one
            ended = zip(trial.plan.runs, trial.results, strict=False)
            self.lines |= {run.line for run, result in ended if run.line and result.killed}

    def __str__(self) -> str:
        return (
            f"{self.trials} trials, {self.kills} workers killed, at {len(self.lines)} lines; "
            f"{self.parked} trials parked for a person; calls paid again: at worst "
            f"{paid(*self.worst_of_one)} after one kill, {paid(*self.worst)} after more; "
            f"at most {self.parts} temporary files left"
        )


def paid(calls: int, usd: Decimal) -> str:
    return f"{calls} (${usd:.6f})"


@pytest.fixture(scope="module")
def runner(request: pytest.FixtureRequest) -> Iterator[TrialRunner]:
    memory = "/dev/shm" if Path("/dev/shm").is_dir() else None  # SIGKILL leaves the same on every disk
    with ExitStack() as stack:
        started = TrialRunner(Path(stack.enter_context(TemporaryDirectory(dir=memory))), stack)
        yield started
        with request.config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
            print(f"\nreliability: {started.totals}")


def lines_in(lines: Iterable[str], *modules: str) -> list[str]:
    """Those lines that are in these modules of dailycast."""
    return [line for line in lines if re.fullmatch(rf"dailycast/({'|'.join(modules)})\.py:\d+", line)]


def line_of(file: str, text: str) -> str:
    """The line that starts with `text`, for Run.line."""
    lines = (ROOT / file).read_text(encoding="utf-8").splitlines()
    return f"{file}:{next(number for number, line in enumerate(lines, 1) if line.strip().startswith(text))}"
