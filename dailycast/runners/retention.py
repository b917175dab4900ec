"""Retention: deletes bought clips and audio after their time, and files that no episode has; sums up the old ledger."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import Count, Min, Sum
from django.utils import timezone

from ..audio import clips, storage
from ..conf import conf
from ..models import FILE_FIELDS, DailyPodcast, Outcome, ProviderCall, Reason, Status, dates

LEDGER_DAYS = 365  # after which the calls of a day become sums
GROUPED_BY = ("day", "provider", "model", "kind", "outcome")
ORPHAN_DAYS = 1
LOST_AFTER = timedelta(days=1)  # an open call that is so old has lost its worker


PROTOTYPE_TABLE = "dailycast_prototype"  # of an earlier app: docs/operations.md, upgrading from a prototype
ROWS_AT_ONCE = 500


@dataclass
class Pruned:
    clips: int = 0
    audio: int = 0
    orphans: int = 0  # audio files that no episode has
    calls: int = 0


def prune(dry_run: bool = False) -> Pruned:
    """Delete what is older than the settings say. Safe to run at any time, and twice. `dry_run`: only count it."""
    old_clips, old_audio = _older(clips.FOLDER, conf.DAILYCAST_KEEP_CLIPS_DAYS), _with_old_audio()
    orphans = list(_orphans())
    if dry_run:
        return Pruned(len(old_clips), len(old_audio), len(orphans), _excess_calls())
    for folder in (clips.FOLDER, storage.FOLDER):
        _delete(_older(folder, 1, storage.PARTIAL_SUFFIX))
    DailyPodcast.objects.all().recheck_missing()
    pruned = Pruned(clips=_delete(old_clips), audio=sum(map(_delete_audio, old_audio)), orphans=_delete(orphans))
    _close_lost_calls()
    _clear_old_answers()
    pruned.calls = _sum_up_ledger()
    return pruned


def verify() -> list[DailyPodcast]:
    """Read every audio file and compare it with its hash; return the episodes whose file is missing or damaged.

    A row of an earlier release has no hash: it gets that of a file whose size is right.
    """
    rows = DailyPodcast.objects.audible().only(*FILE_FIELDS, "status").order_by("pk")
    return [podcast for podcast in rows.iterator(ROWS_AT_ONCE) if not _is_whole(podcast)]


def _is_whole(podcast: DailyPodcast) -> bool:
    if not podcast.check_file(thoroughly=True):
        return False
    if not podcast.audio_sha256:
        name = str(podcast.audio_file.name)
        rows = DailyPodcast.objects.filter(pk=podcast.pk, audio_file=name, audio_sha256="", status=Status.COMPLETED)
        rows.update(audio_sha256=storage.hash_of(name))
    return True


def _older(folder: str, days: float, ending: str = "") -> list[str]:
    """The files of `folder` with that ending that are older than `days`."""
    before = timezone.now() - timedelta(days=days)
    names = (name for name in storage.list_names(folder) if name.endswith(ending))
    return [name for name in names if storage.modified_at(name) < before]


def _delete(names: list[str]) -> int:
    """Delete the files; return how many those were."""
    for name in names:
        storage.delete(name)
    return len(names)


def _orphans() -> Iterator[str]:
    """The audio files, older than a day, that no row names: not ours, nor one of an earlier app's rows.

    A job commits the name to its row before it writes the file.
    """
    old = [name for name in _older(storage.FOLDER, ORPHAN_DAYS) if storage.EPISODE_NAME.fullmatch(name)]
    for start in range(0, len(old), ROWS_AT_ONCE):
        some = old[start : start + ROWS_AT_ONCE]
        named = {*DailyPodcast.objects.filter(audio_file__in=some).values_list("audio_file", flat=True)}
        yield from sorted({*some} - named - _named_by_prototype(some))


def _named_by_prototype(names: list[str]) -> set[str]:
    """Those of `names` that the rows of an earlier app have; all of them where its table cannot say."""
    if PROTOTYPE_TABLE not in connection.introspection.table_names():
        return set()
    with connection.cursor() as cursor:
        columns = {each.name for each in connection.introspection.get_table_description(cursor, PROTOTYPE_TABLE)}
        if "audio_file" not in columns:
            return set(names)
        marks = ", ".join(["%s"] * len(names))
        cursor.execute(f"SELECT audio_file FROM {PROTOTYPE_TABLE} WHERE audio_file IN ({marks})", names)  # noqa: S608
        return {name for (name,) in cursor.fetchall()}


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
    if rows.update(
        audio_file=None, audio_bytes=None, audio_sha256="", error_code=Reason.PRUNED, updated_at=timezone.now()
    ):
        storage.delete(name)
        return True
    return False


def _close_lost_calls() -> None:
    old = ProviderCall.objects.filter(created_at__lt=timezone.now() - LOST_AFTER)
    old.filter(outcome=Outcome.RESERVED).delete()
    old.filter(outcome=Outcome.UNKNOWN).update(outcome=Outcome.LOST)


def _clear_old_answers() -> None:
    """An answer that never became the script of a row is kept as long as a clip is."""
    before = timezone.now() - timedelta(days=conf.DAILYCAST_KEEP_CLIPS_DAYS)
    ProviderCall.objects.filter(created_at__lt=before).exclude(answer="").update(answer="")


def _sum_up_ledger() -> int:
    """Make one row of the calls of an old day that are alike; return by how many rows the ledger is shorter."""
    groups = [(group, unpriced) for unpriced in (False, True) for group in _groups(unpriced)]
    return sum(_merge({name: group[name] for name in GROUPED_BY}, unpriced) - 1 for group, unpriced in groups)


def _excess_calls() -> int:
    return sum(group["rows"] - 1 for unpriced in (False, True) for group in _groups(unpriced))


def _groups(unpriced: bool) -> list[dict[str, Any]]:
    """The groups of old calls that are alike; a sum with an unknown part would be unknown."""
    old = ProviderCall.objects.filter(day__lt=dates.today() - timedelta(days=LEDGER_DAYS), cost_usd__isnull=unpriced)
    return list(old.values(*GROUPED_BY).annotate(rows=Count("pk")).filter(rows__gt=1).order_by())


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
