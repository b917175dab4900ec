"""The ledger: what is written before a call and after it, and what an episode cost."""

import threading
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import User

from dailycast.errors import ProviderError, ThrottledError, VendorWideError
from dailycast.jobs.job import Job
from dailycast.models import DailyPodcast, Kind, Outcome, ProviderCall
from dailycast.purchases import ledger
from tests.jobs.rows import claimed
from tests.purchases.shop import Flaky, Stored, bill, buy, entries

pytestmark = pytest.mark.usefixtures("shop")


def test_the_entry_of_a_call_in_flight_has_the_most_that_it_may_cost(alex: User) -> None:
    seen, job, release = list[object](), claimed(alex), threading.Event()

    def note_entry(answer: object) -> str:
        if not release.is_set():
            row = ProviderCall.objects.get(unit="b")
            seen.append((row.podcast, row.provider, row.model, row.kind, row.outcome, row.units, row.cost_usd))
            release.set()
        return ""

    buy(Flaky(), lambda timeout: release.wait(5), parallel=2, job=job, remote=True, store=note_entry)
    assert seen == [(job.row, "shop", "basic", "speech", "unknown", 100, Decimal(1))]
    assert [row[1] for row in entries()] == ["ok", "ok"]


@pytest.mark.parametrize(
    ("error", "outcome", "units", "usd"),
    [
        (None, Outcome.OK, 10, "0.1"),
        (ProviderError("of no use", permanent=True, billed=(20,)), Outcome.FAILED, 20, "0.2"),
        (ProviderError("of no use", permanent=True, billed=(None,)), Outcome.FAILED, None, "1"),
        (ProviderError("silence", permanent=True), Outcome.UNANSWERED, 100, "1"),
        (ProviderError("too long", permanent=True, billed=()), Outcome.REFUSED, 0, "0"),
        (ThrottledError("too many", 99), Outcome.REFUSED, 0, "0"),
        (VendorWideError("wrong key"), Outcome.BLOCKED, 0, "0"),
        (RuntimeError("a bug"), Outcome.UNANSWERED, 100, "1"),
    ],
)
def test_a_closed_entry_says_what_the_vendor_bills(
    alex: User, error: Exception | None, outcome: Outcome, units: int | None, usd: str | None
) -> None:
    if error is None:
        buy(Flaky(), job=claimed(alex), remote=True)
    else:
        with pytest.raises(type(error)):
            buy(Flaky(error), job=claimed(alex), remote=True)
    assert entries() == [("a", outcome, units, None if usd is None else Decimal(usd))]
    row = ProviderCall.objects.get()
    assert row.message == ("RuntimeError" if isinstance(error, RuntimeError) else str(error or ""))
    assert row.ended_at is not None


def test_the_entry_of_a_call_that_was_given_up_has_the_most_that_it_may_cost(alex: User) -> None:
    release = threading.Event()
    with pytest.raises(ProviderError, match="no answer within"):
        buy(lambda timeout: release.wait(10), seconds=0.1, job=claimed(alex), remote=True)
    release.set()
    assert entries() == [("a", "unanswered", 100, Decimal(1))] * 2


def test_a_call_on_this_server_is_not_in_the_ledger(alex: User) -> None:
    stored = Stored()
    assert buy(Flaky(), job=claimed(alex), store=stored.add) == ["speech"]
    assert (entries(), stored) == ([], [])


def test_an_unknown_price_is_an_unknown_cost(alex: User, settings: Any) -> None:
    settings.DAILYCAST_PRICES = {}
    buy(Flaky(), job=claimed(alex), remote=True)
    assert entries() == [("a", "ok", 10, None)]


def test_the_ledger_keeps_an_answer_until_it_is_on_the_row(alex: User) -> None:
    job = claimed(alex)
    buy(Flaky(), Flaky(), job=job, remote=True, store=lambda answer: '{"text": "bought"}')
    ProviderCall.objects.filter(unit="b").update(outcome=Outcome.FAILED)
    assert ledger.stored_answers(job, Kind.SPEECH) == [{"text": "bought"}]
    assert ledger.stored_answers(job, Kind.SCRIPT) == []
    ledger.clear_answers(job)
    assert ledger.stored_answers(job, Kind.SPEECH) == []
    assert ledger.stored_answers(Job(), Kind.SPEECH) == []


def test_an_unusable_answer_is_billed_and_its_text_is_gone(alex: User) -> None:
    job = claimed(alex)
    for answer in ('"first"', '"second"'):
        buy(Flaky(), job=job, remote=True, store=lambda _, answer=answer: answer)
    ledger.mark_unusable(job, "there is nothing in it")
    assert ledger.stored_answers(job, Kind.SPEECH) == ["first"]
    assert entries() == [("a", "ok", 10, Decimal("0.1")), ("a", "failed", 10, Decimal("0.1"))]
    row = ProviderCall.objects.latest("pk")
    assert (row.answer, row.message) == ("", "there is nothing in it")
    ledger.mark_unusable(Job(), "nobody's")
    assert ledger.stored_answers(job, Kind.SPEECH) == ["first"]


def test_what_the_vendors_billed_for_an_episode(alex: User) -> None:
    podcast, other = (DailyPodcast.objects.create(user=alex) for _ in range(2))
    assert ledger.cost_of(podcast) == (Decimal(0), 0)
    bill(podcast, "0.001", kind=Kind.SCRIPT, units=900)
    bill(podcast, "0.25")
    bill(podcast, "0.50", outcome=Outcome.FAILED, units=30)
    for open_or_free in (Outcome.UNKNOWN, Outcome.UNANSWERED, Outcome.REFUSED, Outcome.BLOCKED, Outcome.LOST):
        bill(podcast, "7", outcome=open_or_free)
    bill(other, "9")
    assert ledger.cost_of(podcast) == (Decimal("0.751"), 130)
    bill(podcast, None, units=None)
    assert ledger.cost_of(podcast) == (None, 130)
