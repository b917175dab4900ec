"""What dailycast does when Django tells it something: delete a deleted episode's file, guard an older table."""

from typing import Any

from django.apps import AppConfig
from django.core.files.storage import default_storage
from django.core.management.base import CommandError
from django.db import connections, transaction
from django.db.models.signals import post_delete, pre_delete, pre_migrate
from django.dispatch import receiver

from .models import DailyPodcast

FIRST_MIGRATION = "0001_episodes"
OLDER_TABLE = """\
The table {table} stands already, from an earlier dailycast that was not this one. Nothing has been changed.
To keep its rows and make room, back up the database, run this SQL, then migrate again:
    CREATE TABLE dailycast_prototype AS SELECT * FROM {table};
    DROP TABLE {table};
Its MP3 files stay where they are."""


@receiver(post_delete, sender=DailyPodcast)
def delete_audio(instance: DailyPodcast, using: str, **_: Any) -> None:
    """Delete the row's file once the deletion is committed; a file that is gone already is no error."""
    if name := instance.audio_file.name:
        transaction.on_commit(lambda: default_storage.delete(name), using=using, robust=True)


@receiver(pre_delete, sender=DailyPodcast)
def forget_answers(instance: DailyPodcast, **_: Any) -> None:
    """The ledger outlives the episode; what was written about its learner does not."""
    instance.calls.exclude(answer="").update(answer="")


@receiver(pre_migrate)
def guard_older_table(sender: AppConfig, using: str, plan: list[tuple[Any, bool]], **_: Any) -> None:
    """Stop `migrate` before it touches anything when a prototype's table stands where ours would."""
    if sender.name != "dailycast":
        return
    table = DailyPodcast._meta.db_table
    first = any((m.app_label, m.name, back) == ("dailycast", FIRST_MIGRATION, False) for m, back in plan)
    if first and table in connections[using].introspection.table_names():
        raise CommandError(OLDER_TABLE.format(table=table))
