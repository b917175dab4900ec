"""`manage.py generate_daily_podcasts`: the nightly edition, for cron. Exit status 0, 1 or 2: see `STATUS`."""

import sys
from datetime import date
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from ...audio import storage
from ...conf import conf
from ...errors import DailycastError
from ...learner import import_callable
from ...models import Skip
from ...models.dates import today
from ...purchases import budget, prices
from ...runners import nightly
from ...runners.shutdown import stop_on_signals
from . import positive_int

STATUS = "Exit status: 0 nothing failed, 1 some failed, 2 stopped by a fault that every learner would meet."
BAR_WIDTH = 30  # characters of the progress bar
PROGRESS_EVERY = 25  # learners, where the output is no terminal


class Command(BaseCommand):
    help = f"Make today's episode for every active learner who has none yet. {STATUS}"

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--date", type=date.fromisoformat, help="YYYY-MM-DD; by default the local day")
        parser.add_argument("--limit", type=positive_int, help="make this many episodes at most")
        parser.add_argument("--dry-run", action="store_true", help="say how many there would be, and what they cost")
        parser.add_argument(
            "--concurrency", type=positive_int, default=8, help="episodes at the same time; by default 8"
        )
        parser.add_argument("--retry", action="store_true", help="try those again that failed or have no audio")

    def handle(self, *_: Any, **options: Any) -> None:
        day, limit = options["date"] or today(), options["limit"]
        try:
            if conf.DAILYCAST_LEARNER_CONTEXT:
                import_callable(conf.DAILYCAST_LEARNER_CONTEXT)
            if options["dry_run"]:
                return self.report_forecast(nightly.forecast(day, limit, options["retry"]), day)
        except DailycastError as error:
            raise CommandError(str(error)) from error
        if reason := storage.unwritable_reason():
            raise CommandError(f"No MP3 can be saved: {reason}. Make MEDIA_ROOT writable for this user.")
        with stop_on_signals():
            edition = nightly.Edition(day, limit, options["concurrency"], options["retry"])
            total = len(edition.learners)
            self.report(edition.make(lambda tally: self.show_progress(tally, total)), total)
        return None

    def report_forecast(self, forecast: nightly.Forecast, day: date) -> None:
        self.stdout.write(f"{day}: {forecast.episodes} episodes to make, about {prices.text(forecast.usd)} in all.")
        self.stdout.write(f"Made before: {forecast.already_made}. {skipped_text(forecast.skipped)}")
        if forecast.failed:
            self.stdout.write(f"The records of {forecast.failed} cannot be read: make one by hand to see why.")
        if (left := budget.left_today()) is not None:
            self.stdout.write(f"The budget of today has {prices.text(left)} left.")

    def show_progress(self, tally: nightly.Tally, total: int) -> None:
        if self.stdout.isatty():
            bar = "#" * (BAR_WIDTH * tally.seen // max(total, 1))
            self.stdout.write(f"\r[{bar:<{BAR_WIDTH}}] {tally.seen}/{total}  made {tally.made}", ending="")
            self.stdout.flush()
        elif tally.seen % PROGRESS_EVERY == 0:
            self.stdout.write(f"{tally.seen} of {total} learners: made {tally.made}, failed {tally.failed}")

    def report(self, tally: nightly.Tally, total: int) -> None:
        if self.stdout.isatty():
            self.stdout.write("")
        without = f" ({tally.without_audio} without the audio they should have)" if tally.without_audio else ""
        self.stdout.write(f"Made {tally.made}{without}, failed {tally.failed}, made before {tally.already_made}.")
        self.stdout.write(skipped_text(tally.skipped))
        if tally.script_only:
            self.stdout.write(f"Script-only, because no voice is configured for them: {tally.script_only}.")
        if tally.put_back:
            self.stdout.write(
                f"Not made yet: {tally.put_back}, put back or in other hands. Run this again, or a worker."
            )
        if tally.failed or tally.without_audio:
            self.stdout.write("The admin's list says why; --retry tries them again.")
        if tally.passed_over:
            warning = f"Warning: another provider had to serve {tally.passed_over} of them. {tally.passed_over_text}"
            self.stderr.write(self.style.WARNING(warning))
        if tally.stopped:
            self.stderr.write(
                self.style.ERROR(f"Stopped, {total - tally.seen} learners not looked at: {tally.stopped}")
            )
            sys.exit(2)
        if tally.interrupted:
            self.stderr.write(f"Interrupted: {total - tally.seen} learners not looked at. Run this again.")
        if tally.failed or tally.without_audio or tally.put_back or tally.interrupted:
            sys.exit(1)


def skipped_text(skipped: dict[Skip, int]) -> str:
    return "Skipped: " + ", ".join(f"{number} {reason.label}" for reason, number in skipped.items()) + "."
