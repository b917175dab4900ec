"""`manage.py prune_podcasts`: delete what is older than the settings say. Made for cron."""

from typing import Any

from django.core.management.base import BaseCommand

from ...runners.retention import prune


class Command(BaseCommand):
    help = "Delete old clips, audio older than DAILYCAST_KEEP_AUDIO_DAYS, and sum up the ledger of a year ago."

    def handle(self, *_: Any, **options: Any) -> None:
        done = prune()
        self.stdout.write(f"Deleted: {done.clips} clips, {done.audio} audio files. Summed up: {done.calls} calls.")
