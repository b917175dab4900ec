import queue
import threading
import time
from typing import Any

from dailycast.errors import ProviderError
from dailycast.purchases import in_flight


def test_an_in_flight_call_stores_its_answer_or_its_error_for_the_waiting_thread() -> None:
    done: queue.SimpleQueue[in_flight.InFlightCall[int]] = queue.SimpleQueue()
    calls = [in_flight.InFlightCall(lambda: 7), in_flight.InFlightCall(lambda: 1 // 0)]
    for call in calls:
        threading.Thread(target=call.run, args=(done,)).start()
    assert {done.get(timeout=5), done.get(timeout=5)} == set(calls)
    assert (calls[0].answer, calls[0].error) == (7, None)
    assert isinstance(calls[1].error, ZeroDivisionError)


def seconds_of(call: in_flight.InFlightCall[Any], cancelled: bool) -> float:
    """Run `call`, cancelled before its start time or not, and say how long that took."""
    done: queue.SimpleQueue[in_flight.InFlightCall[Any]] = queue.SimpleQueue()
    start = time.monotonic()
    threading.Thread(target=call.run, args=(done,)).start()
    if cancelled:
        call.cancelled.set()
    assert done.get(timeout=5) is call
    return time.monotonic() - start


def test_an_in_flight_call_starts_at_its_start_time() -> None:
    start_time = time.monotonic() + 0.1
    call = in_flight.InFlightCall(time.monotonic, start_time)
    seconds_of(call, cancelled=False)
    assert call.answer >= start_time


def test_an_in_flight_call_that_is_cancelled_before_its_start_time_never_starts() -> None:
    started: list[float] = []
    call = in_flight.InFlightCall(lambda: started.append(1.0), time.monotonic() + 60)
    assert seconds_of(call, cancelled=True) < 5
    assert isinstance(call.error, ProviderError)
    assert (started, call.error.billed, call.error.permanent) == ([], (), True)
