import subprocess
import sys
import threading
import time
from email.utils import formatdate
from functools import partial
from typing import Any

import pytest

from dailycast import vendor
from dailycast.errors import ProviderError, ProviderNotConfigured, ThrottledError


def test_a_missing_sdk_says_what_to_install() -> None:
    with pytest.raises(
        ProviderNotConfigured, match=r"no_such_sdk is not installed: pip install 'dailycast\[polly\]'"
    ) as caught:
        vendor.require("no_such_sdk", "polly")
    assert caught.value.permanent is True


def test_an_installed_sdk_is_given() -> None:
    assert vendor.require("json", "x").loads("3") == 3


class Crowd:
    """Calls that note how many of them are inside at once; the first eight wait for each other."""

    def __init__(self) -> None:
        self.gate = threading.Barrier(8)
        self.inside = self.most = 0
        self.lock = threading.Lock()

    def call(self, number: int, seconds: float = 0.02) -> int:
        with self.lock:
            self.inside += 1
            self.most = max(self.most, self.inside)
        if number < 8:
            self.gate.wait(5)
        time.sleep(seconds)
        with self.lock:
            self.inside -= 1
        return number


def test_answers_keep_their_order_and_the_bound_holds() -> None:
    crowd = Crowd()
    calls = [partial(crowd.call, number, 0.01 * (3 - number % 3)) for number in range(20)]
    assert vendor.in_order(calls, 8, 5) == list(range(20))
    assert crowd.most == 8


def test_nothing_to_call_is_no_answers() -> None:
    assert vendor.in_order([], 8, 5) == []


def test_the_first_error_is_raised_and_stops_what_has_not_begun() -> None:
    begun: list[int] = []

    def call(number: int) -> int:
        begun.append(number)
        if number == 1:
            raise ProviderError("no", permanent=True)
        return number

    with pytest.raises(ProviderError, match="no"):
        vendor.in_order([partial(call, number) for number in range(9)], 1, 5)
    assert begun == [0, 1]


def test_a_call_out_of_time_is_given_up_and_may_be_tried_again() -> None:
    release = threading.Event()
    with pytest.raises(ProviderError, match=r"no answer within 0\.1 s") as caught:
        vendor.within(0.1, release.wait)
    release.set()
    assert caught.value.permanent is False


def test_each_call_has_its_own_clock() -> None:
    calls = [partial(time.sleep, 0.4)] * 3
    assert vendor.in_order(calls, 1, 1) == [None] * 3


def test_a_hanging_call_does_not_keep_the_interpreter_from_ending() -> None:
    call = "within(0.1, lambda: time.sleep(60))"
    code = f"import time; from dailycast.vendor import within\ntry: {call}\nexcept Exception as e: print(e)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=20, check=True)
    assert done.stdout == "no answer within 0.1 s\n"


class Flaky:
    def __init__(self, *errors: ProviderError) -> None:
        self.errors = list(errors)
        self.calls = 0

    def __call__(self) -> str:
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return "speech"


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    return slept


def soon() -> float:
    return time.monotonic() + 60


@pytest.mark.parametrize(("retry_after", "waited"), [(None, 0.5), (1.0, 1.0), (5.0, 5.0), (0.0, 0.0)])
def test_a_transient_error_is_tried_once_more(waits: list[float], retry_after: float | None, waited: float) -> None:
    flaky = Flaky(ProviderError("busy", permanent=False, retry_after=retry_after))
    assert vendor.twice(flaky, soon()) == "speech"
    assert (flaky.calls, waits) == (2, [waited])


def test_but_only_once(waits: list[float]) -> None:
    flaky = Flaky(*[ProviderError(f"busy {number}", permanent=False) for number in (1, 2)])
    with pytest.raises(ProviderError, match="busy 2"):
        vendor.twice(flaky, soon())
    assert flaky.calls == 2


@pytest.mark.parametrize(
    "error",
    [ProviderError("bad key", permanent=True), ProviderError("come back in an hour", permanent=False, retry_after=5.1)],
)
def test_what_would_not_help_is_not_tried_again(waits: list[float], error: ProviderError) -> None:
    flaky = Flaky(error)
    with pytest.raises(ProviderError):
        vendor.twice(flaky, soon())
    assert (flaky.calls, waits) == (1, [])


def test_no_second_try_past_the_deadline(waits: list[float]) -> None:
    flaky = Flaky(ProviderError("busy", permanent=False, retry_after=3.0))
    with pytest.raises(ProviderError, match="busy"):
        vendor.twice(flaky, time.monotonic() + 2)
    assert flaky.calls == 1


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
    assert vendor.retry_after(header) == seconds


def test_retry_after_as_a_date_counts_from_now() -> None:
    assert 85 < (vendor.retry_after(formatdate(time.time() + 90, usegmt=True)) or 0) <= 90


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
    assert vendor.brief(told) == text


def test_the_shorter_of_a_calls_time_and_what_is_left_is_given_to_it() -> None:
    assert vendor.limited(lambda timeout: timeout, 30, time.monotonic() + 60) == 30
    assert 59 < vendor.limited(lambda timeout: timeout, 90, time.monotonic() + 60) <= 60


def test_a_limited_call_is_given_up_and_tried_once_more(waits: list[float]) -> None:
    flaky = Flaky(ProviderError("busy", permanent=False))
    assert vendor.limited(lambda timeout: flaky(), 5, soon()) == "speech"
    assert (flaky.calls, waits) == (2, [0.5])


def test_nothing_is_called_after_the_deadline() -> None:
    with pytest.raises(ProviderError, match="the episode took longer than DAILYCAST_JOB_TIMEOUT") as caught:
        vendor.limited(lambda timeout: timeout, 5, time.monotonic())
    assert caught.value.permanent is True


def test_a_throttled_call_uses_up_no_try(waits: list[float]) -> None:
    busy = [ThrottledError("busy", 1.0) for _ in range(10)]
    flaky = Flaky(*busy[:5], ProviderError("broken", permanent=False), *busy[5:])
    assert vendor.twice(flaky, soon()) == "speech"
    assert flaky.calls == 12
    assert all(1 <= wait < 2 for wait in [*waits[:5], *waits[6:]])
    assert len(set(waits)) > 5


def test_but_not_for_ever(waits: list[float]) -> None:
    with pytest.raises(ThrottledError):
        vendor.twice(Flaky(*[ThrottledError("busy", 1.0) for _ in range(30)]), soon())
    assert len(waits) == 21


@pytest.mark.parametrize(("wait", "seconds_left"), [(11.0, 60), (3.0, 2)])
def test_a_throttle_that_lasts_too_long_is_not_waited_for(waits: list[float], wait: float, seconds_left: float) -> None:
    flaky = Flaky(ThrottledError("busy", wait))
    with pytest.raises(ThrottledError):
        vendor.twice(flaky, time.monotonic() + seconds_left)
    assert (flaky.calls, waits) == (1, [])
