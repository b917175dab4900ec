"""Permits of calls that ended, and of calls that were given up."""

import threading
import time
from typing import Any

import pytest
from django.contrib.auth.models import User

from dailycast.errors import ProviderError
from dailycast.jobs.job import Job
from dailycast.models import RateLimit
from dailycast.purchases import permits, rate_limits
from dailycast.purchases.in_flight import InFlightCall
from tests.jobs.rows import claimed
from tests.purchases.shop import Flaky, buy, held_permits, join_calls

pytestmark = pytest.mark.usefixtures("shop")


def test_a_call_that_ended_releases_its_permit(alex: User, settings: Any) -> None:
    settings.DAILYCAST_RATE_LIMITS = {"shop/basic": "50/1"}
    assert buy(*[Flaky()] * 3, parallel=3, job=claimed(alex), remote=True) == ["speech"] * 3
    state = RateLimit.objects.get().state
    assert (len(state["starts"]), state["flying"]) == (3, {})


def test_a_call_that_was_given_up_holds_its_permit_until_it_ends(alex: User, settings: Any) -> None:
    settings.DAILYCAST_RATE_LIMITS = {"shop/basic": "50/3"}
    release = threading.Event()
    with pytest.raises(ProviderError, match="no answer within"):
        buy(lambda timeout: release.wait(10), seconds=0.1, job=claimed(alex), remote=True)
    held = held_permits()
    ends = RateLimit.objects.get().state["flying"].values()
    assert len(held) == 2  # the call and its retry, each with an id of its own
    assert min(ends) > time.time() + rate_limits.LONGEST_HOLD - 10
    permits.release_ended()
    assert held_permits() == held
    assert buy(Flaky(), job=Job(), remote=True) == ["speech"]
    assert held_permits() == held
    release.set()
    join_calls()
    permits.release_ended()
    assert (held_permits(), permits._abandoned) == (set(), [])


def test_the_next_purchase_releases_the_permits_of_calls_that_have_ended(alex: User, settings: Any) -> None:
    settings.DAILYCAST_RATE_LIMITS = {"shop/basic": "50/2"}
    with pytest.raises(ProviderError, match="no answer within"):
        buy(lambda timeout: time.sleep(0.2), seconds=0.05, job=claimed(alex), remote=True)
    assert len(held_permits()) == 2
    join_calls()
    job = Job()
    job.deadline = time.monotonic() + 2
    assert buy(Flaky(), job=job, remote=True) == ["speech"]
    assert held_permits() == set()


def test_a_call_on_this_server_needs_no_permit() -> None:
    with pytest.raises(ProviderError, match="no answer within"):
        buy(lambda timeout: time.sleep(0.1), seconds=0.02)
    assert permits._abandoned == []
    join_calls()


def test_two_jobs_may_release_ended_calls_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = [InFlightCall(lambda: None) for _ in "ab"]
    for call in calls:
        call.has_ended = True
    monkeypatch.setattr(permits, "_abandoned", [(call, "shop/basic", "t") for call in calls])
    released: list[str] = []

    def note_release(key: str, permit_ids: list[str]) -> None:
        released.extend(permit_ids)
        if len(released) == 1:
            permits.release_ended()  # another thread's

    monkeypatch.setattr(rate_limits, "release", note_release)
    permits.release_ended()
    assert released == ["t", "t"]


def test_a_retry_gets_the_permit_of_the_first_call_as_soon_as_that_has_ended(alex: User, settings: Any) -> None:
    settings.DAILYCAST_RATE_LIMITS = {"shop/basic": "50/1"}
    pauses = iter([0.4, 0.0])
    job, start = claimed(alex), time.monotonic()
    assert buy(lambda timeout: time.sleep(next(pauses)), seconds=0.2, job=job, remote=True) == [None]
    assert time.monotonic() - start < 5
    assert held_permits() == set()
