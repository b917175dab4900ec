from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from ... import loader, models

PASSWORD = "learn-every-day"  # noqa: S105  # known to all, therefore refused without DEBUG
ADDRESS = "http://127.0.0.1:8000/"


class Command(BaseCommand):
    help = "Load the academy with learners whose dates are relative to now; run it again to refresh the dates."

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.DEBUG:
            raise CommandError("load_academy makes accounts with a known password: it runs only where DEBUG is true.")
        *learners, admin = loader.load(PASSWORD)
        counted = (models.Course, models.Lesson, models.Quiz, models.Question)
        counts = [f"{model.objects.count()} {model._meta.verbose_name_plural}" for model in counted]
        self.stdout.write(f"The academy is open: {', '.join(counts)}.")
        self.stdout.write(f"Learner's page: {ADDRESS} for {', '.join(user.username for user in learners)}")
        self.stdout.write(f"Admin: {ADDRESS}admin/ for {admin.username}")
        self.stdout.write(f"Password, unless you changed it: {PASSWORD}")
