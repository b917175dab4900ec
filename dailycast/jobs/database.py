"""Retries: an operation that fails while the database is locked or gone is tried again."""

import logging
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, ParamSpec, TypeVar

from django.db import InterfaceError, OperationalError, connections, router, transaction

from ..errors import InTransactionError
from ..models import DailyPodcast

P = ParamSpec("P")
T = TypeVar("T")
logger = logging.getLogger("dailycast")

RETRY_FOR = 30.0  # seconds
RETRY_DELAY = 0.2  # seconds


def retry_database(operation: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """`operation(*args, **kwargs)`, tried again for RETRY_FOR seconds while the database is locked or gone.

    Inside a transaction it is tried once: what came before it in the transaction would be missing.
    """
    until = time.monotonic() + RETRY_FOR
    while True:
        try:
            with _write_lock():
                return operation(*args, **kwargs)
        except (OperationalError, InterfaceError) as error:
            if episode_connection().in_atomic_block or time.monotonic() > until:
                raise
            logger.warning("Dailycast: the database does not answer, trying again: %s", error)
        episode_connection().close()
        time.sleep(RETRY_DELAY)


_sqlite_lock = threading.RLock()


def _write_lock() -> AbstractContextManager[object]:
    """SQLite has one writer, and a thread that finds it busy sleeps. A lock of this process wakes it at once."""
    connection = episode_connection()
    return _sqlite_lock if connection.vendor == "sqlite" and not connection.in_atomic_block else nullcontext()


def require_no_transaction() -> None:
    """Raises InTransactionError inside a transaction of the caller's: a rollback would lose what has been paid."""
    if not episode_connection().in_atomic_block:
        return
    try:
        with transaction.atomic(durable=True):  # which allows for the transaction around a TestCase
            pass
    except RuntimeError as error:
        raise InTransactionError(
            "An episode cannot be made inside a transaction, which would lose what was paid if it is rolled back. "
            "Call it after the commit (transaction.on_commit), or ask for it by dailycast.runners.submit() with "
            "another DAILYCAST_RUNNER than inline."
        ) from error


def episode_connection() -> Any:
    """The connection that episodes are written by."""
    return connections[router.db_for_write(DailyPodcast)]
