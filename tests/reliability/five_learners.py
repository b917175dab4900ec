"""A class of five learners, of whom the third meets a fault, and what must hold when their edition has ended."""

import io
import re
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import connection

from dailycast.models import DailyPodcast, Outcome, ProviderCall, RateLimit, Status
from dailycast.purchases import permits
from tests.cloud import Call, Cloud, Fault

NAMES = ("Ann", "Ben", "Cleo", "Dan", "Eve")
UNLUCKY = "Cleo"
SECOND = "{}, here is your second point."
MOST_TRIES, MOST_THROTTLED = 2, 11  # of one call in one attempt
COVERED = (Outcome.OK, Outcome.FAILED, Outcome.UNANSWERED)
UNREADABLE = re.compile(r"Traceback|object at 0x|\[Errno|[A-Z]\w+Error\b|None|\n")


def learner(user: User) -> dict[str, Any]:
    return {"mistakes": ["goed"], "language": "en"}


def script(prompt: str) -> str:
    """Three clips in two chapters; no two learners share one."""
    found = re.search(r'"first_name": "(\w+)"', prompt)
    name = found[1] if found else "nobody"
    texts = [f"Good morning, {name}.", SECOND.format(name), f"That is all for today, {name}."]
    return "\n\n".join([f"# For {name}", "## One", *texts[:2], "## Two", texts[2]])


def enrol() -> None:
    for name in NAMES:
        User.objects.create_user(name.lower(), first_name=name)


def episode_of(name: str = UNLUCKY) -> DailyPodcast:
    return DailyPodcast.objects.get(user__first_name=name)


@dataclass(frozen=True)
class Ended:
    """How the nightly command ended."""

    status: int
    out: str
    err: str


def run_edition() -> Ended:
    out, err = io.StringIO(), io.StringIO()
    status: Any = 0
    try:
        call_command("generate_daily_podcasts", "--concurrency", "2", stdout=out, stderr=err, no_color=True)
    except SystemExit as end:
        status = end.code
    return Ended(status, out.getvalue(), err.getvalue())


def calls_about(cloud: Cloud, vendor: str, name: str = UNLUCKY) -> list[Call]:
    return [call for call in cloud.calls if call.vendor == vendor and name in call.text]


def count_fault(cloud: Cloud, vendor: str, fault: Fault) -> int:
    return sum(call.vendor == vendor and call.outcome == fault for call in cloud.calls)


@contextmanager
def when_spoken(cloud: Cloud, text: str, act: Callable[[], object]) -> Iterator[None]:
    """`act` once, in the vendor's thread, while `text` is being spoken and before its answer is sent."""
    real, todo = cloud.polly.answer, [act]

    def answer(request: Any) -> Any:
        if text in cloud.polly.text(request) and todo:
            try:
                todo.pop()()
            finally:
                connection.close()
        return real(request)

    cloud.polly.answer = answer  # type: ignore[method-assign]
    try:
        yield
    finally:
        del cloud.polly.answer
        assert not todo, f"{text!r} was never spoken, so nothing was tested"


# What must hold


def unreadable_reason(message: str) -> str:
    """Why `message` should not be shown to staff; empty when it may be."""
    if found := UNREADABLE.search(message):
        return f"it quotes {found[0]!r}"
    if len(message.split()) < 4:
        return "it is too short to say anything"
    return "" if message.endswith((".", "…")) else "it does not end like a sentence"


def assert_well(name: str) -> None:
    """This learner's episode is as it should be."""
    found = episode_of(name)
    assert (found.status, found.error_code, found.error_message) == (Status.COMPLETED, "", ""), name
    assert has_whole_audio(found), name


def has_whole_audio(found: DailyPodcast) -> bool:
    return found.has_audio and found.audio_file.storage.size(str(found.audio_file)) == found.audio_bytes


def assert_nothing_left(media: Path) -> None:
    """No open ledger entry, no held permit, no thread, and no file that no row names."""
    for thread in threading.enumerate():
        if thread.name in ("dailycast-call", "dailycast-heartbeat"):
            thread.join(5)
            assert not thread.is_alive(), thread.name
    assert not ProviderCall.objects.filter(outcome=Outcome.UNKNOWN).exists()
    permits.release_ended()
    held = {permit_id for _, _, permit_id in permits._abandoned}  # by calls that were given up and have not ended
    taken = {permit_id for limit in RateLimit.objects.all() for permit_id in limit.state.get("flying", {})}
    assert taken <= held
    assert not DailyPodcast.objects.exclude(claim_token="").exists()
    assert not DailyPodcast.objects.filter(status=Status.RUNNING).exists()
    named = {found.audio_file.name for found in DailyPodcast.objects.exclude(audio_file=None)}
    stored = {str(path.relative_to(media)) for path in media.rglob("*") if path.is_file()}
    strangers = {name for name in stored - named if not re.fullmatch(r"podcasts/clips/\w{64}\.mp3", name)}
    assert strangers == set()


def assert_in_ledger(cloud: Cloud, exactly: bool = True) -> None:
    """The ledger has at least what the vendors bill, and `exactly` that where they answered."""
    for vendor in ("openai", "polly"):
        rows = ProviderCall.objects.filter(provider=vendor, outcome__in=COVERED).values_list("outcome", "units")
        listed, billed = sum(units or 0 for _, units in rows), cloud.billed(vendor)
        assert listed >= billed, f"{vendor} billed {billed}, the ledger knows of {listed}"
        assert not exactly or listed == billed or Outcome.UNANSWERED in [outcome for outcome, _ in rows], vendor


def most_repeated(cloud: Cloud, vendor: str) -> int:
    """How often the same call of the unlucky learner was made at most, with one engine or model."""
    return max(Counter((call.text, call.kind) for call in calls_about(cloud, vendor)).values(), default=0)
