"""What is not kept for ever: bought clips, audio, the single calls of the ledger."""

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
GROUP = ("day", "provider", "model", "kind", "outcome")
LOST_AFTER = timedelta(days=1)  # no call lasts so long


@dataclass
class Pruned:
    clips: int = 0
    audio: int = 0
    calls: int = 0


def prune() -> Pruned:
    """Delete what is older than the settings say. Safe to run at any time, and twice."""
    done = Pruned(clips=_older(clips.FOLDER, conf.DAILYCAST_KEEP_CLIPS_DAYS))
    for folder in (clips.FOLDER, storage.FOLDER):
        _older(folder, 1, storage.PARTIAL_SUFFIX)
    DailyPodcast.objects.all().recheck_missing()
    done.audio = sum(map(_silence, _old_audio()))
    done.calls = _sum_up()
    return done


def _older(folder: str, days: float, ending: str = "") -> int:
    """Delete the files of `folder` with that ending that are so old; how many those were."""
    before = timezone.now() - timedelta(days=days)
    old = [name for name in storage.list_names(folder) if name.endswith(ending) and storage.modified_at(name) < before]
    for name in old:
        default_storage.delete(name)
    return len(old)


def _old_audio() -> list[DailyPodcast]:
    if conf.DAILYCAST_KEEP_AUDIO_DAYS is None:
        return []
    before = timezone.now() - timedelta(days=conf.DAILYCAST_KEEP_AUDIO_DAYS)
    heard = DailyPodcast.objects.filter(status=Status.COMPLETED, completed_at__lt=before)
    return list(heard.exclude(audio_file=None).exclude(audio_file="").only("audio_file"))


def _silence(podcast: DailyPodcast) -> bool:
    """The row first: a kill in between leaves a file too many, never an address without its file."""
    name = str(podcast.audio_file.name)
    rows = DailyPodcast.objects.filter(pk=podcast.pk, audio_file=name, status=Status.COMPLETED)
    if rows.update(audio_file=None, audio_bytes=None, error_code=Reason.PRUNED, updated_at=timezone.now()):
        default_storage.delete(name)
        return True
    return False


def _sum_up() -> int:
    """The calls of each old day become one row for each kind of them; the costs stay what they were."""
    ProviderCall.objects.filter(outcome=Outcome.UNKNOWN, created_at__lt=timezone.now() - LOST_AFTER).update(
        outcome=Outcome.LOST
    )
    stale = timezone.now() - timedelta(days=conf.DAILYCAST_KEEP_CLIPS_DAYS)
    ProviderCall.objects.filter(created_at__lt=stale).exclude(answer="").update(answer="")
    old = ProviderCall.objects.filter(day__lt=dates.today() - timedelta(days=LEDGER_DAYS))
    gone = 0
    for unpriced in (False, True):  # a sum with an unknown part would be unknown
        rows = old.filter(cost_usd__isnull=unpriced)
        sums = rows.values(*GROUP).annotate(rows=Count("pk")).filter(rows__gt=1).order_by()
        for found in list(sums):
            gone += _merge({name: found[name] for name in GROUP}, unpriced) - 1
    return gone


def _merge(group: dict[str, object], unpriced: bool) -> int:
    with transaction.atomic():
        rows = ProviderCall.objects.filter(**group, cost_usd__isnull=unpriced)
        if len(rows.select_for_update().values_list("pk")) < 2:  # another broom was here
            return 1
        sums = rows.aggregate(
            calls=Sum("calls"), units=Sum("units"), cost_usd=Sum("cost_usd"), created_at=Min("created_at")
        )
        gone, _ = rows.delete()
        ProviderCall.objects.create(**group, **sums, ended_at=sums["created_at"])
    return gone
