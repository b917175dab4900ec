"""The addresses of dailycast. A host mounts `media` first, and the learner's pages where it likes:

urlpatterns = [*dailycast.urls.media, path("dailycast/", include("dailycast.urls")), ...]
"""

from importlib.util import find_spec
from urllib.parse import urlsplit

from django.conf import settings
from django.urls import URLPattern, URLResolver, get_script_prefix, include, path, register_converter

from .web import audio as views
from .web import feed as feeds
from .web import pages


class MediaPath:
    """What private audio claims of MEDIA_URL: podcasts/ in any spelling, and every path that is not clean.

    The rest does not match, and falls through to the host's own patterns.
    """

    regex = r"[\s\S]+"  # a newline too, which `.` would let through

    def to_python(self, value: str) -> str:
        if views.is_clean(value) and not views.is_ours(value):
            raise ValueError(value)
        return value

    def to_url(self, value: str) -> str:
        return value


register_converter(MediaPath, "dailycast_media")


def media_patterns(media_url: str) -> list[URLPattern]:
    """The patterns for `media_url`; under `media/` when that names another host, or nothing."""
    address = urlsplit(media_url)
    prefix = "" if address.netloc else address.path.removeprefix(get_script_prefix()).lstrip("/")
    return [path(f"{prefix or 'media/'}<dailycast_media:path>", views.media, name="dailycast_media")]


media = media_patterns(settings.MEDIA_URL)

app_name = "dailycast"
urlpatterns: list[URLPattern | URLResolver] = [
    path("audio/<str:token>/<str:name>.mp3", views.signed, name="audio"),
    *feeds.patterns,
    *pages.patterns,
]

if find_spec("rest_framework"):
    from .api import views as api

    urlpatterns.append(path("api/", include(api.patterns)))
