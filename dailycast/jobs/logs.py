"""Log lines: each one that is written because of an episode says its number."""

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_episode: ContextVar[int | None] = ContextVar("dailycast_episode", default=None)


@contextmanager
def about_episode(pk: int) -> Iterator[None]:
    """What is logged in this block, or because of an error that leaves it, says `(episode 5)` at its end.

    A thread that the block starts has to run in a copy of its context.
    """
    token = _episode.set(pk)
    try:
        yield
    except BaseException as error:
        error.__dict__.setdefault("dailycast_episode", pk)
        raise
    finally:
        _episode.reset(token)


class EpisodeNumber(logging.Filter):
    """Adds the number of the episode to lines that do not have it."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        pk = _episode.get() or getattr(error, "dailycast_episode", None)
        if pk and not re.search(rf"\bepisode {pk}\b", record.getMessage(), re.IGNORECASE):
            record.msg, record.args = f"{record.getMessage()} (episode {pk})", ()
        return True


logging.getLogger("dailycast").addFilter(EpisodeNumber())
