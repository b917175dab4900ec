"""Mails a learner that the episode is ready: a link to the page, and nothing of its contents."""

from typing import Any

from django.conf import settings
from django.core.mail import send_mail
from django.dispatch import receiver
from django.urls import reverse
from django.utils.translation import gettext, override

from dailycast.models import DailyPodcast
from dailycast.signals import podcast_ready


@receiver(podcast_ready)
def mail_link(podcast: DailyPodcast, **_: Any) -> None:
    if not podcast.user.email:
        return
    link = settings.SITE_URL + reverse("dailycast:episode", args=[podcast.pk])
    with override(podcast.language):
        send_mail(gettext("Your podcast is ready"), link, None, [podcast.user.email])
