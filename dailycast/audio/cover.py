"""The picture of the show: the owner's, or the built-in one."""

from functools import lru_cache
from importlib.resources import files
from pathlib import Path

from ..conf import conf
from ..errors import DailycastError

KINDS = {b"\xff\xd8\xff": "image/jpeg", b"\x89PNG": "image/png"}  # how each begins


def cover() -> tuple[bytes, str]:
    """The bytes of the cover and its MIME type. Raises DailycastError when DAILYCAST_COVER is no JPEG or PNG."""
    return _read(conf.DAILYCAST_COVER)


@lru_cache(maxsize=2)
def _read(path: str) -> tuple[bytes, str]:
    try:
        data = Path(path).read_bytes() if path else (files("dailycast") / "static/dailycast/cover.jpg").read_bytes()
    except OSError as error:
        raise DailycastError(f"DAILYCAST_COVER={path} cannot be read: {error.strerror}.") from error
    kind = next((kind for start, kind in KINDS.items() if data.startswith(start)), None)
    if kind is None:
        raise DailycastError(f"DAILYCAST_COVER={path} is neither a JPEG nor a PNG.")
    return data, kind
