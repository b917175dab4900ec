"""The demo project's settings, with every key empty and all media in a temporary directory."""

import os
import tempfile
from pathlib import Path

from dailycast.conf import SETTING_TYPES

os.environ["DOTENV_PATH"] = os.devnull
for name in SETTING_TYPES:
    os.environ.pop(name, None)

from config.settings import *  # noqa: E402, F403

DAILYCAST_RUNNER = "inline"  # the other runners have tests of their own
DAILYCAST_RATE_LIMITS = {"polly/neural": "1000/18"}  # the stand-in's own limits are set where they matter
MEDIA_ROOT = Path(tempfile.mkdtemp(prefix="dailycast-tests-"))
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):  # noqa: F405
    # A real file: the in-memory database locks whole tables between threads and waits for nobody.
    DATABASES["default"]["TEST"] = {"NAME": str(MEDIA_ROOT / "test.sqlite3")}  # noqa: F405
