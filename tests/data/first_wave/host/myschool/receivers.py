from dailycast.signals import podcast_ready
from django.conf import settings
from django.dispatch import receiver
from django.urls import reverse


@receiver(podcast_ready)
def mail_link(podcast, **kwargs):
    with (settings.BASE_DIR / "ready.txt").open("a") as mails:
        print(podcast.user.username, reverse("dailycast:episode", args=[podcast.pk]), file=mails)
