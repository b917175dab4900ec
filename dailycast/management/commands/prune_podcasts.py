"""`manage.py prune_podcasts`: delete old clips and audio, by the settings, and audio that no episode has. For cron."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from ...errors import StorageError
from ...runners.retention import prune, verify


class Command(BaseCommand):
    help = (
        "Delete old clips, audio older than DAILYCAST_KEEP_AUDIO_DAYS and audio that no episode has, and sum up the "
        "ledger of a year ago."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="change nothing, say what would be deleted")
        parser.add_argument("--verify", action="store_true", help="also read every audio file, and mark damaged ones")

    def handle(self, *_: Any, dry_run: bool, verify: bool, **options: Any) -> None:
        try:
            self.prune(dry_run)
            if verify and not dry_run:
                self.verify()
        except StorageError as error:
            raise CommandError(str(error)) from error

    def prune(self, dry_run: bool) -> None:
        pruned = prune(dry_run)
        files = f"{pruned.clips} clips, {pruned.audio} audio files, {pruned.orphans} audio files that no episode has"
        deleted, summed_up = ("To delete", "To sum up") if dry_run else ("Deleted", "Summed up")
        self.stdout.write(f"{deleted}: {files}. {summed_up}: {pruned.calls} calls.")

    def verify(self) -> None:
        damaged = verify()
        for podcast in damaged:
            name = podcast.audio_file.name
            self.stderr.write(self.style.WARNING(f"Episode {podcast.pk}: {name} is missing or damaged."))
        repair = ' "Make the audio" in the admin makes them again from the stored clips.' if damaged else ""
        self.stdout.write(f"Missing or damaged: {len(damaged)} audio files.{repair}")
