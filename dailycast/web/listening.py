"""What a learner does with an episode: where they stopped, whether they heard it, an address for an hour."""

from copy import copy
from math import isfinite

from django.contrib.auth import get_user_model
from django.contrib.auth.base_user import AbstractBaseUser
from django.core import signing
from django.core.files.storage import default_storage
from django.db.models import Q
from django.utils import timezone

from ..models import DailyPodcast, Feed, PodcastQuerySet, Reason, Status

HEARD = 0.9  # of an episode
MOST_LOOKS = 30  # at files that were missed, in one request
HOUR = 3600  # seconds for which a signed address works
SALT = "dailycast.audio"


def stop_at(podcast: DailyPodcast, seconds: float) -> None:
    """Keep where the learner stopped, in seconds; at HEARD of its length an episode counts as heard, for good."""
    length = podcast.duration_seconds or 0.0
    podcast.position_seconds = min(max(seconds, 0.0), length) if isfinite(seconds) else 0.0
    row = DailyPodcast.objects.filter(pk=podcast.pk)  # which may be gone meanwhile
    row.update(position_seconds=podcast.position_seconds)
    if not podcast.heard_at and length and podcast.position_seconds >= HEARD * length:
        podcast.heard_at = timezone.now()
        row.filter(heard_at=None).update(heard_at=podcast.heard_at)  # another device may have been quicker


def look_again(rows: PodcastQuerySet) -> None:
    """A file that was missed may be back, say because its disk is mounted again: then its episode has its audio."""
    for podcast in rows.filter(audible(), error_code=Reason.MISSING).only("audio_file", "error_code")[:MOST_LOOKS]:
        podcast.mark_missing(not default_storage.exists(str(podcast.audio_file.name)))


def progress(podcast: DailyPodcast) -> str:
    """The state in a sentence or two for the learner; the details, say a vendor's own words, are for staff."""
    told = copy(podcast)
    told.error_message = ""
    return told.progress


def audible() -> Q:
    """Episodes that can be heard."""
    return Q(status=Status.COMPLETED) & ~Q(audio_file="") & Q(audio_file__isnull=False)


def audio_token(podcast: DailyPodcast, user: AbstractBaseUser) -> str:
    """What lets whoever has it hear this episode for an hour, as long as `user` may."""
    return signing.dumps([podcast.pk, str(user.pk)], salt=SALT)


def podcast_of(token: str) -> DailyPodcast | None:
    """The episode of an `audio_token`; None when it is forged or too old, or its user may not hear it any more."""
    try:
        pk, user_pk = signing.loads(token, salt=SALT, max_age=HOUR)
    except (signing.BadSignature, ValueError, TypeError):
        return None
    user = get_user_model()._default_manager.filter(pk=user_pk).first()
    return DailyPodcast.objects.visible_to(user).filter(audible(), pk=pk).first() if user else None


def feed_of(user: AbstractBaseUser) -> Feed:
    """The learner's private feed, made at the first look."""
    return Feed.objects.get_or_create(user_id=user.pk)[0]
