"""The local day of the site, around midnights that do not exist and for visitors from other zones."""

from datetime import UTC, date, datetime

import pytest
from django.test import override_settings
from django.utils import timezone

from dailycast.models import dates


@pytest.mark.parametrize(
    ("zone", "day", "ends"),
    [
        ("UTC", date(2026, 11, 23), "2026-11-24T00:00:00+00:00"),
        ("Asia/Tokyo", date(2026, 11, 23), "2026-11-23T15:00:00+00:00"),
        ("Africa/Cairo", date(2026, 4, 23), "2026-04-23T22:00:00+00:00"),  # whose next midnight does not exist
        ("Africa/Cairo", date(2026, 4, 24), "2026-04-24T21:00:00+00:00"),
    ],
)
def test_a_day_ends_in_the_time_zone_of_the_site(zone: str, day: date, ends: str) -> None:
    with override_settings(TIME_ZONE=zone):
        assert dates.day_ends(day).astimezone(UTC).isoformat() == ends


@pytest.mark.parametrize(
    ("now", "day"),
    [
        (datetime(2026, 4, 23, 21, 59, tzinfo=UTC), date(2026, 4, 23)),
        (datetime(2026, 4, 23, 22, 0, tzinfo=UTC), date(2026, 4, 24)),
        (datetime(2026, 4, 24, 20, 59, tzinfo=UTC), date(2026, 4, 24)),
        (datetime(2026, 4, 24, 21, 0, tzinfo=UTC), date(2026, 4, 25)),
    ],
)
def test_the_local_day_around_a_midnight_that_does_not_exist(
    monkeypatch: pytest.MonkeyPatch, now: datetime, day: date
) -> None:
    monkeypatch.setattr("django.utils.timezone.now", lambda: now)
    with override_settings(TIME_ZONE="Africa/Cairo"):
        assert dates.today() == day


def test_without_time_zones_it_is_the_day_of_the_server() -> None:
    with override_settings(USE_TZ=False):
        assert dates.today() == date.today()
        assert dates.day_ends(date(2026, 11, 23)) == datetime(2026, 11, 24)


def test_a_visitor_from_another_zone_does_not_change_the_day_of_the_site(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("django.utils.timezone.now", lambda: datetime(2026, 11, 23, 20, 0, tzinfo=UTC))
    with override_settings(TIME_ZONE="Europe/Vienna"):
        for zone in ("Asia/Tokyo", "Pacific/Kiritimati", "America/New_York"):
            with timezone.override(zone):
                assert dates.today() == date(2026, 11, 23)
                ends = dates.day_ends(date(2026, 11, 23))
                assert ends.isoformat() == "2026-11-24T00:00:00+01:00"
