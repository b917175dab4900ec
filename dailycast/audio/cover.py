"""The cover of the show: the owner's, or the built-in one."""

from functools import lru_cache
from importlib.resources import files
from pathlib import Path

from ..conf import conf
from ..errors import DailycastError

MIME_TYPES = {b"\xff\xd8\xff": "image/jpeg", b"\x89PNG": "image/png"}  # first bytes -> type


def load_cover() -> tuple[bytes, str]:
    """The bytes of the cover and its MIME type. Raises DailycastError when DAILYCAST_COVER is no JPEG or PNG."""
    return _load(conf.DAILYCAST_COVER)


@lru_cache(maxsize=2)
def _load(path: str) -> tuple[bytes, str]:
    try:
        data = Path(path).read_bytes() if path else (files("dailycast") / "static/dailycast/cover.jpg").read_bytes()
    except OSError as error:
        raise DailycastError(f"DAILYCAST_COVER={path} cannot be read: {error.strerror}.") from error
    mime_type = next((mime_type for start, mime_type in MIME_TYPES.items() if data.startswith(start)), None)
    if mime_type is None:
        raise DailycastError(f"DAILYCAST_COVER={path} is neither a JPEG nor a PNG.")
    return data, mime_type
