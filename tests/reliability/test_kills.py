"""Workers are killed at every line that they execute, and at random; nothing is lost, and nothing is paid for twice."""

from dataclasses import replace
from random import Random

import pytest

from .conftest import PEACE, Lanes, line_of, of
from .trial import Record, Run
from .vendors import CLIPS

pytestmark = pytest.mark.reliability

MODULES = (
    "services",
    *(f"studio/{name}" for name in ("assembly", "estimate", "providers", "voices", "writers")),
    *(f"purchases/{name}" for name in ("attempts", "budget", "in_flight", "ledger", "permits", "prices", "purchase")),
    *(f"purchases/{name}" for name in ("rate_limits", "scheduler")),
    *(f"jobs/{name}" for name in ("database", "heartbeat", "job", "queue")),
    *(f"audio/{name}" for name in ("clips", "storage")),
    *(f"models/{name}" for name in ("dates", "episode")),
    *(f"runners/{name}" for name in ("dispatch", "pool", "thread")),
)
REPEATED = ("purchases/.*", "audio/clips", "audio/storage")  # what runs once for each clip
EVERY = 7  # of Django's lines
KILLS = 200  # at random
MOST = 0.9  # of the lines: which of them are executed is a little up to the threads


def dead(trials: list[Record], died: int = 0) -> list[Record]:
    """The trials whose run number `died` ended by SIGKILL."""
    return [trial for trial in trials if trial.deaths[died].killed]


def every_line(lanes: Lanes) -> list[str]:
    """What an episode executes, of several runs: threads take turns, and not always the same ones."""
    runs = [lanes.lines(Run("ask")) for _ in range(3)]
    return list(dict.fromkeys(line for lines in runs for line in lines))


def test_a_kill_at_any_line_loses_nothing_and_pays_twice_for_nothing(lanes: Lanes) -> None:
    lines = of(every_line(lanes), *MODULES)
    trials = lanes.killed(lines, Run("ask"))
    lanes.approve(trials)
    reached = {trial.plan.runs[0].line for trial in dead(trials)}
    assert {module for module in MODULES if of(reached, module)} == set(MODULES)
    assert len(reached) >= MOST * len(lines) > 300


def test_a_kill_amid_the_clips_without_a_budget_is_no_worse(lanes: Lanes) -> None:
    free = Run("ask", budget=False)
    lines = of(lanes.lines(free), *REPEATED)
    unlike = sorted(set(lines) - set(every_line(lanes)))
    trials = lanes.killed(lines[::2], replace(free, turn=3)) + lanes.killed(unlike, free)
    lanes.approve(trials)
    assert len(dead(trials)) > 30


def test_a_kill_while_the_episode_itself_is_written_is_no_worse(lanes: Lanes) -> None:
    lines = of(lanes.lines(Run("ask")), "audio/storage")
    trials = lanes.killed(lines, Run("ask", turn=CLIPS + 1))  # each clip is written before
    lanes.approve(trials)
    assert any(part.startswith("podcasts/.") for trial in dead(trials) for part in trial.deaths[0].state.parts)


def test_a_kill_at_any_line_of_a_worker_process_is_no_worse(lanes: Lanes) -> None:
    lines = sorted(set(of(lanes.lines(Run("work")), "runners/.*")) - set(lanes.lines(Run("ask"))))
    trials = lanes.killed(lines, Run("work"))
    lanes.approve(trials)
    assert len(dead(trials)) >= MOST * len(lines) > 5


@pytest.mark.parametrize(
    "first",
    [
        Run("ask", line=line_of("dailycast/services.py", "if not job.current_script():")),
        Run("ask", line=line_of("dailycast/purchases/scheduler.py", "attempt.answers.append(answer)"), turn=4),
    ],
    ids=["script bought and not saved", "three clips bought"],
)
def test_a_kill_at_any_line_that_only_a_second_attempt_has_is_no_worse(lanes: Lanes, first: Run) -> None:
    lines = sorted(set(of(lanes.lines(first, PEACE), *MODULES)) - set(every_line(lanes)))
    trials = lanes.killed(lines, first, PEACE)
    lanes.approve(trials)
    assert len(dead(trials)) == len(lines)
    assert len(dead(trials, 1)) >= MOST * len(lines) > 3


def test_a_kill_inside_djangos_files_and_transactions_is_no_worse(lanes: Lanes) -> None:
    lines = [line for line in every_line(lanes) if line.startswith("django/")]
    trials = lanes.killed(lines[::EVERY], Run("ask"))
    lanes.approve(trials)
    assert len(dead(trials)) >= MOST * len(lines) / EVERY > 5


def test_kills_at_random_moments_also_of_second_attempts_are_no_worse(lanes: Lanes) -> None:
    calm = lanes.make([lanes.plan(Run("ask"), slow=True) for _ in range(4)])
    longest = 1.1 * max(trial.deaths[0].seconds for trial in calm)
    chance, killed, trials = Random(7), 0, []
    while killed < KILLS:
        plans = [lanes.plan(*random_runs(chance, longest), slow=True) for _ in range(20)]
        made = lanes.make(plans)
        killed += sum(trial.kills for trial in made)
        trials += made
        assert len(trials) < 3 * KILLS, "they end before they can be killed"
    lanes.approve([*calm, *trials])
    assert any(trial.parked for trial in trials)
    assert any(trial.kills > 1 for trial in trials)


def random_runs(chance: Random, longest: float) -> list[Run]:
    runs = [Run("ask", after=chance.uniform(0, longest))]
    while chance.random() < 0.5:
        runs.append(Run("resume", after=chance.uniform(0, 0.7 * longest)))
    budget = chance.random() < 0.5
    return [replace(run, budget=budget) for run in (*runs, PEACE)]


# That the judge sees


def test_a_naive_pipeline_is_caught(lanes: Lanes) -> None:
    line = line_of("tests/reliability/lane.py", "podcast = DailyPodcast(user=user()")
    trials = lanes.make([lanes.plan(Run("naive", line=line), Run("naive"))])
    assert dead(trials)
    found = " ".join(lanes.complaints(trials))
    assert "billed 2 times, and under way at 0 kills" in found
    assert "has 0 rows" in found


@pytest.mark.parametrize(
    ("mutant", "file", "line", "turn", "says"),
    [
        ("keep_nothing", "dailycast/services.py", "usd, characters = ledger.cost_of", 1, "and under way at 0 kills"),
        ("keep_late", "tests/reliability/lane.py", "attempt.purchase.store(answer)", 3, "and under way at 0 kills"),
        ("no_ledger", "dailycast/services.py", "usd, characters = ledger.cost_of", 1, "has 0 rows"),
    ],
    ids=["keep_nothing", "keep_late", "no_ledger"],
)
def test_a_dailycast_that_is_careless_is_caught(
    lanes: Lanes, mutant: str, file: str, line: str, turn: int, says: str
) -> None:
    first = Run("ask", line=line_of(file, line), turn=turn, mutant=mutant)
    trials = lanes.make([lanes.plan(first, PEACE)])
    assert dead(trials)
    assert says in " ".join(lanes.complaints(trials))
