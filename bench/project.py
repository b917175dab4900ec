"""The demo project with a database and media of its own, for one run of a benchmark."""

import os
import shutil
import sys
from importlib.util import find_spec


def require(*packages: str, programs: tuple[str, ...] = ()) -> None:
    """End with a message that names the packages of pip, or of the system, that this benchmark lacks."""
    lacks = [f"pip install {name}" for name in packages if find_spec(name) is None]
    lacks += [f"the program {name}, say: apt-get install {name}" for name in programs if not program(name)]
    if lacks:
        sys.exit("This benchmark lacks:\n" + "\n".join(f"  {what}" for what in lacks))


def program(name: str) -> str | None:
    """The path of a program; web servers are often in /usr/sbin, which is not on everybody's PATH."""
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin")


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
