"""Log lines: each one that is written because of an episode says its number."""

import logging
import re
from contextvars import ContextVar

_episode: ContextVar[int | None] = ContextVar("dailycast_episode", default=None)


class AboutEpisode:
    """What is logged in this block, or because of an error that leaves it, says `(episode 5)` at its end.

    A thread that the block starts has to run in a copy of its context.
    """

    def __init__(self, pk: int) -> None:
        self.pk = pk

    def __enter__(self) -> None:
        self.token = _episode.set(self.pk)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if error is not None:
            error.__dict__.setdefault("dailycast_episode", self.pk)
        _episode.reset(self.token)


class EpisodeNumber(logging.Filter):
    """Adds the number of the episode to lines that do not have it."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        pk = _episode.get() or getattr(error, "dailycast_episode", None)
        if pk and not re.search(rf"\bepisode {pk}\b", record.getMessage(), re.IGNORECASE):
            record.msg, record.args = f"{record.getMessage()} (episode {pk})", ()
        return True


logging.getLogger("dailycast").addFilter(EpisodeNumber())
