"""Eight processes, twenty episodes, a budget for about half of them: what is billed never exceeds it."""

import re
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.db.models import Sum

from dailycast import services
from dailycast.jobs import queue
from dailycast.learner import get_learner_context
from dailycast.llm import openai
from dailycast.models import Budget, DailyPodcast, Kind, Outcome, ProviderCall, Reason, Source, dates
from dailycast.purchases import prices
from dailycast.script.grammar import parse
from dailycast.script.prompt import build_prompt
from dailycast.tts import polly
from tests.cloud import Call, Cloud, Fault
from tests.cloud.wire import tokens

from .processes import in_processes

pytestmark = [
    pytest.mark.reliability,
    pytest.mark.django_db(transaction=True),
    pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning"),  # Python 3.12's: the stand-in has threads
]
EPISODES = 20
CAP = Decimal("0.10")
LEAST_USED = Decimal("0.8")
CLIP = "{name}, this is part {part}. " + "It goes on for a while, as speech does, so that it costs something. " * 6


def learner(user: User) -> dict[str, Any]:
    return {"language": "en"}


def script(prompt: str) -> str:
    """About 600 characters in two clips: a cent."""
    found = re.search(r'"first_name": "(\w+)"', prompt)
    name = found[1] if found else "nobody"
    return "\n\n".join([f"# For {name}", *(CLIP.format(name=name, part=part).strip() for part in (1, 2))])


@pytest.fixture(autouse=True)
def school(cloud: Cloud, settings: Any) -> Iterator[None]:
    settings.DAILYCAST_LEARNER_CONTEXT = "tests.reliability.test_budget.learner"
    settings.DAILYCAST_LLM_PROVIDERS = ["openai"]
    settings.DAILYCAST_DAILY_BUDGET_USD = str(CAP)
    settings.DAILYCAST_MINUTES = 1
    cloud.script = script
    cloud.latency = {"openai": 0.02, "polly": 0.02}
    for number in range(EPISODES):
        user = User.objects.create_user(f"learner{number}", first_name=f"Learner{number}")
        queue.submit(user, "en", source=Source.ADMIN)
    yield
    connection.close()


def make_all() -> None:
    for pk in DailyPodcast.objects.order_by("pk").values_list("pk", flat=True):
        services.run(pk)


def naive() -> None:
    """What dailycast does not do: look up the sum before a call, and write what it cost after it."""
    writer, voice = openai.Provider(), polly.Provider()
    speaker = voice.voice("en")
    assert speaker
    for podcast in DailyPodcast.objects.order_by("pk"):
        if not DailyPodcast.objects.filter(pk=podcast.pk, status="pending").update(status="running"):
            continue
        if not is_affordable(Decimal("0.002")):
            return
        text = writer.complete(build_prompt(get_learner_context(podcast.user), "en", 1), 30).text
        for clip in parse(text, "en").clips:
            usd = prices.cost("polly/neural", len(clip)) or Decimal(0)
            if not is_affordable(usd):
                return
            voice.speak(clip, speaker, 30)
            time.sleep(0.05)
            ProviderCall.objects.create(
                day=dates.today(), provider="polly", kind=Kind.SPEECH, outcome=Outcome.OK, cost_usd=usd
            )


def is_affordable(usd: Decimal) -> bool:
    spent = ProviderCall.objects.aggregate(usd=Sum("cost_usd"))["usd"] or Decimal(0)
    return bool(spent + usd <= CAP)


def billed(cloud: Cloud) -> Decimal:
    """USD, by the vendors' own journal."""
    return sum(map(usd, cloud.calls), Decimal(0))


def usd(call: Call) -> Decimal:
    if not call.units:
        return Decimal(0)
    asked = tokens(call.text)
    units = (call.units,) if call.vendor == "polly" else (asked, call.units - asked)
    cost = prices.cost(f"{call.vendor}/{call.kind}", *units)
    assert cost is not None
    return cost


def assert_within_budget(cloud: Cloud, media: Path) -> None:
    spent = billed(cloud)
    assert spent <= CAP, f"${spent} of ${CAP}"
    assert spent >= LEAST_USED * CAP, f"only ${spent} of ${CAP}"
    refused = list(DailyPodcast.objects.filter(error_code=Reason.BUDGET))
    spoken = [podcast for podcast in DailyPodcast.objects.all() if podcast.has_audio]
    assert 0 < len(spoken) < EPISODES
    assert len(refused) + len(spoken) == EPISODES
    until = dates.day_ends(dates.today()).isoformat(sep=" ", timespec="minutes")
    for podcast in refused:
        assert f"try again from {until} on, or raise DAILYCAST_DAILY_BUDGET_USD." in podcast.error_message
        assert podcast.status == ("completed" if podcast.script_text else "failed")
    assert not ProviderCall.objects.filter(outcome=Outcome.UNKNOWN).exists()


def test_eight_processes_together_keep_to_the_budget_and_use_it(cloud: Cloud, media: Path) -> None:
    in_processes(make_all)
    assert_within_budget(cloud, media)
    reserved = Decimal(Budget.objects.get().reserved) / prices.MILLION
    assert billed(cloud) <= reserved <= CAP, "what is unknown stays reserved, and nothing was unknown"
    assert reserved - billed(cloud) <= Decimal("0.000002") * len(cloud.calls)  # rounded up, call by call


@pytest.mark.parametrize("fault", [Fault.RESET, Fault.HALF_AUDIO, Fault.UNAVAILABLE], ids=str)
def test_eight_processes_keep_to_the_budget_where_calls_fail(
    fault: Fault, cloud: Cloud, settings: Any, media: Path
) -> None:
    """What is billed, or may be, without an answer counts too; what is not billed does not."""
    cloud.fail("polly", fault, times=6)
    in_processes(make_all)
    assert billed(cloud) <= CAP
    assert billed(cloud) >= LEAST_USED * CAP
    assert Decimal(Budget.objects.get().reserved) / prices.MILLION <= CAP


def test_a_budget_that_is_summed_up_and_then_spent_is_exceeded(cloud: Cloud) -> None:
    in_processes(naive)
    assert billed(cloud) > CAP


def test_the_end_of_a_budget_buys_whole_episodes(cloud: Cloud, settings: Any, media: Path) -> None:
    settings.DAILYCAST_DAILY_BUDGET_USD = "0.30"
    for number in range(EPISODES, 35):
        user = User.objects.create_user(f"learner{number}", first_name=f"Learner{number}")
        queue.submit(user, "en", source=Source.ADMIN)
    in_processes(make_all)
    spent = billed(cloud)
    heard = [podcast.cost_usd or 0 for podcast in DailyPodcast.objects.all() if podcast.has_audio]
    assert LEAST_USED * Decimal("0.30") <= spent <= Decimal("0.30")
    assert sum(heard) >= Decimal("0.9") * spent, f"${sum(heard)} of ${spent} can be heard"
