"""The local day: in some time zones some days have no midnight, so a day is stored as a date."""

from datetime import date, datetime, timedelta

from django.conf import settings
from django.utils import timezone


def local(moment: datetime) -> datetime:
    """`moment` as the reader's clock has it; a host without time zones stores it so."""
    return timezone.localtime(moment) if settings.USE_TZ else moment


def today() -> date:
    """The local day of the site, whatever zone a request is in. It is stored as such: in some zones some days have no
    midnight."""
    return timezone.localdate(timezone=timezone.get_default_timezone()) if settings.USE_TZ else date.today()


def day_ends(day: date) -> datetime:
    """The first moment after `day` in TIME_ZONE."""
    midnight = datetime.combine(day + timedelta(days=1), datetime.min.time())
    return midnight.replace(tzinfo=timezone.get_default_timezone()) if settings.USE_TZ else midnight
