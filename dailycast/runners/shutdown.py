"""An orderly shutdown: signals ask the jobs of this process to stop at their next step."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager

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
