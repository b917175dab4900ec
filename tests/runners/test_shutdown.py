"""Signals ask the jobs of a process to stop."""

import os
import signal

from dailycast.jobs.job import stopping
from dailycast.runners import shutdown


def test_a_signal_asks_the_jobs_to_stop_and_the_next_one_ends_the_process() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with shutdown.stop_on_signals():
        assert not stopping.is_set()
        os.kill(os.getpid(), signal.SIGTERM)
        assert stopping.wait(5)
        assert signal.getsignal(signal.SIGTERM) == before
    assert signal.getsignal(signal.SIGTERM) == before
    assert not stopping.is_set()
