"""The learner's pages: the newest episode, the archive, one episode; what their player asks for, and what it tells.

Each page shows the learner's own episodes and nobody else's, whoever asks: staff have the admin.
"""

import json
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.db import transaction
from django.db.models import Q
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseBadRequest,
    HttpResponseBase,
    HttpResponseRedirect,
    JsonResponse,
)
from django.shortcuts import get_object_or_404, render
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from .. import runners
from ..audio import cover
from ..conf import conf
from ..errors import CooldownError, DailycastError
from ..jobs.cooldown import cooldown_until
from ..models import DailyPodcast, PodcastQuerySet, Source, Status
from . import feed as feeds

if TYPE_CHECKING:
    from django.contrib.auth.models import User

View = Callable[..., HttpResponseBase]
PAGE = 30  # episodes of the archive
WORDS = 10  # of a search
NEWEST = ("-created_at", "-id")
BIG = ("script_text", "chapters", "cues", "context", "error_message")  # not shown in the archive, so not loaded for it


class SignedInRequest(HttpRequest):
    user: "User"  # or the host's own


def today(request: SignedInRequest) -> HttpResponse:
    """The newest episode, the state of the one that is being made, and the button that asks for one."""
    runners.sweep()
    _mine(request).recheck_missing()
    return _today(request)


def archive(request: SignedInRequest) -> HttpResponse:
    """Every episode, newest first; with `?q=` those whose title or script has all of its words."""
    asked = " ".join(request.GET.get("q", "").replace("\0", " ").split()[:WORDS])
    found = _mine(request).filter(status=Status.COMPLETED).order_by(*NEWEST).defer(*BIG)
    for word in asked.split():
        found = found.filter(Q(title__icontains=word) | Q(script_text__icontains=word))
    page = Paginator(found, PAGE).get_page(request.GET.get("page"))
    return _page(request, "archive", page=page, asked=asked)


def episode(request: SignedInRequest, pk: int) -> HttpResponse:
    _mine(request).filter(pk=pk).recheck_missing()
    return _page(request, "episode", podcast=_own(request, pk))


@transaction.non_atomic_requests  # the runner `inline` makes the episode here and now, which no transaction may hold
def ask(request: SignedInRequest) -> HttpResponse:
    """Ask for an episode. By the hidden key a form that is sent twice asks once."""
    try:
        key = f"{request.user.pk}:{UUID(request.POST.get('request_key', ''))}"
    except ValueError:
        return HttpResponseBadRequest()
    try:
        runners.submit(request.user, source=Source.PAGE, requested_by=request.user, request_key=key)
    except CooldownError:
        return _today(request, 429)  # the page says until when
    except DailycastError:
        return _today(request, 503, _("An episode cannot be made right now. Please try again later."))
    return HttpResponseRedirect(reverse("dailycast:today"))


def status(request: SignedInRequest, pk: int) -> HttpResponse:
    """What an open page asks: the state, told truly even if whoever made the episode is gone."""
    runners.sweep()
    podcast = _own(request, pk)
    told = {"status": podcast.status, "text": podcast.progress_for_learner}
    return JsonResponse({**told, "in_the_making": podcast.is_in_progress})


def position(request: SignedInRequest, pk: int) -> HttpResponse:
    """Keep where the learner stopped: `{"seconds": 12.5}`."""
    podcast = _own(request, pk)
    seconds = _seconds(request.body)
    if seconds is None:
        return JsonResponse({"error": 'Send {"seconds": a number}.'}, status=400)
    podcast.save_position(seconds)
    return JsonResponse({"seconds": podcast.position_seconds, "heard": bool(podcast.heard_at)})


def transcript_vtt(request: SignedInRequest, pk: int) -> HttpResponse:
    return HttpResponse(_timed(request, pk).webvtt, content_type="text/vtt; charset=utf-8")


def transcript_txt(request: SignedInRequest, pk: int) -> HttpResponse:
    """The script to keep or to print, in paragraphs."""
    podcast = _own(request, pk)
    blocks = [text.upper() if kind == "chapter" else text for kind, text in podcast.transcript if kind != "pause"]
    return HttpResponse("\n\n".join(blocks) + "\n", content_type="text/plain; charset=utf-8")


def chapters(request: SignedInRequest, pk: int) -> HttpResponse:
    return JsonResponse(_timed(request, pk).chapters_json, content_type="application/json+chapters")


def picture(request: SignedInRequest) -> HttpResponseBase:
    """The owner's own cover of the show, or the built-in one."""
    try:
        return feeds.served(request, *cover.load_cover())
    except DailycastError:
        raise Http404 from None


def _mine(request: SignedInRequest) -> PodcastQuerySet:
    return DailyPodcast.objects.filter(user_id=request.user.pk)


def _own(request: SignedInRequest, pk: int) -> DailyPodcast:
    return get_object_or_404(_mine(request), pk=pk)


def _timed(request: SignedInRequest, pk: int) -> DailyPodcast:
    """An episode of which it is known what is said when."""
    podcast = _own(request, pk)
    if not (podcast.has_audio and podcast.cues):
        raise Http404
    return podcast


def _today(request: SignedInRequest, code: int = 200, problem: str = "") -> HttpResponse:
    mine = _mine(request).order_by(*NEWEST)
    making = mine.filter(status__in=(Status.PENDING, Status.RUNNING)).first()
    newest = mine.first()
    failed = newest if newest and newest.status == Status.FAILED else None
    context = {
        "podcast": mine.filter(status=Status.COMPLETED).first(),
        "unfinished": making or failed,
        "until": cooldown_until(request.user),
        "problem": problem,
        "request_key": uuid4(),
        "feed_url": feeds.feed_url(request, request.user),
    }
    return _page(request, "today", code, **context)


def _page(request: HttpRequest, name: str, code: int = 200, **context: object) -> HttpResponse:
    context |= {"section": name, "show": conf.DAILYCAST_TITLE}
    return render(request, f"dailycast/{name}.html", context, status=code)


def _seconds(body: bytes) -> float | None:
    """The number in `{"seconds": number}`; None for anything else."""
    try:
        seconds = json.loads(body)["seconds"]
        return float(seconds) if type(seconds) in (int, float) and math.isfinite(seconds) else None
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
        return None


PAGES: tuple[tuple[str, View, Any], ...] = (  # address, view, methods
    ("", today, require_safe),
    ("archive/", archive, require_safe),
    ("ask/", ask, require_POST),
    ("episodes/<int:pk>/", episode, require_safe),
    ("episodes/<int:pk>/status/", status, require_safe),
    ("episodes/<int:pk>/position/", position, require_http_methods(["PUT", "POST"])),
    ("episodes/<int:pk>/transcript.vtt", transcript_vtt, require_safe),
    ("episodes/<int:pk>/transcript.txt", transcript_txt, require_safe),
    ("episodes/<int:pk>/chapters.json", chapters, require_safe),
)
private = cache_control(private=True, no_store=True)  # entered again a page is anew, and after signing out gone


def _pattern(address: str, view: View, methods: Callable[[View], View]) -> URLPattern:
    """A page of the learner's own, as all of them are: signed in, never in a shared cache."""
    return path(address, private(login_required(methods(view))), name=view.__name__)


_cover = cache_control(private=True, no_cache=True)(login_required(require_safe(picture)))
patterns = [*(_pattern(*page) for page in PAGES), path("cover/", _cover, name="picture")]
