"""The cooldown: how soon a learner may ask for another episode."""

from datetime import datetime, timedelta

from django.contrib.auth.base_user import AbstractBaseUser
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from ..conf import conf
from ..errors import CooldownError
from ..models import BILLED, DailyPodcast, Outcome, ProviderCall, Source, Status, local

MAY_BE_BILLED = (*BILLED, Outcome.UNANSWERED, Outcome.LOST)
LEARNERS_OWN = (Source.PAGE, Source.API)  # the sources of what learners ask for themselves


def cooldown_until(user: AbstractBaseUser, lock: bool = False) -> datetime | None:
    """Until when `user` may not ask for another episode; None when they may. A failure counts if it cost something.

    `lock`, in a transaction: by a locking read, which sees also what others have committed since it began.
    """
    hours = timedelta(hours=conf.DAILYCAST_COOLDOWN_HOURS)
    billed = ProviderCall.objects.filter(podcast=OuterRef("pk"), outcome__in=MAY_BE_BILLED).exclude(cost_usd=0)
    asked = DailyPodcast.objects.filter(~Q(status=Status.FAILED) | Exists(billed), user_id=user.pk)
    asked = asked.filter(source__in=LEARNERS_OWN)
    recent = asked.filter(created_at__gt=timezone.now() - hours).order_by("-created_at")
    last = (recent.select_for_update() if lock else recent).first()
    return last.created_at + hours if last else None


def require_cooled_down(user: AbstractBaseUser) -> None:
    """Raises CooldownError when `user` asks too soon. Call it in a transaction that has locked the learner."""
    if until := cooldown_until(user, lock=True):
        moment = local(until).isoformat(sep=" ", timespec="minutes")
        raise CooldownError(f"The next episode can be asked for from {moment} on.", until)
