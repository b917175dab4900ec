"""The demo project for worker processes that a test starts, with the test's own media folder."""

import os
from pathlib import Path

from config.settings import *  # noqa: F403

MEDIA_ROOT = Path(os.environ["TEST_MEDIA_ROOT"])
