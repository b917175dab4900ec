"""Two lanes, one for each core that CI has, beside the vendors in a process of their own."""

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
LANES = 2
LONGEST = 300.0  # seconds for a lane's answer: it ends a worker that hangs by itself, long before
PEACE = Run("resume")


class Process:
    """A helper of ours that is told and tells in lines."""

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

    def hear(self) -> str:
        assert self.process.stdout
        alarm = threading.Timer(LONGEST, self.process.kill)
        alarm.start()
        try:
            line = self.process.stdout.readline()
        finally:
            alarm.cancel()
        assert line, self.log.read_text()[-4000:]
        return line

    def tell(self, line: str) -> None:
        assert self.process.stdin
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()


class Lanes:
    """Where trials are made, each with a marker of its own, and judged when all are over."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.journal = folder / "journal"
        vendors = Process(stack, folder / "vendors.log", "tests.reliability.vendors", str(self.journal))
        environment = vendors.hear()
        self.all = [self.lane(folder / f"lane{number}", environment, stack) for number in range(LANES)]
        self.free: queue.SimpleQueue[Process] = queue.SimpleQueue()
        for lane in self.all:
            assert lane.hear() == "ready\n"
            self.free.put(lane)
        self.numbers = count(1)
        self.totals = Totals()

    def lane(self, folder: Path, environment: str, stack: ExitStack) -> Process:
        folder.mkdir()
        return Process(stack, folder / "log", "tests.reliability.lane", str(folder), environment)

    def plan(self, *runs: Run, slow: bool = False) -> Plan:
        return Plan(f"trial-{next(self.numbers)}-{'slow' if slow else 'quick'}", runs)

    def make(self, plans: Iterable[Plan]) -> list[Record]:
        with ThreadPoolExecutor(LANES) as pool:
            made = list(pool.map(self.one, plans))
        self.totals.add(made, self.bills())
        return made

    def one(self, plan: Plan) -> Record:
        lane = self.free.get()
        try:
            lane.tell(json.dumps(asdict(plan)))
            return record(json.loads(lane.hear()))
        finally:
            self.free.put(lane)

    def lines(self, *runs: Run) -> list[str]:
        """What the last of `runs` executes."""
        made = self.make([self.plan(*runs[:-1], replace(runs[-1], trace=True))])[0]
        assert not made.deaths[-1].trouble, made.deaths[-1].trouble
        return made.deaths[-1].lines

    def killed(self, lines: Iterable[str], *runs: Run) -> list[Record]:
        """A trial for each line: the last of `runs` dies there, and then another worker brings it to its end."""
        return self.make([self.plan(*runs[:-1], replace(runs[-1], line=line), PEACE) for line in lines])

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

    def approve(self, trials: Iterable[Record]) -> None:
        found = self.complaints(trials)
        assert not found, "\n".join([f"{len(found)} complaints", *found[:20]])

    def complaints(self, trials: Iterable[Record]) -> list[str]:
        """What the judge has to say, with how each worker died."""
        bills = self.bills()
        return [
            f"{trial.plan.marker} {[told(run) for run in trial.plan.runs]}: {complaint}"
            for trial in trials
            for complaint in judge(trial, bills[trial.plan.marker])
        ]


def told(run: Run) -> str:
    return f"{run.action} {run.mutant} {run.line or run.after or 'in peace'}".replace("  ", " ")


class Totals:
    """Of all trials of the product itself; the controls are counted out."""

    def __init__(self) -> None:
        self.trials = self.kills = self.parts = self.parked = 0
        self.lines: set[str] = set()
        self.again = self.once = 0, Decimal(0)  # calls and USD: the worst trial, and the worst with one kill

    def add(self, trials: Iterable[Record], bills: dict[str, list[Bill]]) -> None:
        for trial in trials:
            if any(run.mutant or run.action == "naive" for run in trial.plan.runs):
                continue
            self.trials += 1
            self.kills += trial.kills
            self.parked += len(trial.parked)
            self.parts = max(self.parts, len(trial.ended.parts))
            again = overpaid(bills[trial.plan.marker])
            self.again = max(self.again, again)
            self.once = max(self.once, again) if trial.kills == 1 else self.once
            ended = zip(trial.plan.runs, trial.deaths, strict=False)
            self.lines |= {run.line for run, death in ended if run.line and death.killed}

    def __str__(self) -> str:
        return (
            f"{self.trials} trials, {self.kills} workers killed, at {len(self.lines)} lines; "
            f"{self.parked} trials parked for a person; calls paid again: at worst {paid(*self.once)} after one kill, "
            f"{paid(*self.again)} after more; at most {self.parts} temporary files left"
        )


def paid(calls: int, usd: Decimal) -> str:
    return f"{calls} (${usd:.6f})"


@pytest.fixture(scope="module")
def lanes(request: pytest.FixtureRequest) -> Iterator[Lanes]:
    memory = "/dev/shm" if Path("/dev/shm").is_dir() else None  # what SIGKILL leaves is the same on every disk
    with ExitStack() as stack:
        made = Lanes(Path(stack.enter_context(TemporaryDirectory(dir=memory))), stack)
        yield made
        with request.config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
            print(f"\nreliability: {made.totals}")


def of(lines: Iterable[str], *modules: str) -> list[str]:
    """Those lines that are in these modules of dailycast."""
    return [line for line in lines if re.fullmatch(rf"dailycast/({'|'.join(modules)})\.py:\d+", line)]


def line_of(file: str, text: str) -> str:
    """Where `text` stands, for Run.line."""
    lines = (ROOT / file).read_text(encoding="utf-8").splitlines()
    return f"{file}:{next(number for number, line in enumerate(lines, 1) if line.strip().startswith(text))}"
