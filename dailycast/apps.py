from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class DailycastConfig(AppConfig):
    name = "dailycast"
    verbose_name = _("Daily podcasts")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from . import checks, receivers  # noqa: F401  # importing them registers them
