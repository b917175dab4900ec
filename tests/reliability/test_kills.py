"""Workers are killed at every line that they execute, and at random: nothing is lost, and nothing is paid for twice."""

from dataclasses import replace
from random import Random

import pytest

from .conftest import NOT_KILLED, TrialRunner, line_of, lines_in
from .trial import Record, Run
from .vendors import CLIPS

pytestmark = pytest.mark.reliability

MODULES = (
    "services",
    *(f"studio/{name}" for name in ("assembly", "estimate", "providers", "voices", "writers")),
    *(f"purchases/{name}" for name in ("attempts", "budget", "in_flight", "ledger", "permits", "prices", "purchase")),
    *(f"purchases/{name}" for name in ("rate_limits", "scheduler", "slots")),
    *(f"jobs/{name}" for name in ("database", "heartbeat", "job", "logs", "queue", "stopping")),
    *(f"audio/{name}" for name in ("clips", "storage")),
    *(f"models/{name}" for name in ("dates", "episode")),
    *(f"runners/{name}" for name in ("dispatch", "pool", "thread")),
)
FOLDERS = ("services", "studio/", "purchases/", "jobs/")  # no module of these that an episode executes is left out
REPEATED = ("purchases/.*", "audio/clips", "audio/storage")  # what runs once for each clip
EVERY = 7  # of Django's lines
KILLS = 200  # at random
NOT_IN_FLIGHT = "and in flight at 0 kills"
MOST = 0.9  # of the lines: the threads do not always execute the same ones


def killed_in(trials: list[Record], run: int = 0) -> list[Record]:
    """The trials whose run of that number ended by SIGKILL."""
    return [trial for trial in trials if trial.results[run].killed]


def modules_of(lines: list[str]) -> set[str]:
    """The modules of dailycast that have any of `lines`, as MODULES names them."""
    return {line.removeprefix("dailycast/").partition(".py:")[0] for line in lines if line.startswith("dailycast/")}


def every_line(runner: TrialRunner) -> list[str]:
    """The lines that an episode executes, in any of several runs: threads do not always take the same turns."""
    runs = [runner.lines(Run("make_in_thread")) for _ in range(3)]
    return list(dict.fromkeys(line for lines in runs for line in lines))


def test_a_kill_at_any_line_loses_nothing_and_pays_twice_for_nothing(runner: TrialRunner) -> None:
    every = every_line(runner)
    lines = lines_in(every, *MODULES)
    assert {module for module in modules_of(every) if module.startswith(FOLDERS)} <= set(MODULES)
    trials = runner.kill_at(lines, Run("make_in_thread"))
    runner.assert_clean(trials)
    reached = {trial.plan.runs[0].line for trial in killed_in(trials)}
    assert {module for module in MODULES if lines_in(reached, module)} == set(MODULES)
    assert len(reached) >= MOST * len(lines) > 300


def test_a_kill_while_clips_are_bought_without_a_budget_is_no_worse(runner: TrialRunner) -> None:
    run = Run("make_in_thread", budget=False)
    lines = lines_in(runner.lines(run), *REPEATED)
    others = sorted(set(lines) - set(every_line(runner)))
    trials = runner.kill_at(lines[::2], replace(run, turn=3)) + runner.kill_at(others, run)
    runner.assert_clean(trials)
    assert len(killed_in(trials)) > 30


def test_a_kill_while_the_episode_itself_is_written_is_no_worse(runner: TrialRunner) -> None:
    lines = lines_in(runner.lines(Run("make_in_thread")), "audio/storage")
    trials = runner.kill_at(lines, Run("make_in_thread", turn=CLIPS + 1))  # each clip is written before
    runner.assert_clean(trials)
    assert any(part.startswith("podcasts/.") for trial in killed_in(trials) for part in trial.results[0].state.parts)


def test_a_kill_at_any_line_of_a_worker_process_is_no_worse(runner: TrialRunner) -> None:
    lines = sorted(
        set(lines_in(runner.lines(Run("make_in_worker")), "runners/.*")) - set(runner.lines(Run("make_in_thread")))
    )
    trials = runner.kill_at(lines, Run("make_in_worker"))
    runner.assert_clean(trials)
    assert len(killed_in(trials)) >= MOST * len(lines) > 5


@pytest.mark.parametrize(
    "first",
    [
        Run("make_in_thread", line=line_of("dailycast/services.py", "if script := job.current_script():")),
        Run(
            "make_in_thread", line=line_of("dailycast/purchases/scheduler.py", "attempt.answers.append(answer)"), turn=4
        ),
    ],
    ids=["script bought and not saved", "three clips bought"],
)
def test_a_kill_at_any_line_that_only_a_second_attempt_has_is_no_worse(runner: TrialRunner, first: Run) -> None:
    lines = sorted(set(lines_in(runner.lines(first, NOT_KILLED), *MODULES)) - set(every_line(runner)))
    trials = runner.kill_at(lines, first, NOT_KILLED)
    runner.assert_clean(trials)
    assert len(killed_in(trials)) == len(lines)
    assert len(killed_in(trials, 1)) >= MOST * len(lines) > 3


def test_a_kill_inside_djangos_files_and_transactions_is_no_worse(runner: TrialRunner) -> None:
    lines = [line for line in every_line(runner) if line.startswith("django/")]
    trials = runner.kill_at(lines[::EVERY], Run("make_in_thread"))
    runner.assert_clean(trials)
    assert len(killed_in(trials)) >= MOST * len(lines) / EVERY > 5


def test_kills_at_random_moments_also_of_second_attempts_are_no_worse(runner: TrialRunner) -> None:
    undisturbed = runner.run([runner.plan(Run("make_in_thread"), slow=True) for _ in range(4)])
    longest = 1.1 * max(trial.results[0].seconds for trial in undisturbed)
    generator, killed, trials = Random(7), 0, []
    while killed < KILLS:
        plans = [runner.plan(*random_runs(generator, longest), slow=True) for _ in range(20)]
        ended = runner.run(plans)
        killed += sum(trial.kills for trial in ended)
        trials += ended
        assert len(trials) < 3 * KILLS, "they end before they can be killed"
    runner.assert_clean([*undisturbed, *trials])
    assert any(trial.parked for trial in trials)
    assert any(trial.kills > 1 for trial in trials)


def random_runs(generator: Random, longest: float) -> list[Run]:
    runs = [Run("make_in_thread", after=generator.uniform(0, longest))]
    while generator.random() < 0.5:
        runs.append(Run("resume", after=generator.uniform(0, 0.7 * longest)))
    budget = generator.random() < 0.5
    return [replace(run, budget=budget) for run in (*runs, NOT_KILLED)]


# The judge finds what is wrong


def test_a_naive_pipeline_is_caught(runner: TrialRunner) -> None:
    line = line_of("tests/reliability/fork_server.py", "podcast = DailyPodcast(user=user()")
    trials = runner.run([runner.plan(Run("naive", line=line), Run("naive"))])
    assert killed_in(trials)
    found = " ".join(runner.complaints(trials))
    assert "billed 2 times, and in flight at 0 kills" in found
    assert "has 0 rows" in found


@pytest.mark.parametrize(
    ("mutant", "file", "line", "turn", "complaint"),
    [
        ("store_no_clip", "dailycast/services.py", "usd, characters = ledger.cost_of", 1, NOT_IN_FLIGHT),
        ("store_clip_late", "tests/reliability/fork_server.py", "attempt.purchase.store(answer)", 3, NOT_IN_FLIGHT),
        ("write_no_ledger", "dailycast/services.py", "usd, characters = ledger.cost_of", 1, "has 0 rows"),
    ],
    ids=["store_no_clip", "store_clip_late", "write_no_ledger"],
)
def test_a_careless_dailycast_is_caught(
    runner: TrialRunner, mutant: str, file: str, line: str, turn: int, complaint: str
) -> None:
    first = Run("make_in_thread", line=line_of(file, line), turn=turn, mutant=mutant)
    trials = runner.run([runner.plan(first, NOT_KILLED)])
    assert killed_in(trials)
    assert complaint in " ".join(runner.complaints(trials))
