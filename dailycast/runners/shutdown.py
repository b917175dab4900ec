"""An orderly shutdown: signals ask the jobs of this process to stop at their next step."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from asgiref.sync import async_to_sync

from ..jobs.job import stopping


@contextmanager
def stop_on_signals() -> Iterator[None]:
    """Within it SIGTERM and SIGINT set `stopping`; a second signal ends the process."""

    def stop(number: int, frame: object) -> None:
        stopping.set()
        restore()

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        restore()
        stopping.clear()


def call_before_sigterm(stop: Callable[[], None]) -> None:
    """Under an ASGI server: when this process gets SIGTERM, call `stop` before the server's own handler.

    uvicorn ends by the default action of the signal, without `atexit` (uvicorn/server.py, `capture_signals`; gunicorn
    sends it to its uvicorn workers for a reload, too). A view runs in another thread than the main one, where
    handlers are set: the event loop is the way there. A WSGI server has none, and ends by way of `atexit`.
    """
    with suppress(RuntimeError, ValueError):  # there is no event loop in the main thread
        async_to_sync(_wrap_sigterm)(stop)


async def _wrap_sigterm(stop: Callable[[], None]) -> None:
    def handle(number: int, frame: Any) -> None:
        if stopping.is_set():
            return  # gunicorn repeats the signal
        stop()
        if callable(before):
            before(number, frame)
        else:
            signal.signal(number, before or signal.SIG_DFL)
            signal.raise_signal(number)

    before = signal.getsignal(signal.SIGTERM)
    signal.signal(signal.SIGTERM, handle)
