"""The demo project with a database and media of its own, for one run of a benchmark."""

import os


def prepare(folder: str, settings_module: str = "config.settings", **environment: str) -> None:
    """Set up Django with an empty database and media folder in `folder`; `environment` has the settings."""
    os.environ.update(
        {
            "DJANGO_SETTINGS_MODULE": settings_module,
            "DATABASE_NAME": f"{folder}/db.sqlite3",
            "DOTENV_PATH": os.devnull,
            **environment,
        }
    )
    import django
    from django.conf import settings
    from django.core.management import call_command

    django.setup()
    settings.MEDIA_ROOT = f"{folder}/media"
    call_command("migrate", verbosity=0)
