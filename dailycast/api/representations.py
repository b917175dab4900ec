"""What the API answers: episodes, positions and the feed as JSON. `openapi.py` describes every field of it."""

from typing import Any, cast

from django.contrib.auth.base_user import AbstractBaseUser
from django.http import HttpRequest
from django.urls import reverse
from django.utils.text import slugify
from rest_framework.request import Request

from ..models import DailyPodcast, Feed, may_view_all
from ..web import signed_urls


def absolute_url(request: HttpRequest, name: str, *args: object) -> str:
    """The absolute URL of one of our routes."""
    return request.build_absolute_uri(reverse(f"dailycast:{name}", args=args))


def status_json(podcast: DailyPodcast) -> dict[str, Any]:
    return {
        "id": podcast.pk,
        "status": podcast.status,
        "progress": podcast.progress_for_learner,
        "reason": reason_json(podcast),
    }


def reason_json(podcast: DailyPodcast) -> dict[str, str] | None:
    """Why there is no audio; None when there is, or when no reason is known yet."""
    if podcast.has_audio or not podcast.error_code:
        return None
    return {"code": podcast.error_code, "text": podcast.get_error_code_display()}


def audio_json(request: Request, podcast: DailyPodcast) -> dict[str, Any] | None:
    """The MP3's signed URL, which works for an hour and without a cookie; None without audio."""
    if not podcast.has_audio:
        return None
    token = signed_urls.audio_token(podcast, cast(AbstractBaseUser, request.user))
    url = absolute_url(request, "audio", token, slugify(podcast.title)[:60] or "podcast")
    return {"url": url, "seconds": podcast.duration_seconds, "bytes": podcast.audio_bytes}


def position_json(podcast: DailyPodcast) -> dict[str, Any]:
    return {"id": podcast.pk, "position_seconds": podcast.position_seconds, "heard_at": podcast.heard_at}


def episode_json(request: Request, podcast: DailyPodcast) -> dict[str, Any]:
    return {
        **status_json(podcast),
        **position_json(podcast),
        "title": podcast.title,
        "language": podcast.language,
        "audio": audio_json(request, podcast),
        "chapters": podcast.chapters,
        "edition_date": podcast.edition_date,
        "created_at": podcast.created_at,
    }


def episode_detail_json(request: Request, podcast: DailyPodcast) -> dict[str, Any]:
    return {
        **episode_json(request, podcast),
        "script": podcast.script_text,
        "cues": podcast.cues,
        "passed_over": podcast.passed_over if may_view_all(request.user) else [],
    }


def feed_json(request: Request, feed: Feed) -> dict[str, str]:
    return {"url": absolute_url(request, "feed", feed.token)}
