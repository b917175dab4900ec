"""The private feed: RSS at an address that only its learner knows, for any podcast app.

Whoever has the token hears what the learner hears, so no log line, referrer or search engine gets it from here.
"""

import logging
import re
from collections.abc import Callable
from datetime import datetime
from functools import wraps
from hashlib import sha256
from typing import TYPE_CHECKING, Any, cast
from uuid import UUID

from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.decorators import login_not_required, login_required
from django.contrib.syndication import views as syndication
from django.db.models.fields.json import KT
from django.db.models.functions import Coalesce, Left
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.http.response import HttpResponseBase
from django.urls import path, reverse
from django.utils import timezone
from django.utils.cache import get_conditional_response
from django.utils.feedgenerator import Enclosure, Rss201rev2Feed
from django.utils.http import http_date, url_has_allowed_host_and_scheme
from django.utils.translation import gettext, override
from django.utils.xmlutils import SimplerXMLGenerator
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST, require_safe

from ..audio.cover import load_cover
from ..conf import conf
from ..errors import DailycastError
from ..languages import table as languages
from ..languages.characters import UNWRITABLE
from ..models import DailyPodcast, Feed, Reason
from . import audio as views

if TYPE_CHECKING:
    Syndication = syndication.Feed[DailyPodcast, None]
else:
    Syndication = syndication.Feed

View = Callable[..., HttpResponseBase]
Tag = tuple[str, str, dict[str, str]]  # name, text, attributes

MOST = 365  # episodes in a feed
NAME = "podcast.xml"
TOKEN = re.compile(r"[\w-]{43}", re.ASCII)
IN_PATH = re.compile(r"(/feed/)[\w-]{12,}|(/audio/)[\w-]+:[\w:-]+", re.ASCII)  # also of a link that was cut off
NAMESPACES = {
    "xmlns:itunes": "http://www.itunes.com/dtds/podcast-1.0.dtd",
    "xmlns:podcast": "https://podcastindex.org/namespace/1.0",
}
HEADERS = {
    "Cache-Control": "private, no-cache",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex",
}
NEEDED = ("guid", "title", "language", "audio_file", "audio_bytes", "duration_seconds", "completed_at", "updated_at")
SENTENCES = [f"sentence_{number}" for number in range(4)]  # of the transcript, that tell what an episode is about
OPENING = 600  # characters of a script whose sentences were not timed
UNSPACED = ("ja", "zh", "th")  # languages that write no space between sentences


def feed_url(request: HttpRequest, user: AbstractBaseUser) -> str:
    """The address of the learner's private feed, for nobody else's eyes."""
    return request.build_absolute_uri(_address(Feed.for_user(user).token))


def _address(token: str) -> str:
    return reverse("dailycast:feed", args=[token])


class Redacted(logging.Filter):
    """Django logs the path of a request that fails, and its own server every path: without the token, then."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(IN_PATH.sub(r"\1\2***", arg) if isinstance(arg, str) else arg for arg in record.args)
        return True


for _logger in ("django.request", "django.server"):
    logging.getLogger(_logger).addFilter(Redacted())


# The doors


def private(view: View) -> View:
    """A view behind a token: GET and HEAD only, no session, one and the same 404 for whatever it does not give."""
    safe = require_safe(view)

    @csrf_exempt  # only GET and HEAD are answered
    @login_not_required  # the token says who asks
    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        views.conceal(request, str(kwargs["token"]))
        try:
            response = safe(request, *args, **kwargs)
        except Http404:
            response = HttpResponse("Not found.", "text/plain; charset=utf-8", 404)
        for name, value in HEADERS.items():
            response.setdefault(name, value)
        return response

    return guarded


@private
def rss(request: HttpRequest, token: str) -> HttpResponseBase:
    feed = _feed(token)
    DailyPodcast.objects.filter(user_id=feed.user_id).recheck_missing()
    show = Show(request, feed)
    with override(show.language):
        body = show.get_feed(None, request).writeString("utf-8").encode()
    response = served(request, body, Podcast.content_type)  # known by its ETag alone: a deletion changes no date
    response["Content-Language"] = str(show.language)
    return response


@private
def audio(request: HttpRequest, token: str, guid: UUID) -> HttpResponseBase:
    return views.audio(request, _episode(token, guid))


@private
def transcript(request: HttpRequest, token: str, guid: UUID) -> HttpResponseBase:
    podcast = _episode(token, guid)
    return served(request, podcast.webvtt.encode(), "text/vtt; charset=utf-8", podcast.made_at)


@private
def chapters(request: HttpRequest, token: str, guid: UUID) -> HttpResponseBase:
    podcast = _episode(token, guid)
    return served(request, JsonResponse(podcast.chapters_json).content, "application/json+chapters", podcast.made_at)


@private
def picture(request: HttpRequest, token: str) -> HttpResponseBase:
    _feed(token)
    try:
        return served(request, *load_cover())
    except DailycastError:
        raise Http404 from None


@require_POST
@login_required
def renew(request: HttpRequest) -> HttpResponse:
    """Give the learner a new address; from now on the old one is worth nothing."""
    Feed.for_user(cast(AbstractBaseUser, request.user)).renew()
    back = request.POST.get("next", "")
    if url_has_allowed_host_and_scheme(back, {request.get_host()}, request.is_secure()):
        return HttpResponseRedirect(back)
    return HttpResponseRedirect(reverse("dailycast:today"))


patterns = [
    path("feed/new/", renew, name="feed_new"),
    path(f"feed/<str:token>/{NAME}", rss, name="feed"),
    path("feed/<str:token>/<uuid:guid>.mp3", audio, name="feed_audio"),
    path("feed/<str:token>/<uuid:guid>.vtt", transcript, name="feed_transcript"),
    path("feed/<str:token>/<uuid:guid>.json", chapters, name="feed_chapters"),
    path("feed/<str:token>/cover.jpg", picture, name="feed_cover"),
]


def _feed(token: str) -> Feed:
    """The feed at `token`, whose learner may still come in; else Http404."""
    feed = Feed.objects.select_related("user").filter(token=token).first() if TOKEN.fullmatch(token) else None
    if feed is None or feed.token != token or not feed.user.is_active:  # MariaDB compares without regard to case
        raise Http404
    return feed


def _episode(token: str, guid: UUID) -> DailyPodcast:
    """The learner's own episode, also where staff may see everyone's; else Http404."""
    podcast = DailyPodcast.objects.audible().filter(user_id=_feed(token).user_id, guid=guid).first()
    if podcast is None:
        raise Http404
    return podcast


def served(request: HttpRequest, body: bytes, kind: str, changed: datetime | None = None) -> HttpResponseBase:
    """`body` in whole, to HEAD its headers alone, and 304 to whoever has it."""
    etag, modified = f'"{sha256(body).hexdigest()}"', int(changed.timestamp()) if changed else None
    headers = {"Content-Type": kind, "Content-Length": str(len(body)), "ETag": etag}
    if modified is not None:
        headers["Last-Modified"] = http_date(modified)
    content = b"" if request.method == "HEAD" else body
    whole = HttpResponse(content, headers=headers)
    return get_conditional_response(request, etag, modified, whole) or whole


# The feed


class Podcast(Rss201rev2Feed):
    """RSS whose channel and items carry `tags` beyond RSS's own."""

    def rss_attributes(self) -> dict[str, str]:
        return {**super().rss_attributes(), **NAMESPACES}

    def add_root_elements(self, handler: SimplerXMLGenerator) -> None:
        super().add_root_elements(handler)
        _write(handler, self.feed["tags"])

    def add_item_elements(self, handler: SimplerXMLGenerator, item: dict[str, Any]) -> None:
        super().add_item_elements(handler, item)
        _write(handler, item["tags"])

    def latest_post_date(self) -> datetime:
        changed: datetime = self.feed["changed"]
        return changed


def _write(handler: SimplerXMLGenerator, tags: list[Tag]) -> None:
    for tag in tags:
        handler.addQuickElement(*tag)


class Show(Syndication):
    """One learner's episodes, as one request asks for them."""

    feed_type = Podcast
    item_guid_is_permalink = False

    def __init__(self, request: HttpRequest, feed: Feed) -> None:
        self.feed_url = request.build_absolute_uri(_address(feed.token))
        self.base = self.feed_url.removesuffix(NAME)
        # One `reverse` for all the episodes' pages: 365 of them take longer than all the rest.
        self.pages = request.build_absolute_uri(reverse("dailycast:episode", args=[0])).rpartition("0")
        self.link = request.build_absolute_uri(reverse("dailycast:today"))
        self.episodes = _episodes(feed)
        spoken = (podcast.language for podcast in self.episodes)
        self.language = next(filter(None, spoken), conf.DAILYCAST_DEFAULT_LANGUAGE)
        self.changed = _aware(max(map(_changed, self.episodes), default=feed.created_at))

    def title(self) -> str:
        return _writable(conf.DAILYCAST_TITLE)

    def description(self) -> str:
        return gettext("A short podcast made for you. Keep its address to yourself: whoever has it can listen.")

    def feed_extra_kwargs(self, obj: None) -> dict[str, Any]:
        tags: list[Tag] = [
            ("itunes:author", self.title(), {}),
            ("itunes:block", "Yes", {}),  # no directory may list it; only this word, in this case, says so
            ("itunes:category", "", {"text": "Education"}),
            ("itunes:explicit", "false", {}),
            ("itunes:image", "", {"href": f"{self.base}cover.jpg"}),
            ("itunes:type", "episodic", {}),
            ("podcast:locked", "yes", {}),
        ]
        return {"tags": tags, "changed": self.changed}

    def items(self) -> list[DailyPodcast]:
        return self.episodes

    def item_title(self, item: DailyPodcast) -> str:
        return _writable(str(item))

    def item_description(self, item: DailyPodcast) -> str:
        return _writable(_about(item))

    def item_link(self, item: DailyPodcast) -> str:
        return f"{self.pages[0]}{item.pk}{self.pages[2]}"

    def item_guid(self, item: DailyPodcast) -> str:
        return str(item.guid)

    def item_pubdate(self, item: DailyPodcast) -> datetime:
        return item.made_at

    def item_enclosures(self, item: DailyPodcast) -> list[Enclosure]:
        return [Enclosure(f"{self.base}{item.guid}.mp3", str(item.audio_bytes or _size(item)), "audio/mpeg")]

    def item_extra_kwargs(self, item: DailyPodcast) -> dict[str, Any]:
        address, tags = f"{self.base}{item.guid}", list[Tag]()
        if item.duration_seconds:
            tags.append(("itunes:duration", str(round(item.duration_seconds)), {}))
        if getattr(item, SENTENCES[0]):
            tags.append(("podcast:transcript", "", {"url": f"{address}.vtt", "type": "text/vtt"}))
        if getattr(item, "chapter", None):
            tags.append(("podcast:chapters", "", {"url": f"{address}.json", "type": "application/json+chapters"}))
        return {"tags": tags}


def _episodes(feed: Feed) -> list[DailyPodcast]:
    """The newest that can be heard, newest first, without the long texts of a row."""
    rows = DailyPodcast.objects.audible().filter(user_id=feed.user_id)
    sentences = {name: KT(f"cues__{number}__text") for number, name in enumerate(SENTENCES)}
    rows = rows.exclude(error_code=Reason.MISSING).only(*NEEDED)
    rows = rows.annotate(opening=Left("script_text", OPENING), chapter=KT("chapters__0__title"), **sentences)
    return list(rows.order_by(Coalesce("completed_at", "updated_at").desc(), "-pk")[:MOST])


def _about(podcast: Any) -> str:
    """The first sentences as they are spoken, else the first lines of the script, without headings and pauses."""
    sentences = [text for name in SENTENCES if (text := getattr(podcast, name))]
    if sentences:
        return ("" if languages.primary_subtag(podcast.language) in UNSPACED else " ").join(sentences)
    return " ".join(line for line in podcast.opening.splitlines() if line and line[0] not in "#[")


def _size(podcast: DailyPodcast) -> int:
    """The bytes of a file that its row does not tell, as a host's own rows may not; 0 where it is gone."""
    try:
        return podcast.audio_file.size
    except FileNotFoundError:
        podcast.mark_missing(True)  # so that the next feed is without it
        return 0


def _changed(podcast: DailyPodcast) -> datetime:
    return max(podcast.made_at, podcast.updated_at)


def _aware(moment: datetime) -> datetime:
    return moment if timezone.is_aware(moment) else timezone.make_aware(moment)


def _writable(text: str) -> str:
    """`text` without what XML cannot say; one such character would take the whole feed away."""
    return text if text.isprintable() else UNWRITABLE.sub("", text)  # the first costs next to nothing
