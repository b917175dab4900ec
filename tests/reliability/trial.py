"""What a trial is, what is left of it, and the judge who holds that against the vendors' bills."""

from collections import Counter
from dataclasses import dataclass, field
from decimal import ROUND_UP, Decimal
from typing import Any

from dailycast.purchases import prices
from dailycast.script import grammar
from dailycast.studio import voices
from dailycast.tts.base import Voice

from .vendors import CLIPS

VOICE = Voice("Joanna", "neural")
KEYS = {"openai": "openai/gpt-6-luna", "polly": "polly/neural"}
MOST_ATTEMPTS, MOST_CRASHES = 5, 2  # after which a person decides
MILLION = Decimal(1_000_000)


@dataclass(frozen=True)
class Run:
    """One worker. It is killed before `line` is executed, or `after` so many seconds, or not at all."""

    action: str  # one of fork_server.ACTIONS
    line: str = ""  # "dailycast/purchases/purchase.py:120"
    turn: int = 1  # which of its executions
    after: float | None = None
    budget: bool = True  # whether a budget is set: calls are begun one by one then
    mutant: str = ""  # one of fork_server.MUTANTS
    trace: bool = False  # report every line that was executed


@dataclass(frozen=True)
class Plan:
    marker: str
    runs: tuple[Run, ...]


@dataclass(frozen=True)
class State:
    """What the database and the disk hold."""

    episodes: list[dict[str, Any]]
    calls: list[dict[str, Any]]  # the ledger
    reserved: int  # millionths of a USD
    clips: list[str]  # the units whose clip is whole
    parts: list[str]  # temporary files
    audio: dict[str, tuple[int, float]]  # whole MP3s in podcasts/: name -> bytes, seconds
    others: list[str]  # any other file

    @property
    def parked(self) -> bool:
        return any((each["status"], each["error_code"]) == ("failed", "needs_person") for each in self.episodes)

    def in_flight(self) -> set[str]:
        """The units whose call was in flight: their entry is open, and what was bought is stored nowhere."""
        stored = set(self.clips)
        return {call["unit"] for call in self.calls if call["outcome"] == "unknown"} - stored

    def crashes(self) -> Counter[str]:
        return Counter(call["unit"] for call in self.calls if call["outcome"] == "lost")


@dataclass(frozen=True)
class RunResult:
    """How a run ended, by SIGKILL or not, and the state right after it."""

    killed: bool
    seconds: float
    state: State
    lines: list[str]  # executed, where asked for
    trouble: str  # a traceback, or that it hung


@dataclass(frozen=True)
class Record:
    plan: Plan
    results: list[RunResult]
    ended: State
    parked: list[State] = field(default_factory=list)  # just before a person asked for another attempt

    @property
    def kills(self) -> int:
        return sum(result.killed for result in self.results)


@dataclass(frozen=True)
class Bill:
    vendor: str
    text: str
    units: list[int]

    @property
    def unit(self) -> str:
        """Its name in the ledger."""
        return "script" if self.vendor == "openai" else voices.clip_key("polly", VOICE, self.text)

    @property
    def usd(self) -> Decimal:
        return prices.cost(KEYS[self.vendor], *self.units) or Decimal(0)


def state(data: dict[str, Any]) -> State:
    return State(**data | {"audio": {name: (size, seconds) for name, (size, seconds) in data["audio"].items()}})


def record(data: dict[str, Any]) -> Record:
    """What a fork server wrote as JSON."""
    runs = tuple(Run(**run) for run in data["plan"]["runs"])
    results = [RunResult(**result | {"state": state(result["state"])}) for result in data["results"]]
    parked = [state(each) for each in data["parked"]]
    return Record(Plan(data["plan"]["marker"], runs), results, state(data["ended"]), parked)


# The judge


def judge(trial: Record, bills: list[Bill]) -> list[str]:
    """Everything that is wrong with the end of a trial, in a sentence each."""
    troubles = [result.trouble for result in trial.results if result.trouble]
    seen = _episode(trial) + _disk(trial) + _needless_parking(trial)
    return [*troubles, *seen, *_payments(trial, bills), *_ledger(trial, bills)]


def overpaid(bills: list[Bill]) -> tuple[int, Decimal]:
    """The bills beyond the first for each unit: how many, and USD."""
    seen: set[str] = set()
    again = [bill for bill in bills if bill.unit in seen or seen.add(bill.unit)]  # type: ignore[func-returns-value]
    return len(again), sum((bill.usd for bill in again), Decimal(0))


def _episode(trial: Record) -> list[str]:
    if len(trial.ended.episodes) != 1:
        return [f"there are {len(trial.ended.episodes)} episodes"]
    row = trial.ended.episodes[0]
    wrong = []
    if (row["status"], row["error_code"], row["error_message"]) != ("completed", "", ""):
        wrong.append(f"the episode is {row['status']} {row['error_code']} {row['error_message']}")
    if row["claim_token"] or row["lease_until"]:
        wrong.append("the episode is still claimed")
    size, seconds = trial.ended.audio.get(row["audio_file"] or "", (0, 0.0))
    if not size or size != row["audio_bytes"]:
        wrong.append(f"the audio {row['audio_file']} has {size} whole bytes and should have {row['audio_bytes']}")
    if abs(seconds - (row["duration_seconds"] or 0)) > 0.001:
        wrong.append(f"the audio lasts {seconds} s and not {row['duration_seconds']}")
    if trial.plan.marker not in row["script_text"]:
        wrong.append("the script is not the one that was written")
    return wrong


def _disk(trial: Record) -> list[str]:
    named = {row["audio_file"] for row in trial.ended.episodes}
    strangers = [name for name in trial.ended.audio if name not in named] + trial.ended.others
    wrong = [f"a file of no episode: {name}" for name in strangers]
    if len(trial.ended.parts) > trial.kills:
        wrong.append(f"{len(trial.ended.parts)} temporary files are left after {trial.kills} kills")
    return wrong


def _payments(trial: Record, bills: list[Bill]) -> list[str]:
    """No unit is paid for again, unless its call was in flight when its worker was killed: once for each such kill."""
    paid = Counter(bill.unit for bill in bills)
    excused = Counter(unit for result in trial.results if result.killed for unit in result.state.in_flight())
    wrong = [
        f"{_short(unit)} was billed {times} times, and in flight at {excused[unit]} kills"
        for unit, times in paid.items()
        if times > 1 + excused[unit]
    ]
    wrong += [
        f"{_short(unit)} was billed {times} times, and no person asked for it"
        for unit, times in paid.items()
        if times > MOST_CRASHES + len(trial.parked)
    ]
    text = trial.ended.episodes[0]["script_text"] if trial.ended.episodes else ""
    wanted = {"script"} | {voices.clip_key("polly", VOICE, each) for each in grammar.parse(text, "en").clips}
    if set(paid) != wanted or len(wanted) != 1 + CLIPS:
        wrong.append(f"{len(wanted)} units are wanted, {len(paid)} were billed, {len(wanted & set(paid))} are both")
    return wrong


def _ledger(trial: Record, bills: list[Bill]) -> list[str]:
    rows, paid = trial.ended.calls, Counter(bill.unit for bill in bills)
    units = {bill.unit: sum(bill.units) for bill in bills}
    answered = [row for row in rows if row["outcome"] == "ok"]
    listed, good = Counter(row["unit"] for row in rows), Counter(row["unit"] for row in answered)
    wrong = [f"{_short(unit)} has {listed[unit]} rows and {paid[unit]} bills" for unit in paid - listed]
    wrong += [f"{_short(unit)} has {good[unit]} ok rows and {paid[unit]} bills" for unit in good - paid]
    wrong += [
        f"{_short(row['unit'])} says {row['units']} units, the bill {units.get(row['unit'])}"
        for row in answered
        if row["units"] != units.get(row["unit"])
    ]
    wrong += [f"{_short(row['unit'])} is still open" for row in rows if row["outcome"] == "unknown"]
    wrong += [f"{_short(row['unit'])} still has its answer" for row in rows if row["answer"]]
    return wrong + _sums(trial, answered, bills)


def _sums(trial: Record, answered: list[dict[str, Any]], bills: list[Bill]) -> list[str]:
    wrong = []
    usd = sum((Decimal(str(row["cost_usd"])) for row in answered), Decimal(0))
    characters = sum(row["units"] for row in answered if row["kind"] == "speech")
    for row in trial.ended.episodes:
        if abs(Decimal(str(row["cost_usd"] or 0)) - usd) > Decimal("0.000001"):
            wrong.append(f"the episode says ${row['cost_usd']}, its ledger ${usd}")
        if row["tts_characters"] != characters:
            wrong.append(f"the episode says {row['tts_characters']} characters, its ledger {characters}")
    billed = sum((bill.usd for bill in bills), Decimal(0)) * MILLION
    most = sum(_micro(Decimal(str(row["cost_usd"]))) for row in trial.ended.calls)
    if trial.plan.runs[0].budget and not billed <= trial.ended.reserved <= most:
        wrong.append(f"the budget holds {trial.ended.reserved}, billed were {billed}, at most {most} by the ledger")
    return wrong


def _needless_parking(trial: Record) -> list[str]:
    """A person is asked when a unit was in flight at two crashes, or after too many attempts, and only then."""
    return [
        "a person was asked without need"
        for parked in trial.parked
        if max(parked.crashes().values(), default=0) < MOST_CRASHES and parked.episodes[0]["attempts"] <= MOST_ATTEMPTS
    ]


def _micro(usd: Decimal) -> int:
    return int((usd * MILLION).to_integral_value(ROUND_UP))


def _short(unit: str) -> str:
    return unit[:8]
