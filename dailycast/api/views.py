"""The JSON API, with Django REST framework (the extra `api`): a learner's own episodes only, also for staff.

Authentication and throttling are the host's: its default classes apply. Every view itself requires a signed-in
learner and limits queries to the learner's own rows, whatever permissions the host sets.
"""

from datetime import timedelta
from typing import Any, NoReturn, cast

from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.decorators import login_not_required
from django.db import transaction
from django.db.models import Q
from django.urls import URLPattern, path
from django.utils.translation import gettext_lazy as _
from rest_framework import exceptions
from rest_framework.authentication import BaseAuthentication, SessionAuthentication
from rest_framework.pagination import Cursor, CursorPagination
from rest_framework.permissions import AllowAny, BasePermission
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from .. import runners
from ..models import DailyPodcast, Feed, PodcastQuerySet, Source, dates, is_active
from . import openapi
from .errors import handle_exception
from .representations import (
    absolute_url,
    episode_detail_json,
    episode_json,
    feed_json,
    position_json,
    status_json,
)
from .requests import EpisodeRequest, PositionUpdate, StrictJSONParser, is_row_id, request_key, validated


class IsActiveUser(BasePermission):
    """A signed-in user with an active account."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        return is_active(request.user)


class NewestFirstPagination(CursorPagination):
    page_size = 20
    ordering = "-id"

    def decode_cursor(self, request: Request) -> Cursor | None:
        cursor = super().decode_cursor(request)
        if cursor and not is_row_id(str(cursor.position or 0)):  # a forged cursor
            raise exceptions.NotFound(self.invalid_cursor_message)
        return cursor


class JsonView(APIView):
    """JSON in, JSON out, one shape of errors. Of the host's defaults only authentication and throttling apply."""

    renderer_classes = (JSONRenderer,)
    parser_classes = (StrictJSONParser,)
    versioning_class = None
    metadata_class = None
    http_method_names = ["get", "head", "post", "put"]

    def get_exception_handler(self) -> Any:
        return handle_exception

    @property
    def default_response_headers(self) -> dict[str, str]:
        return {**super().default_response_headers, "Cache-Control": "private, no-store"}


class LearnerView(JsonView):
    permission_classes = (IsActiveUser,)

    def permission_denied(self, request: Request, message: str | None = None, code: str | None = None) -> NoReturn:
        """A deactivated account gets the same response as nobody, also if the host's authentication lets it in."""
        raise exceptions.NotAuthenticated

    @property
    def learner(self) -> AbstractBaseUser:
        return cast(AbstractBaseUser, self.request.user)  # IsActiveUser made sure that there is one

    def own_episodes(self) -> PodcastQuerySet:
        """All rows that any of these views can reach."""
        return DailyPodcast.objects.filter(user_id=self.learner.pk)

    def own_episode(self, pk: str) -> DailyPodcast:
        """The learner's own episode; another learner's is 404 like one that does not exist."""
        podcast = self.own_episodes().filter(pk=pk).first() if is_row_id(pk) else None
        if podcast is None:
            raise exceptions.NotFound(_("There is no such episode."))
        return podcast


class EpisodesView(LearnerView):
    def get(self, request: Request) -> Response:
        paginator = NewestFirstPagination()
        page = paginator.paginate_queryset(self.own_episodes().defer("cues", "context"), request, view=self)
        return paginator.get_paginated_response([episode_json(request, podcast) for podcast in page or ()])

    def post(self, request: Request) -> Response:
        body = validated(request, EpisodeRequest)
        key = request_key(request, body.get("idempotency_key"))
        options = {"source": Source.API, "request_key": key, "requested_by_id": self.learner.pk}
        pk = runners.submit(self.learner, body.get("language"), **options).pk
        podcast = self.own_episode(str(pk))  # read again: the runner `inline` has changed the row by now
        headers = {"Location": absolute_url(request, "api-episode", pk)}
        return Response(episode_detail_json(request, podcast), 202, headers=headers)


class TodayView(LearnerView):
    def get(self, request: Request) -> Response:
        day = dates.today()
        start, end = dates.day_ends(day - timedelta(days=1)), dates.day_ends(day)
        created_today = Q(edition_date=None, created_at__gte=start, created_at__lt=end)
        podcast = self.own_episodes().filter(Q(edition_date=day) | created_today).order_by("-id").first()
        if podcast is None:
            raise exceptions.NotFound(_("There is no episode of today yet."), "no_episode_today")
        return Response(episode_detail_json(request, podcast))


class EpisodeView(LearnerView):
    def get(self, request: Request, pk: str) -> Response:
        return Response(episode_detail_json(request, self.own_episode(pk)))


class StatusView(LearnerView):
    def get(self, request: Request, pk: str) -> Response:
        runners.sweep()  # corrects the status when the worker has died
        return Response(status_json(self.own_episode(pk)))


class ProgressView(LearnerView):
    def put(self, request: Request, pk: str) -> Response:
        podcast = self.own_episode(pk)
        podcast.save_position(validated(request, PositionUpdate)["seconds"])
        return Response(position_json(podcast))


class FeedView(LearnerView):
    def get(self, request: Request) -> Response:
        return Response(feed_json(request, Feed.for_user(self.learner)))


class RotateFeedView(LearnerView):
    def post(self, request: Request) -> Response:
        feed = Feed.for_user(self.learner)
        feed.renew()
        return Response(feed_json(request, feed))


class SchemaView(JsonView):
    """The OpenAPI document. It is public: the package contains it, and it has no data of learners."""

    permission_classes = (AllowAny,)
    authentication_classes = ()

    def get(self, request: Request) -> Response:
        root = absolute_url(request, "api-schema").removesuffix("/schema/")
        schemes = [security_scheme(each, request) for each in LearnerView().get_authenticators()]
        return Response(openapi.document(root, [scheme for scheme in schemes if scheme]))


def security_scheme(authenticator: BaseAuthentication, request: Request) -> dict[str, str] | None:
    """One of the host's authentication classes as OpenAPI's security scheme; None for a class that names none."""
    if isinstance(authenticator, SessionAuthentication):
        return {"type": "apiKey", "in": "cookie", "name": settings.SESSION_COOKIE_NAME}
    header = authenticator.authenticate_header(request)
    return {"type": "http", "scheme": header.split()[0].lower()} if header else None


def route(address: str, view: type[APIView], name: str) -> URLPattern:
    """A route without the host's login page, since the API answers 401 or 403 itself, and without ATOMIC_REQUESTS,
    since the runner `inline` makes the episode in the request."""
    return path(address, transaction.non_atomic_requests(login_not_required(view.as_view())), name=f"api-{name}")


patterns = [
    route("episodes/", EpisodesView, "episodes"),
    route("episodes/today/", TodayView, "today"),
    route("episodes/<str:pk>/", EpisodeView, "episode"),
    route("episodes/<str:pk>/status/", StatusView, "status"),
    route("episodes/<str:pk>/progress/", ProgressView, "progress"),
    route("feed/", FeedView, "feed"),
    route("feed/rotate/", RotateFeedView, "rotate"),
    route("schema/", SchemaView, "schema"),
]
