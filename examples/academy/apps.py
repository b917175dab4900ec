from django.apps import AppConfig


class AcademyConfig(AppConfig):
    name = "examples.academy"
    label = "academy"
    verbose_name = "Academy"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from . import receivers  # noqa: F401  # connecting them is what this is for
