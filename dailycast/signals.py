"""What hosts may listen to: `from dailycast.signals import podcast_ready`."""

from django.dispatch import Signal

# Sent once for an episode that can be heard or read, after the commit: `sender` is DailyPodcast, `podcast` its row.
podcast_ready = Signal()
