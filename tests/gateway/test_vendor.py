import queue
import threading
import time
from email.utils import formatdate
from typing import Any

import pytest

from dailycast.errors import ProviderError, ProviderNotConfigured
from dailycast.gateway import http, messages, provider
from dailycast.jobs import job
from dailycast.purchases import in_flight


def test_a_missing_sdk_says_what_to_install() -> None:
    with pytest.raises(
        ProviderNotConfigured, match=r"no_such_sdk is not installed: pip install 'dailycast\[polly\]'"
    ) as caught:
        provider.require("no_such_sdk", "polly")
    assert caught.value.permanent is True


def test_an_installed_sdk_is_given() -> None:
    assert provider.require("json", "x").loads("3") == 3


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7.0),
        ("0.25", 0.25),
        ("0", 0.0),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0),
        ("Wed, 21 Oct 2015 07:28:00 -0000", 0.0),
        ("soon", None),
        ("-1", None),
        ("nan", None),
        ("inf", None),
        ("", None),
        (None, None),
    ],
)
def test_retry_after(header: str | None, seconds: float | None) -> None:
    assert http.retry_after(header) == seconds


def test_retry_after_as_a_date_counts_from_now() -> None:
    assert 85 < (http.retry_after(formatdate(time.time() + 90, usegmt=True)) or 0) <= 90


@pytest.mark.parametrize(
    ("told", "text"),
    [
        ("Too  long\nby far", "Too long by far."),
        ("It ends.", "It ends."),
        ("", "no reason given."),
        (None, "no reason given."),
        ("x" * 200, "x" * 200 + "."),
        ("x" * 201, "x" * 200 + "…"),
        ("sk-a AIza-g AKIA-a secret-a token-a", "*** *** *** *** ***."),
    ],
)
def test_a_vendors_text_is_quoted_briefly_and_without_keys(settings: Any, told: object, text: str) -> None:
    settings.OPENAI_API_KEY, settings.GEMINI_API_KEY = "sk-a", "AIza-g"
    settings.AWS_ACCESS_KEY_ID, settings.AWS_SECRET_ACCESS_KEY = "AKIA-a", "secret-a"
    settings.AWS_SESSION_TOKEN = "token-a"
    assert messages.brief(told) == text


def test_a_job_past_its_deadline_goes_no_further() -> None:
    late = job.Job()
    late.check()
    late.deadline = time.monotonic()
    with pytest.raises(ProviderError, match="the episode took longer than DAILYCAST_JOB_TIMEOUT") as caught:
        late.check()
    assert caught.value.permanent is True


def test_a_flight_keeps_its_answer_or_its_error_for_the_thread_that_waits() -> None:
    done: queue.SimpleQueue[in_flight.InFlightCall[int]] = queue.SimpleQueue()
    flights = [in_flight.InFlightCall(lambda: 7), in_flight.InFlightCall(lambda: 1 // 0)]
    for flight in flights:
        threading.Thread(target=flight.run, args=(done,)).start()
    assert {done.get(timeout=5), done.get(timeout=5)} == set(flights)
    assert (flights[0].answer, flights[0].error) == (7, None)
    assert isinstance(flights[1].error, ZeroDivisionError)


def seconds_of(flight: in_flight.InFlightCall[Any], recalled: bool) -> float:
    """Run it, and recall it before its moment or not."""
    done: queue.SimpleQueue[in_flight.InFlightCall[Any]] = queue.SimpleQueue()
    start = time.monotonic()
    threading.Thread(target=flight.run, args=(done,)).start()
    if recalled:
        flight.cancelled.set()
    assert done.get(timeout=5) is flight
    return time.monotonic() - start


def test_a_flight_begins_at_its_moment() -> None:
    moment = time.monotonic() + 0.1
    flight = in_flight.InFlightCall(time.monotonic, moment)
    seconds_of(flight, recalled=False)
    assert flight.answer >= moment


def test_a_flight_that_is_recalled_before_its_moment_never_begins() -> None:
    begun: list[float] = []
    flight = in_flight.InFlightCall(lambda: begun.append(1.0), time.monotonic() + 60)
    assert seconds_of(flight, recalled=True) < 5
    assert isinstance(flight.error, ProviderError)
    assert (begun, flight.error.billed, flight.error.permanent) == ([], (), True)
