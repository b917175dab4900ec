"""`manage.py dailycast_worker`: makes pending episodes, for DAILYCAST_RUNNER=worker. Any number of workers may run."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from ...conf import conf
from ...runners.shutdown import stop_on_signals
from ...runners.worker import work
from . import positive_int


class Command(BaseCommand):
    help = "Make pending episodes until SIGTERM or Ctrl-C; then finish or give back what is begun."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--concurrency", type=positive_int, default=4, help="episodes at the same time; by default 4"
        )

    def handle(self, *_: Any, **options: Any) -> None:
        self.stdout.write(f"Making pending episodes, {options['concurrency']} at a time. Ctrl-C ends it.")
        if conf.DAILYCAST_RUNNER != "worker":
            self.stderr.write(f"DAILYCAST_RUNNER is {conf.DAILYCAST_RUNNER}: that runner makes episodes, too.")
        with stop_on_signals():
            work(options["concurrency"])
        self.stdout.write("Stopped. What was begun is finished, or pending again.")
