"""Receivers of Django's signals: they delete the files of deleted episodes, and protect an older app's table."""

from datetime import timedelta
from functools import partial
from typing import Any

from django.apps import AppConfig
from django.core.management.base import CommandError
from django.db import connections, transaction
from django.db.models import QuerySet
from django.db.models.signals import post_delete, pre_delete, pre_migrate
from django.dispatch import receiver

from .audio import clips, storage
from .conf import conf
from .models import DailyPodcast, Kind, ProviderCall, dates

FIRST_MIGRATION = "0001_episodes"
OLDER_TABLE = """\
The table {table} stands already, from an earlier dailycast that was not this one. Nothing has been changed.
To keep its rows and make room, back up the database, run this SQL, then migrate again:
    CREATE TABLE dailycast_prototype AS SELECT * FROM {table};
    DROP TABLE {table};
Its MP3 files stay where they are."""


@receiver(post_delete, sender=DailyPodcast)
def delete_audio(instance: DailyPodcast, using: str, **_: Any) -> None:
    """Delete the row's file once the deletion is committed. A missing file is no error."""
    if name := instance.audio_file.name:
        transaction.on_commit(lambda: storage.delete(name), using=using, robust=True)


@receiver(pre_delete, sender=DailyPodcast)
def delete_stored_answers(instance: DailyPodcast, **_: Any) -> None:
    """Delete the scripts in the ledger: its entries outlive the episode, texts about its learner must not."""
    instance.calls.exclude(answer="").update(answer="")


@receiver(pre_delete, sender=DailyPodcast)
def delete_clips(instance: DailyPodcast, using: str, **_: Any) -> None:
    """Delete the clips that only this episode's calls name, once the deletion is committed."""
    stored_since = dates.today() - timedelta(days=conf.DAILYCAST_KEEP_CLIPS_DAYS + 1)  # older ones are pruned
    recent = ProviderCall.objects.filter(kind=Kind.SPEECH, day__gte=stored_since)
    if keys := set(recent.filter(podcast=instance).values_list("unit", flat=True)):
        transaction.on_commit(partial(_delete_unnamed_clips, recent, keys), using=using, robust=True)


def _delete_unnamed_clips(calls: QuerySet[ProviderCall], keys: set[str]) -> None:
    named = calls.filter(unit__in=keys, podcast__isnull=False).values_list("unit", flat=True)
    for key in keys - set(named):
        storage.delete(clips.file_name(key))


@receiver(pre_migrate)
def refuse_older_table(sender: AppConfig, using: str, plan: list[tuple[Any, bool]], **_: Any) -> None:
    """Stop the first `migrate` before any change when the table of an earlier prototype has our table's name."""
    if sender.name != "dailycast":
        return
    table = DailyPodcast._meta.db_table
    is_first = any((m.app_label, m.name, back) == ("dailycast", FIRST_MIGRATION, False) for m, back in plan)
    if is_first and table in connections[using].introspection.table_names():
        raise CommandError(OLDER_TABLE.format(table=table))
