"""The JSON API, by Django REST framework (the extra `api`): a learner's own episodes, and nobody else's, staff's too.

Who somebody is, and how often they may ask, is the host's: its authentication and throttle classes are left as they
are. That a learner is signed in, and sees only what is theirs, is asked here of every view, whatever the host allows.
"""

from datetime import datetime, timedelta
from hashlib import sha256
from math import ceil
from typing import Any, cast

from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.decorators import login_not_required
from django.db import transaction
from django.db.models import Q
from django.http import HttpRequest
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.text import slugify
from django.utils.translation import gettext_lazy as _
from rest_framework import exceptions, serializers
from rest_framework.authentication import BaseAuthentication, SessionAuthentication
from rest_framework.pagination import Cursor, CursorPagination
from rest_framework.parsers import JSONParser
from rest_framework.permissions import AllowAny, BasePermission
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView, exception_handler

from .. import runners
from ..errors import CooldownError, LanguageError
from ..models import DailyPodcast, Feed, PodcastQuerySet, Source, dates, local
from ..web import signed_urls
from . import openapi

KEY = 32  # characters of the hash that stands for a client's own key: it may be long, and databases fold its case

# What is said


def address(request: HttpRequest, name: str, *args: object) -> str:
    """The absolute URL of one of our routes."""
    return request.build_absolute_uri(reverse(f"dailycast:{name}", args=args))


def state(podcast: DailyPodcast) -> dict[str, Any]:
    return {
        "id": podcast.pk,
        "status": podcast.status,
        "progress": podcast.progress_for_learner,
        "reason": reason(podcast),
    }


def reason(podcast: DailyPodcast) -> dict[str, str] | None:
    """Why there is no audio; None when there is, or nothing is known yet."""
    if podcast.has_audio or not podcast.error_code:
        return None
    return {"code": podcast.error_code, "text": podcast.get_error_code_display()}


def audio(request: Request, podcast: DailyPodcast) -> dict[str, Any] | None:
    """Where the MP3 can be had for an hour, also without a cookie."""
    if not podcast.has_audio:
        return None
    token = signed_urls.audio_token(podcast, cast(AbstractBaseUser, request.user))
    url = address(request, "audio", token, slugify(podcast.title)[:60] or "podcast")
    return {"url": url, "seconds": podcast.duration_seconds, "bytes": podcast.audio_bytes}


def position(podcast: DailyPodcast) -> dict[str, Any]:
    return {"id": podcast.pk, "position_seconds": podcast.position_seconds, "heard_at": podcast.heard_at}


def episode(request: Request, podcast: DailyPodcast) -> dict[str, Any]:
    return {
        **state(podcast),
        **position(podcast),
        "title": podcast.title,
        "language": podcast.language,
        "audio": audio(request, podcast),
        "chapters": podcast.chapters,
        "edition_date": podcast.edition_date,
        "created_at": podcast.created_at,
    }


def detail(request: Request, podcast: DailyPodcast) -> dict[str, Any]:
    return {**episode(request, podcast), "script": podcast.script_text, "cues": podcast.cues}


def feed(request: Request, its: Feed) -> dict[str, str]:
    return {"url": address(request, "feed", its.token)}


def sign_in(way: BaseAuthentication, request: Request) -> dict[str, str] | None:
    """One of the host's ways of signing in, as OpenAPI says it; None for one that we cannot tell."""
    if isinstance(way, SessionAuthentication):
        return {"type": "apiKey", "in": "cookie", "name": settings.SESSION_COOKIE_NAME}
    header = way.authenticate_header(request)
    return {"type": "http", "scheme": header.split()[0].lower()} if header else None


# What goes wrong


class TooSoon(exceptions.APIException):
    status_code = 429
    default_code = "cooldown"

    def __init__(self, until: datetime) -> None:
        self.wait = max(1, ceil((until - timezone.now()).total_seconds()))  # Retry-After
        time = date_format(local(until), "DATETIME_FORMAT")
        super().__init__(_("The next episode can be asked for from %(time)s on.") % {"time": time})


def known(error: Exception) -> Exception:
    """An error of dailycast's as one that Django REST framework answers."""
    if isinstance(error, CooldownError):
        return TooSoon(error.until)
    if isinstance(error, LanguageError):
        return exceptions.ValidationError({"language": [str(error)]}, code="unknown_language")
    return error


def failed(error: Exception, context: dict[str, Any]) -> Response | None:
    """Every error in one shape, whatever the host's handler does: `detail`, `code`; of a 429 also `seconds`."""
    error = known(error)
    response = exception_handler(error, context)
    if response is None:
        return None
    field, found = first(response.data)
    response.data = {"detail": f"{field}: {found}" if field else str(found), "code": found.code}
    if wait := getattr(error, "wait", None):
        response.data["seconds"] = ceil(wait)
    return response


def first(data: Any, field: str = "") -> tuple[str, exceptions.ErrorDetail]:
    """The first of what may be many errors, and the field that it is about, if it is about one."""
    if isinstance(data, dict):
        name, inner = next(iter(data.items()))
        return first(inner, "" if name in ("detail", "non_field_errors") else name)
    return first(data[0], field) if isinstance(data, list) else (field, data)


# What is asked


class Text(serializers.CharField):
    """A JSON text; a number is none."""

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class Seconds(serializers.FloatField):
    """A JSON number of a sensible size: not a text, not true, not 1e999, which Python reads as infinity."""

    def to_internal_value(self, data: Any) -> float:
        if isinstance(data, bool) or not isinstance(data, (int, float)) or not 0 <= data <= openapi.LONGEST:
            self.fail("invalid")
        return float(data)


class Wish(serializers.Serializer[Any]):
    language = Text(required=False, allow_null=True, allow_blank=True, max_length=35)
    idempotency_key = Text(required=False, allow_null=True, allow_blank=True, max_length=255, trim_whitespace=False)


class Stop(serializers.Serializer[Any]):
    seconds = Seconds()


def asked(request: Request, shape: type[serializers.Serializer[Any]]) -> dict[str, Any]:
    form = shape(data=request.data)
    form.is_valid(raise_exception=True)
    return dict(form.validated_data)


def request_key(request: Request, given: str | None) -> str:
    """The learner's own key for what they ask: of the header, else of the body, else one for the local day."""
    sent = request.headers.get("Idempotency-Key") or given
    mark = sha256(sent.encode()).hexdigest()[:KEY] if sent else dates.today().isoformat()
    return f"api:{request.user.pk}:{mark}"


def is_key(text: str) -> bool:
    """Whether it can be a row's key: digits, as many as a database's whole number has."""
    return text.isascii() and text.isdecimal() and len(text) < 20


# The views


class IsLearner(BasePermission):
    """Somebody who is signed in, and whose account is open."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        return bool(request.user and request.user.is_authenticated and request.user.is_active)


class Newest(CursorPagination):
    page_size = 20
    ordering = "-id"

    def decode_cursor(self, request: Request) -> Cursor | None:
        cursor = super().decode_cursor(request)
        if cursor and not is_key(str(cursor.position or 0)):  # a forged one
            raise exceptions.NotFound(self.invalid_cursor_message)
        return cursor


class Json(JSONParser):
    def parse(self, *given: Any, **more: Any) -> Any:
        try:
            return super().parse(*given, **more)
        except RecursionError as error:  # ten thousand brackets
            raise exceptions.ParseError from error


class JsonView(APIView):
    """JSON in, JSON out, one shape of errors; nothing of the host's defaults but who somebody is and how often."""

    renderer_classes = (JSONRenderer,)
    parser_classes = (Json,)
    versioning_class = None
    metadata_class = None
    http_method_names = ["get", "head", "post", "put"]

    def get_exception_handler(self) -> Any:
        return failed

    @property
    def default_response_headers(self) -> dict[str, str]:
        return {**super().default_response_headers, "Cache-Control": "private, no-store"}


class LearnerView(JsonView):
    permission_classes = (IsLearner,)

    @property
    def learner(self) -> AbstractBaseUser:
        return cast(AbstractBaseUser, self.request.user)  # signed in, says the permission

    def rows(self) -> PodcastQuerySet:
        """All that any of these views can reach."""
        return DailyPodcast.objects.filter(user_id=self.learner.pk)

    def row(self, pk: str) -> DailyPodcast:
        """The learner's own episode; 404 for another's, just as for one that nobody has."""
        podcast = self.rows().filter(pk=pk).first() if is_key(pk) else None
        if podcast is None:
            raise exceptions.NotFound(_("There is no such episode."))
        return podcast


class Episodes(LearnerView):
    def get(self, request: Request) -> Response:
        pages = Newest()
        page = pages.paginate_queryset(self.rows().defer("cues", "context"), request, view=self)
        return pages.get_paginated_response([episode(request, podcast) for podcast in page or ()])

    def post(self, request: Request) -> Response:
        wish = asked(request, Wish)
        key = request_key(request, wish.get("idempotency_key"))
        how = {"source": Source.API, "request_key": key, "requested_by_id": self.learner.pk}
        podcast = runners.submit(self.learner, wish.get("language"), **how)
        made = self.row(str(podcast.pk))  # again, since a runner may have been at it
        return Response(detail(request, made), 202, headers={"Location": address(request, "api-episode", made.pk)})


class Today(LearnerView):
    def get(self, request: Request) -> Response:
        day = dates.today()
        since, until = dates.day_ends(day - timedelta(days=1)), dates.day_ends(day)
        made = Q(edition_date=None, created_at__gte=since, created_at__lt=until)
        podcast = self.rows().filter(Q(edition_date=day) | made).order_by("-id").first()
        if podcast is None:
            raise exceptions.NotFound(_("There is no episode of today yet."), "no_episode_today")
        return Response(detail(request, podcast))


class Episode(LearnerView):
    def get(self, request: Request, pk: str) -> Response:
        return Response(detail(request, self.row(pk)))


class State(LearnerView):
    def get(self, request: Request, pk: str) -> Response:
        runners.sweep()  # so that the state is true also after a crash
        return Response(state(self.row(pk)))


class Progress(LearnerView):
    def put(self, request: Request, pk: str) -> Response:
        podcast = self.row(pk)
        podcast.save_position(asked(request, Stop)["seconds"])
        return Response(position(podcast))


class FeedAddress(LearnerView):
    def get(self, request: Request) -> Response:
        return Response(feed(request, Feed.for_user(self.learner)))


class Rotate(LearnerView):
    def post(self, request: Request) -> Response:
        renewed = Feed.for_user(self.learner)
        renewed.renew()
        return Response(feed(request, renewed))


class Schema(JsonView):
    """What anyone may know: it is in the package, and says nothing of any learner."""

    permission_classes = (AllowAny,)
    authentication_classes = ()

    def get(self, request: Request) -> Response:
        root = address(request, "api-schema").removesuffix("/schema/")
        ways = [sign_in(way, request) for way in LearnerView().get_authenticators()]
        return Response(openapi.document(root, [way for way in ways if way]))


def door(route: str, view: type[APIView], name: str) -> URLPattern:
    """A stranger gets the API's own 401 or 403, never a login page; a runner may work where no transaction is open."""
    return path(route, transaction.non_atomic_requests(login_not_required(view.as_view())), name=f"api-{name}")


patterns = [
    door("episodes/", Episodes, "episodes"),
    door("episodes/today/", Today, "today"),
    door("episodes/<str:pk>/", Episode, "episode"),
    door("episodes/<str:pk>/status/", State, "status"),
    door("episodes/<str:pk>/progress/", Progress, "progress"),
    door("feed/", FeedAddress, "feed"),
    door("feed/rotate/", Rotate, "rotate"),
    door("schema/", Schema, "schema"),
]
