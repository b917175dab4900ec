"""The learner's pages: the newest episode, the archive, one episode, and what their player requests and sends.

Each page shows the learner's own episodes only, also to staff, who have the admin for the others.
"""

import json
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

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
from .conditional import conditional_response
from .feed import feed_url
from .signed_in import active_login_required

if TYPE_CHECKING:
    from django.contrib.auth.models import User

View = Callable[..., HttpResponseBase]
EPISODES_PER_PAGE = 30  # of the archive
MAX_SEARCH_CHARACTERS = 200  # as the form's field
MAX_SEARCH_WORDS = 10
NEWEST_FIRST = ("-created_at", "-id")
LARGE_FIELDS = ("script_text", "chapters", "cues", "context", "error_message")  # the archive does not show them


class SignedInRequest(HttpRequest):
    user: "User"  # or the host's own


def today(request: SignedInRequest) -> HttpResponse:
    """The newest episode, the state of the one that is being made, and the button that requests one."""
    runners.sweep()
    _own_episodes(request).recheck_missing()
    return _render_today(request)


def archive(request: SignedInRequest) -> HttpResponse:
    """All episodes, newest first; with `?q=` those whose title or script has all of its words."""
    words = request.GET.get("q", "")[:MAX_SEARCH_CHARACTERS].replace("\0", " ").split()[:MAX_SEARCH_WORDS]
    found = _own_episodes(request).filter(status=Status.COMPLETED).order_by(*NEWEST_FIRST).defer(*LARGE_FIELDS)
    for word in words:
        found = found.filter(Q(title__icontains=word) | Q(script_text__icontains=word))
    page = Paginator(found, EPISODES_PER_PAGE).get_page(request.GET.get("page"))
    return _render(request, "archive", page=page, query=" ".join(words))


def episode(request: SignedInRequest, pk: int) -> HttpResponse:
    _own_episodes(request).filter(pk=pk).recheck_missing()
    return _render(request, "episode", podcast=_own_episode_or_404(request, pk))


@transaction.non_atomic_requests  # the runner `inline` makes the episode in this request, without an open transaction
def ask(request: SignedInRequest) -> HttpResponse:
    """Request an episode. The form's hidden key makes sure that sending it twice requests one episode."""
    try:
        key = f"{request.user.pk}:{UUID(request.POST.get('request_key', ''))}"
    except ValueError:
        return HttpResponseBadRequest()
    try:
        runners.submit(request.user, source=Source.PAGE, requested_by=request.user, request_key=key)
    except CooldownError:
        return _render_today(request, 429)  # the page says until when
    except DailycastError:
        return _render_today(request, 503, _("An episode cannot be made right now. Please try again later."))
    return HttpResponseRedirect(reverse("dailycast:today"))


def status(request: SignedInRequest, pk: int) -> HttpResponse:
    """The state of an episode, which an open page polls. The sweep corrects it when the worker has died."""
    runners.sweep()
    podcast = _own_episode_or_404(request, pk)
    state = {"status": podcast.status, "text": podcast.progress_for_learner}
    return JsonResponse({**state, "in_the_making": podcast.is_in_progress})


def position(request: SignedInRequest, pk: int) -> HttpResponse:
    """Save where the learner stopped: `{"seconds": 12.5}`."""
    podcast = _own_episode_or_404(request, pk)
    seconds = _parse_seconds(request.body)
    if seconds is None:
        return JsonResponse({"error": 'Send {"seconds": a number}.'}, status=400)
    podcast.save_position(seconds)
    return JsonResponse({"seconds": podcast.position_seconds, "heard": bool(podcast.heard_at)})


def transcript_vtt(request: SignedInRequest, pk: int) -> HttpResponse:
    return HttpResponse(_timed_episode_or_404(request, pk).webvtt, content_type="text/vtt; charset=utf-8")


def transcript_txt(request: SignedInRequest, pk: int) -> HttpResponse:
    """The script to save or print, in paragraphs."""
    podcast = _own_episode_or_404(request, pk)
    blocks = [text.upper() if kind == "chapter" else text for kind, text in podcast.transcript if kind != "pause"]
    return HttpResponse("\n\n".join(blocks) + "\n", content_type="text/plain; charset=utf-8")


def chapters(request: SignedInRequest, pk: int) -> HttpResponse:
    return JsonResponse(_timed_episode_or_404(request, pk).chapters_json, content_type="application/json+chapters")


def picture(request: SignedInRequest) -> HttpResponseBase:
    """The cover of the podcast: the owner's, or the built-in one."""
    try:
        return conditional_response(request, *cover.load_cover())
    except DailycastError:
        raise Http404 from None


def _own_episodes(request: SignedInRequest) -> PodcastQuerySet:
    return DailyPodcast.objects.filter(user_id=request.user.pk)


def _own_episode_or_404(request: SignedInRequest, pk: int) -> DailyPodcast:
    return get_object_or_404(_own_episodes(request), pk=pk)


def _timed_episode_or_404(request: SignedInRequest, pk: int) -> DailyPodcast:
    """An episode with audio and cues, so that its texts have times."""
    podcast = _own_episode_or_404(request, pk)
    if not (podcast.has_audio and podcast.cues):
        raise Http404
    return podcast


def _render_today(request: SignedInRequest, status_code: int = 200, problem: str = "") -> HttpResponse:
    episodes = _own_episodes(request).order_by(*NEWEST_FIRST)
    in_progress = episodes.filter(status__in=(Status.PENDING, Status.RUNNING)).first()
    newest = episodes.first()
    failed = newest if newest and newest.status == Status.FAILED else None
    context = {
        "podcast": episodes.filter(status=Status.COMPLETED).first(),
        "unfinished": in_progress or failed,
        "until": cooldown_until(request.user),
        "problem": problem,
        "request_key": uuid4(),
        "feed_url": feed_url(request, request.user),
    }
    return _render(request, "today", status_code, **context)


def _render(request: HttpRequest, name: str, status_code: int = 200, **context: object) -> HttpResponse:
    context |= {"section": name, "show": conf.DAILYCAST_TITLE}
    return render(request, f"dailycast/{name}.html", context, status=status_code)


def _parse_seconds(body: bytes) -> float | None:
    """The number in `{"seconds": number}`; None for anything else."""
    try:
        seconds = json.loads(body)["seconds"]
        return float(seconds) if type(seconds) in (int, float) and math.isfinite(seconds) else None
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
        return None


ROUTES: tuple[tuple[str, View, Any], ...] = (  # address, view, methods; the view's name is the URL's
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
never_stored = cache_control(private=True, no_store=True)  # no old page on the way back, none after signing out


def _learner_route(address: str, view: View, methods: Callable[[View], View]) -> URLPattern:
    """A page for signed-in learners that no cache stores."""
    return path(address, never_stored(active_login_required(methods(view))), name=view.__name__)


_picture = cache_control(private=True, no_cache=True)(active_login_required(require_safe(picture)))
patterns = [*(_learner_route(*route) for route in ROUTES), path("cover/", _picture, name="picture")]
