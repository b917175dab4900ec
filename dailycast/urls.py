"""The addresses of dailycast. A host mounts `media` first, and the learner's pages wherever it likes:

urlpatterns = [*dailycast.urls.media, path("dailycast/", include("dailycast.urls")), ...]
"""

from importlib.util import find_spec
from urllib.parse import urlsplit

from django.conf import settings
from django.urls import URLPattern, URLResolver, get_script_prefix, include, path, register_converter

from .web import audio, feed_views, pages


class MediaPath:
    """The paths below MEDIA_URL that private audio answers: podcasts/ in any spelling, and paths that are not clean.

    Other paths do not match and fall through to the host's own patterns.
    """

    regex = r"[\s\S]+"  # unlike `.` it matches a newline, too

    def to_python(self, value: str) -> str:
        if audio.is_clean(value) and not audio.is_in_podcasts(value):
            raise ValueError(value)
        return value

    def to_url(self, value: str) -> str:
        return value


register_converter(MediaPath, "dailycast_media")


def media_patterns(media_url: str) -> list[URLPattern]:
    """The patterns for `media_url`; below `media/` when it names another host or is empty."""
    parts = urlsplit(media_url)
    prefix = "" if parts.netloc else parts.path.removeprefix(get_script_prefix()).lstrip("/")
    return [path(f"{prefix or 'media/'}<dailycast_media:path>", audio.media, name="dailycast_media")]


media = media_patterns(settings.MEDIA_URL)

app_name = "dailycast"
urlpatterns: list[URLPattern | URLResolver] = [
    path("audio/<str:token>/<str:name>.mp3", audio.signed, name="audio"),
    *feed_views.patterns,
    *pages.patterns,
]

if find_spec("rest_framework"):
    from .api import views

    urlpatterns.append(path("api/", include(views.patterns)))
