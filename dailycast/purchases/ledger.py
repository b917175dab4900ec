"""The ledger: an entry before each call, closed after it; the answers that it keeps; what an episode cost.

Every function tries again while the database is locked or gone.
"""

import json
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from django.db import IntegrityError, connections, router, transaction
from django.db.models import QuerySet
from django.utils import timezone

from ..conf import conf
from ..errors import ClaimLostError, ProviderError, Units, VendorWideError
from ..jobs.database import retry_database
from ..jobs.job import Job
from ..models import BILLED, DailyPodcast, Kind, Outcome, ProviderCall, dates
from . import budget, prices
from .attempts import Attempt
from .purchase import Purchase

UNCOUNTED = "The vendor did not say what it bills: this is the most that the call may cost."

# Entries


def open_entries(purchases: Sequence[Purchase[Any]], job: Job) -> list[ProviderCall]:
    """The entries of calls that are about to be made. The most that they may cost is reserved in the budget.

    Raises BudgetError, and ClaimLostError when the episode is gone; then nothing is written.
    """
    return retry_database(_open, purchases, job)


def _open(purchases: Sequence[Purchase[Any]], job: Job) -> list[ProviderCall]:
    entries = [_entry(purchase, job) for purchase in purchases]
    budget.sync_with_ledger()
    try:
        with budget.with_ledger():
            for purchase, entry in zip(purchases, entries, strict=True):
                budget.reserve(purchase.key, _beyond_reservation(job, entry))
            return _inserted(entries)
    except IntegrityError as error:
        raise ClaimLostError("The episode is gone.") from error


def _entry(purchase: Purchase[Any], job: Job) -> ProviderCall:
    return ProviderCall(
        podcast=job.podcast,
        day=dates.today(),
        provider=purchase.provider.name,
        model=purchase.model,
        kind=purchase.kind,
        unit=purchase.item_key,
        units=sum(filter(None, purchase.max_units)),
        cost_usd=purchase.cost(purchase.max_units),
    )


def _inserted(entries: list[ProviderCall]) -> list[ProviderCall]:
    """`entries` with their keys: in one statement where the database returns the keys."""
    if connections[router.db_for_write(ProviderCall)].features.can_return_rows_from_bulk_insert:
        return ProviderCall.objects.bulk_create(entries)
    for entry in entries:
        entry.save(force_insert=True)
    return entries


def close_entry(
    attempt: Attempt[Any], outcome: Outcome, billed: Units | None, message: str = "", answer: str = ""
) -> None:
    """Close the entry of the attempt's call. Where what is billed is unknown, it keeps the most that it may cost.

    That stays reserved, too. With `billed` None the call gave no answer; a None in it is a figure that is unknown.
    """
    entry = attempt.entry
    if entry is None:
        return
    values: dict[str, Any] = {"outcome": outcome, "message": message, "answer": answer, "ended_at": timezone.now()}
    if billed is not None:
        values["units"] = None if None in billed else sum(filter(None, billed))
        usd = attempt.purchase.cost(billed)
        if usd is not None:
            values["cost_usd"] = usd
        elif None in billed:
            values["message"] = message or UNCOUNTED
    retry_database(_close, entry, values)


def _close(entry: ProviderCall, values: dict[str, Any]) -> None:
    with budget.with_ledger():
        ProviderCall.objects.filter(pk=entry.pk).update(**values)
        if "cost_usd" in values:
            budget.settle(entry.day, entry.cost_usd, values["cost_usd"])


# What an episode reserves


def reserve(job: Job, usd: Decimal | None) -> None:
    """Hold `usd` of today's budget for the speech of the job that is still to be bought, in place of what it held.

    A budget that is nearly used up then buys whole episodes. Without a budget, or for an unknown price (None), nothing
    is held. Raises BudgetError, and then the job holds what it held before.
    """
    if conf.DAILYCAST_DAILY_BUDGET_USD is not None and job.podcast is not None and usd is not None:
        retry_database(_reserve, job, budget.rounded_up(usd))


def _reserve(job: Job, usd: Decimal) -> None:
    budget.sync_with_ledger()
    with budget.with_ledger():
        held = _held(job)
        if usd > held:
            budget.reserve("the speech of this episode", usd - held)
        elif job.reservation:
            budget.settle(job.reservation.day, held - usd, Decimal(0))
        values = {"day": dates.today(), "kind": Kind.SPEECH, "outcome": Outcome.RESERVED, "cost_usd": usd}
        if job.reservation is None:
            if usd:
                job.reservation = ProviderCall.objects.create(podcast=job.podcast, provider="", **values)
            return
        ProviderCall.objects.filter(pk=job.reservation.pk).update(**values)
        job.reservation.day, job.reservation.cost_usd = dates.today(), usd


def _beyond_reservation(job: Job, entry: ProviderCall) -> Decimal | None:
    """The part of the entry's cost that the job's reservation does not cover; the rest is taken out of it."""
    held = _held(job)
    if not held or job.reservation is None or not entry.cost_usd or entry.kind != Kind.SPEECH:
        return entry.cost_usd
    usd = budget.rounded_up(entry.cost_usd)
    rest = max(held - usd, Decimal(0))
    if not ProviderCall.objects.filter(pk=job.reservation.pk).update(cost_usd=rest):  # another worker released it
        job.reservation = None
        return entry.cost_usd
    job.reservation.cost_usd = rest
    return max(usd - held, Decimal(0))


def _held(job: Job) -> Decimal:
    return (job.reservation.cost_usd if job.reservation else None) or Decimal(0)


def release(job: Job) -> None:
    """Give back what the job holds of a budget."""
    if job.reservation is not None:
        retry_database(_release, ProviderCall.objects.filter(pk=job.reservation.pk))
        job.reservation = None


def release_earlier(job: Job) -> None:
    """Give back what an attempt holds whose worker died, or lost the job."""
    if conf.DAILYCAST_DAILY_BUDGET_USD is not None:
        retry_database(_release, job.row.calls.filter(outcome=Outcome.RESERVED))


def _release(reservations: QuerySet[ProviderCall]) -> None:
    with transaction.atomic():
        for held in reservations.select_for_update():
            budget.settle(held.day, held.cost_usd, Decimal(0))
            held.delete()


def outcome_of(error: ProviderError) -> Outcome:
    if isinstance(error, VendorWideError):
        return Outcome.BLOCKED
    if error.billed is None:
        return Outcome.UNANSWERED
    return Outcome.FAILED if error.billed else Outcome.REFUSED


def count_crashes(job: Job) -> Counter[str]:
    """How often a worker of this job died during the call for each unit."""
    if job.podcast is None:
        return Counter()
    lost = job.podcast.calls.filter(outcome=Outcome.LOST).values_list("unit", flat=True)
    return Counter(retry_database(list, lost))


# The answers that it keeps


def stored_answers(job: Job, kind: Kind) -> list[Any]:
    """The answers to this job's purchases that are bought and not yet on the row, oldest first."""
    if job.podcast is None:
        return []
    entries = job.podcast.calls.filter(kind=kind, outcome=Outcome.OK).exclude(answer="").order_by("pk")
    answers = entries.values_list("answer", flat=True)
    return [json.loads(answer) for answer in retry_database(list, answers)]


def clear_answers(job: Job) -> None:
    """The answers are on the row now, or of no use."""
    retry_database(job.row.calls.exclude(answer="").update, answer="")


def mark_unusable(job: Job, message: str) -> None:
    """Mark the last stored answer as FAILED: it was billed, but no script can be made of it."""
    if job.podcast is not None:
        answered = job.podcast.calls.filter(outcome=Outcome.OK).exclude(answer="").order_by("-pk")
        if last := retry_database(answered.first):
            entry = ProviderCall.objects.filter(pk=last.pk)
            retry_database(entry.update, outcome=Outcome.FAILED, answer="", message=message)


# What it cost


def cost_of(podcast: DailyPodcast) -> tuple[Decimal | None, int]:
    """What the vendors billed for an episode: USD, None when a part is unknown, and characters of speech."""
    billed = podcast.calls.filter(outcome__in=BILLED).values_list("kind", "units", "cost_usd", "message")
    entries = retry_database(list, billed)
    # Without units: the most that an uncounted call may cost, which has a message, or the cost of an earlier release.
    usd = prices.add(*(None if units is None and usd and message else usd for _, units, usd, message in entries))
    return usd, sum(units or 0 for kind, units, *_ in entries if kind == Kind.SPEECH)
