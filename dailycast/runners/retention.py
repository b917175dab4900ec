"""Retention: deletes bought clips and audio after their time, and sums up the old calls of the ledger."""

from dataclasses import dataclass
from datetime import timedelta

from django.core.files.storage import default_storage
from django.db import transaction
from django.db.models import Count, Min, Sum
from django.utils import timezone

from ..audio import clips, storage
from ..conf import conf
from ..models import DailyPodcast, Outcome, ProviderCall, Reason, Status, dates

LEDGER_DAYS = 365  # after which the calls of a day become sums
GROUPED_BY = ("day", "provider", "model", "kind", "outcome")
LOST_AFTER = timedelta(days=1)  # an open call that is so old has lost its worker


@dataclass
class Pruned:
    clips: int = 0
    audio: int = 0
    calls: int = 0


def prune() -> Pruned:
    """Delete what is older than the settings say. Safe to run at any time, and twice."""
    pruned = Pruned(clips=_delete_older(clips.FOLDER, conf.DAILYCAST_KEEP_CLIPS_DAYS))
    for folder in (clips.FOLDER, storage.FOLDER):
        _delete_older(folder, 1, storage.PARTIAL_SUFFIX)
    DailyPodcast.objects.all().recheck_missing()
    pruned.audio = sum(map(_delete_audio, _with_old_audio()))
    _close_lost_calls()
    _clear_old_answers()
    pruned.calls = _sum_up_ledger()
    return pruned


def _delete_older(folder: str, days: float, ending: str = "") -> int:
    """Delete the files of `folder` with that ending that are older than `days`; return how many those were."""
    before = timezone.now() - timedelta(days=days)
    old = [name for name in storage.list_names(folder) if name.endswith(ending) and storage.modified_at(name) < before]
    for name in old:
        default_storage.delete(name)
    return len(old)


def _with_old_audio() -> list[DailyPodcast]:
    if conf.DAILYCAST_KEEP_AUDIO_DAYS is None:
        return []
    before = timezone.now() - timedelta(days=conf.DAILYCAST_KEEP_AUDIO_DAYS)
    old = DailyPodcast.objects.filter(status=Status.COMPLETED, completed_at__lt=before)
    return list(old.exclude(audio_file=None).exclude(audio_file="").only("audio_file"))


def _delete_audio(podcast: DailyPodcast) -> bool:
    """Clear the row first, then delete its file: a kill in between leaves a file too many, never a row without one."""
    name = str(podcast.audio_file.name)
    rows = DailyPodcast.objects.filter(pk=podcast.pk, audio_file=name, status=Status.COMPLETED)
    if rows.update(audio_file=None, audio_bytes=None, error_code=Reason.PRUNED, updated_at=timezone.now()):
        default_storage.delete(name)
        return True
    return False


def _close_lost_calls() -> None:
    open_calls = ProviderCall.objects.filter(outcome=Outcome.UNKNOWN)
    open_calls.filter(created_at__lt=timezone.now() - LOST_AFTER).update(outcome=Outcome.LOST)


def _clear_old_answers() -> None:
    """An answer that never became the script of a row is kept as long as a clip is."""
    before = timezone.now() - timedelta(days=conf.DAILYCAST_KEEP_CLIPS_DAYS)
    ProviderCall.objects.filter(created_at__lt=before).exclude(answer="").update(answer="")


def _sum_up_ledger() -> int:
    """Make one row of the calls of an old day that are alike; return by how many rows the ledger is shorter."""
    old = ProviderCall.objects.filter(day__lt=dates.today() - timedelta(days=LEDGER_DAYS))
    removed = 0
    for unpriced in (False, True):  # a sum with an unknown part would be unknown
        rows = old.filter(cost_usd__isnull=unpriced)
        sums = rows.values(*GROUPED_BY).annotate(rows=Count("pk")).filter(rows__gt=1).order_by()
        for group in list(sums):
            removed += _merge({name: group[name] for name in GROUPED_BY}, unpriced) - 1
    return removed


def _merge(group: dict[str, object], unpriced: bool) -> int:
    """Make one row of the calls of `group`; return how many rows those were."""
    with transaction.atomic():
        rows = ProviderCall.objects.filter(**group, cost_usd__isnull=unpriced)
        if len(rows.select_for_update().values_list("pk")) < 2:  # another process was faster
            return 1
        sums = rows.aggregate(
            calls=Sum("calls"), units=Sum("units"), cost_usd=Sum("cost_usd"), created_at=Min("created_at")
        )
        merged, _ = rows.delete()
        ProviderCall.objects.create(**group, **sums, ended_at=sums["created_at"])
    return merged
