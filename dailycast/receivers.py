"""Receivers of Django's signals: they delete the files of deleted episodes, and protect an older app's table."""

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
    """Delete the row's file once the deletion is committed. A missing file is no error."""
    if name := instance.audio_file.name:
        transaction.on_commit(lambda: default_storage.delete(name), using=using, robust=True)


@receiver(pre_delete, sender=DailyPodcast)
def delete_stored_answers(instance: DailyPodcast, **_: Any) -> None:
    """Delete the scripts in the ledger: its entries outlive the episode, texts about its learner must not."""
    instance.calls.exclude(answer="").update(answer="")


@receiver(pre_migrate)
def refuse_older_table(sender: AppConfig, using: str, plan: list[tuple[Any, bool]], **_: Any) -> None:
    """Stop the first `migrate` before any change when the table of an earlier prototype has our table's name."""
    if sender.name != "dailycast":
        return
    table = DailyPodcast._meta.db_table
    is_first = any((m.app_label, m.name, back) == ("dailycast", FIRST_MIGRATION, False) for m, back in plan)
    if is_first and table in connections[using].introspection.table_names():
        raise CommandError(OLDER_TABLE.format(table=table))
