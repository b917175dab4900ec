"""`manage.py prune_podcasts`: delete old clips and audio, by the settings. Meant for cron."""

from typing import Any

from django.core.management.base import BaseCommand

from ...runners.retention import prune


class Command(BaseCommand):
    help = "Delete old clips, audio older than DAILYCAST_KEEP_AUDIO_DAYS, and sum up the ledger of a year ago."

    def handle(self, *_: Any, **options: Any) -> None:
        pruned = prune()
        self.stdout.write(
            f"Deleted: {pruned.clips} clips, {pruned.audio} audio files. Summed up: {pruned.calls} calls."
        )
