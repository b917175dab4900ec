from django.apps import AppConfig


class AcademyConfig(AppConfig):
    name = "examples.academy"
    label = "academy"
    verbose_name = "Academy"
    default_auto_field = "django.db.models.BigAutoField"
