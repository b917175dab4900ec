from django.apps import AppConfig


class MySchoolConfig(AppConfig):
    name = "myschool"

    def ready(self):
        from . import receivers  # noqa: F401
