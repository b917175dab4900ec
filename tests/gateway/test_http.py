import time
from email.utils import formatdate

import pytest

from dailycast.gateway import http


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
    assert http.parse_retry_after(header) == seconds


def test_retry_after_as_a_date_counts_from_now() -> None:
    assert 85 < (http.parse_retry_after(formatdate(time.time() + 90, usegmt=True)) or 0) <= 90
