"""A call in flight: when it starts, what becomes of it, and when it is not made after all."""

import queue
import threading
import time
from typing import Any

from dailycast.errors import ProviderError
from dailycast.purchases.in_flight import InFlightCall


def run_in_thread(*calls: InFlightCall[Any], cancelled: bool = False) -> float:
    """Run each in a thread of its own and wait until all have ended; how many seconds that took."""
    ended: queue.SimpleQueue[InFlightCall[Any]] = queue.SimpleQueue()
    start = time.monotonic()
    for call in calls:
        threading.Thread(target=call.run, args=(ended,)).start()
        if cancelled:
            call.cancelled.set()
    assert {ended.get(timeout=5) for _ in calls} == set(calls)
    return time.monotonic() - start


def test_a_call_keeps_its_answer_or_its_error_for_the_thread_that_waits() -> None:
    answered, failed = InFlightCall(lambda: 7), InFlightCall(lambda: 1 // 0)
    run_in_thread(answered, failed)
    assert (answered.answer, answered.error) == (7, None)
    assert isinstance(failed.error, ZeroDivisionError)


def test_a_call_begins_at_its_start_time() -> None:
    starts_at = time.monotonic() + 0.1
    call = InFlightCall(time.monotonic, starts_at)
    run_in_thread(call)
    assert call.answer >= starts_at


def test_a_call_that_is_cancelled_before_its_start_time_never_begins() -> None:
    begun: list[float] = []
    call = InFlightCall(lambda: begun.append(1.0), time.monotonic() + 60)
    assert run_in_thread(call, cancelled=True) < 5
    assert isinstance(call.error, ProviderError)
    assert (begun, call.error.billed, call.error.permanent) == ([], (), True)
