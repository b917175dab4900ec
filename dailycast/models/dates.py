"""The local day. It is stored as a date, because in some time zones some days have no midnight."""

from datetime import date, datetime, timedelta

from django.conf import settings
from django.utils import timezone


def local(moment: datetime) -> datetime:
    """`moment` in the current time zone; a host without time zones stores local times already."""
    return timezone.localtime(moment) if settings.USE_TZ else moment


def today() -> date:
    """The local day of the site, in TIME_ZONE, whatever zone a request is in."""
    return timezone.localdate(timezone=timezone.get_default_timezone()) if settings.USE_TZ else date.today()


def day_ends(day: date) -> datetime:
    """The first moment after `day` in TIME_ZONE."""
    midnight = datetime.combine(day + timedelta(days=1), datetime.min.time())
    return midnight.replace(tzinfo=timezone.get_default_timezone()) if settings.USE_TZ else midnight
