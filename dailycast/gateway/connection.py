"""The connection that a call uses, for whoever gives the call up to close it from another thread."""

import socket
import threading
from contextlib import suppress
from typing import Any


class Connection:
    """Use as a context in the call's own thread: whatever connects or sends there is watched until the end of it.

    A timeout of an SDK is for one read, so without `close` a vendor that sends a byte a second would keep its thread.
    """

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.duplicate: socket.socket | None = None  # another handle of the same connection: no other thread closes it
        self.is_closed = False

    def __enter__(self) -> None:
        _current.connection = self

    def __exit__(self, *error: object) -> None:
        _current.connection = None
        self._replace(None)

    def close(self) -> None:
        """End the connection, and refuse every later one. A read or write that waits for it ends at once."""
        with self.lock, suppress(OSError):  # it may have ended by itself
            self.is_closed = True
            if self.duplicate is not None:
                self.duplicate.shutdown(socket.SHUT_RDWR)

    def watch(self, used: socket.socket) -> None:
        """Raises ConnectionAbortedError when the call was given up."""
        self._replace(socket.fromfd(used.fileno(), used.family, used.type))
        if self.is_closed:
            self.close()
            raise ConnectionAbortedError("The call was given up.")

    def _replace(self, duplicate: socket.socket | None) -> None:
        with self.lock:
            former, self.duplicate = self.duplicate, duplicate
        if former is not None:
            former.close()


_current = threading.local()


def watch(used: Any) -> None:
    """To be called with each socket that connects or sends. A thread without a `Connection` is not watched."""
    connection: Connection | None = getattr(_current, "connection", None)
    if connection is not None:
        connection.watch(used)
