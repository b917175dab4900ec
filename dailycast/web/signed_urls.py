"""Signed URLs: an address that plays an episode for an hour, without a session's cookie."""

from django.contrib.auth import get_user_model
from django.contrib.auth.base_user import AbstractBaseUser
from django.core import signing

from ..models import DailyPodcast

MAX_AGE = 3600  # seconds
SALT = "dailycast.audio"


def audio_token(podcast: DailyPodcast, user: AbstractBaseUser) -> str:
    """A token that permits hearing this episode for an hour, as long as `user` may hear it."""
    return signing.dumps([podcast.pk, str(user.pk)], salt=SALT)


def podcast_for_token(token: str) -> DailyPodcast | None:
    """The episode of an `audio_token`; None when it is forged or expired, or its user may not hear it any more."""
    try:
        pk, user_pk = signing.loads(token, salt=SALT, max_age=MAX_AGE)
    except (signing.BadSignature, ValueError, TypeError):
        return None
    user = get_user_model()._default_manager.filter(pk=user_pk).first()
    return DailyPodcast.objects.visible_to(user).audible().filter(pk=pk).first() if user else None
