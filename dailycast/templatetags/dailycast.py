"""What a template of any host takes from dailycast: {% load dailycast %}{% podcast_player podcast %}."""

from dataclasses import dataclass, field
from typing import Any

from django import template
from django.templatetags.static import static
from django.urls import NoReverseMatch, reverse
from django.utils.translation import get_language_info

from ..conf import conf
from ..models import DailyPodcast

register = template.Library()
Cue = dict[str, Any]  # start, end, text
DEEPEST = 4  # the heading of a player, which has two levels of headings below its own


@register.inclusion_tag("dailycast/player.html", takes_context=True)
def podcast_player(context: template.Context, podcast: DailyPodcast | None, level: int = 2) -> dict[str, Any]:
    """The player of one episode, with a heading of `level`; what there is to read where it has no audio.

    Needs no context processor: only a page that is rendered for a request has the token with which the player keeps
    where the learner stopped.
    """
    level = min(level, DEEPEST)
    return {
        "podcast": podcast,
        "level": level,
        "level_below": level + 1,
        "level_of_chapters": level + 2,
        "show": conf.DAILYCAST_TITLE,
        "cover": cover_url(),
        "audio_url": audio_url(podcast) if podcast and podcast.has_audio else "",
        "sections": sections(podcast) if podcast and podcast.has_audio else [],
    }


def audio_url(podcast: DailyPodcast) -> str:
    """The address of its audio that is ours: one that a storage signs would be dead on a page that stays open."""
    try:
        return reverse("dailycast_media", kwargs={"path": podcast.audio_file.name})
    except NoReverseMatch:  # the host has not mounted it
        return str(podcast.audio_file.url)


def cover_url() -> str:
    """The address of the show's cover; empty for the owner's own where the host has not mounted the learner's pages."""
    if not conf.DAILYCAST_COVER:
        return static("dailycast/cover.jpg")
    try:
        return reverse("dailycast:picture")
    except NoReverseMatch:
        return ""


@dataclass(frozen=True)
class Section:
    """What is said in a chapter; what is said before the first one has no title."""

    start: float
    title: str
    cues: list[Cue] = field(default_factory=list)


def sections(podcast: DailyPodcast) -> list[Section]:
    """The cues under their chapters."""
    found = [Section(0.0, ""), *(Section(mark["start"], mark["title"]) for mark in podcast.chapters)]
    for cue in podcast.cues:
        [section for section in found if section.start <= cue["start"]][-1].cues.append(cue)
    return [section for section in found if section.cues]


@register.filter
def clock(seconds: float | None) -> str:
    """`275.9` -> `4:35`, as a browser's own player counts."""
    minutes, second = divmod(int(seconds or 0), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"


@register.filter
def direction(language: str) -> str:
    """`rtl` for a language that is written from right to left."""
    try:
        return "rtl" if get_language_info(language.lower())["bidi"] else "ltr"
    except KeyError:
        return "ltr"


@register.filter
def state(podcast: DailyPodcast) -> str:
    """The state in a sentence or two for its learner."""
    return podcast.progress_for_learner


@register.filter
def download(address: str) -> str:
    """`address` as one to save; one that is signed must not be changed."""
    return address if "?" in address else f"{address}?download=1"
