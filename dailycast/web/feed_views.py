"""The addresses of the private feed: RSS, audio, transcript, chapters and cover, for any podcast app.

A podcast app sends no cookie, so the token in the address is the permission: anyone who has it hears what its
learner may hear. No log line, referrer or search engine gets the token from here.
"""

import re
from collections.abc import Callable
from functools import wraps
from typing import Any, cast
from uuid import UUID

from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.http.response import HttpResponseBase
from django.urls import path, reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import override
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST, require_safe

from ..audio import cover
from ..errors import DailycastError
from ..models import DailyPodcast, Feed, is_active
from .audio import audio_response
from .conditional import conditional_response
from .feed import FILE_NAME, EpisodeFeed, PodcastRss
from .redaction import redact_token
from .signed_in import active_login_required

View = Callable[..., HttpResponseBase]

TOKEN = re.compile(r"[\w-]{43}", re.ASCII)
HEADERS = {
    "Cache-Control": "private, no-cache",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex",
}


def token_view(view: View) -> View:
    """A view whose permission is the token in its address: GET and HEAD only, no session, one 404 for all cases."""
    safe_view = require_safe(view)

    @csrf_exempt  # only GET and HEAD are answered
    @login_not_required  # the token is the permission
    @wraps(view)
    def wrapper(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        redact_token(request, str(kwargs["token"]))
        try:
            response = safe_view(request, *args, **kwargs)
        except Http404:
            response = HttpResponse("Not found.", "text/plain; charset=utf-8", 404)
        for name, value in HEADERS.items():
            response.setdefault(name, value)
        return response

    return wrapper


@token_view
def rss(request: HttpRequest, token: str) -> HttpResponseBase:
    row = _feed_or_404(token)
    DailyPodcast.objects.filter(user_id=row.user_id).recheck_missing()
    feed = EpisodeFeed(request, row)
    with override(feed.language):
        body = feed.get_feed(None, request).writeString("utf-8").encode()
    # No Last-Modified: deleting an episode changes no date, only the ETag.
    response = conditional_response(request, body, PodcastRss.content_type)
    response["Content-Language"] = str(feed.language)
    return response


@token_view
def audio(request: HttpRequest, token: str, guid: UUID) -> HttpResponseBase:
    return audio_response(request, _episode_or_404(token, guid))


@token_view
def transcript(request: HttpRequest, token: str, guid: UUID) -> HttpResponseBase:
    podcast = _episode_or_404(token, guid)
    return conditional_response(request, podcast.webvtt.encode(), "text/vtt; charset=utf-8", podcast.made_at)


@token_view
def chapters(request: HttpRequest, token: str, guid: UUID) -> HttpResponseBase:
    podcast = _episode_or_404(token, guid)
    body = JsonResponse(podcast.chapters_json).content
    return conditional_response(request, body, "application/json+chapters", podcast.made_at)


@token_view
def cover_image(request: HttpRequest, token: str) -> HttpResponseBase:
    _feed_or_404(token)
    try:
        return conditional_response(request, *cover.load_cover())
    except DailycastError:
        raise Http404 from None


@require_POST
@active_login_required
def renew(request: HttpRequest) -> HttpResponse:
    """Give the learner a new address. The old one stops working at once."""
    Feed.for_user(cast(AbstractBaseUser, request.user)).renew()
    next_page = request.POST.get("next", "")
    if url_has_allowed_host_and_scheme(next_page, {request.get_host()}, request.is_secure()):
        return HttpResponseRedirect(next_page)
    return HttpResponseRedirect(reverse("dailycast:today"))


def _feed_or_404(token: str) -> Feed:
    """The feed with this token, if its learner's account is active."""
    feed = Feed.objects.select_related("user").filter(token=token).first() if TOKEN.fullmatch(token) else None
    if feed is None or feed.token != token or not is_active(feed.user):  # MariaDB compares without regard to case
        raise Http404
    return feed


def _episode_or_404(token: str, guid: UUID) -> DailyPodcast:
    """The episode `guid` of the feed's learner; any other learner's is 404, whoever asks."""
    podcast = DailyPodcast.objects.audible().filter(user_id=_feed_or_404(token).user_id, guid=guid).first()
    if podcast is None:
        raise Http404
    return podcast


patterns = [
    path("feed/new/", renew, name="feed_new"),
    path(f"feed/<str:token>/{FILE_NAME}", rss, name="feed"),
    path("feed/<str:token>/<uuid:guid>.mp3", audio, name="feed_audio"),
    path("feed/<str:token>/<uuid:guid>.vtt", transcript, name="feed_transcript"),
    path("feed/<str:token>/<uuid:guid>.json", chapters, name="feed_chapters"),
    path("feed/<str:token>/cover.jpg", cover_image, name="feed_cover"),
]
