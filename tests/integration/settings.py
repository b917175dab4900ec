"""The demo project for the worker processes of a test: its media in a folder of the test's own."""

import os
from pathlib import Path

from config.settings import *  # noqa: F403

MEDIA_ROOT = Path(os.environ["TEST_MEDIA_ROOT"])
