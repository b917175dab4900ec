"""How long to delay before the next call."""

import pytest

from dailycast.errors import ProviderError, ThrottledError
from dailycast.purchases import attempts
from tests.purchases.shop import Flaky, purchase_of


@pytest.mark.parametrize(("retry_after", "delay"), [(None, 0.5), (1.0, 1.0), (5.0, 5.0), (0.0, 0.0), (5.1, None)])
def test_a_transient_fault_is_retried_when_the_vendor_says_within_five_seconds(
    retry_after: float | None, delay: float | None
) -> None:
    attempt = attempts.Attempt(purchase_of(Flaky()))
    assert attempts.retry_delay(attempt, ProviderError("busy", permanent=False, retry_after=retry_after)) == delay


def test_a_vendor_that_names_no_delay_is_left_alone_for_longer_each_time() -> None:
    attempt = attempts.Attempt(purchase_of(Flaky()))
    delays = [attempts.retry_delay(attempt, ThrottledError("busy")) for _ in range(attempts.MOST_THROTTLES)]
    for delay, least in zip(delays, [0.2, 0.4, 0.8, 1.6, 3.2, 5, 5, 5, 5, 5], strict=True):
        assert delay is not None
        assert least <= delay < 2 * least
    assert attempts.retry_delay(attempt, ThrottledError("busy")) is None


def test_calls_that_were_throttled_together_are_not_retried_together() -> None:
    delays = [
        attempts.retry_delay(attempts.Attempt(purchase_of(Flaky())), ThrottledError("busy", 1.0)) for _ in range(20)
    ]
    assert all(delay is not None and 1 <= delay < 2 for delay in delays)
    assert len(set(delays)) > 10
