"""Template tags for any template of the host: {% load dailycast %}{% podcast_player podcast %}."""

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
MAX_HEADING_LEVEL = 4  # of a player's title: there are two levels of headings below it, and HTML has six


@register.inclusion_tag("dailycast/player.html", takes_context=True)
def podcast_player(context: template.Context, podcast: DailyPodcast | None, level: int = 2) -> dict[str, Any]:
    """The player of one episode, with a heading of `level`. An episode without audio is shown as text.

    It needs no context processor. Only a template that is rendered for a request gives the player the CSRF token that
    it needs to save where the learner stopped.
    """
    level = min(level, MAX_HEADING_LEVEL)
    return {
        "podcast": podcast,
        "level": level,
        "level_below": level + 1,
        "level_of_chapters": level + 2,
        "show": conf.DAILYCAST_TITLE,
        "cover": cover_url(),
        "audio_url": audio_url(podcast) if podcast and podcast.has_audio else "",
        "sections": chapter_sections(podcast) if podcast and podcast.has_audio else [],
    }


def audio_url(podcast: DailyPodcast) -> str:
    """The address of the audio on this site: one that a storage signs would expire while the page is open."""
    try:
        return reverse("dailycast_media", kwargs={"path": podcast.audio_file.name})
    except NoReverseMatch:  # the host has not mounted `dailycast.urls.media`
        return str(podcast.audio_file.url)


def cover_url() -> str:
    """The address of the cover. Empty for an owner's cover if the host has not mounted the learner's pages."""
    if not conf.DAILYCAST_COVER:
        return static("dailycast/cover.jpg")
    try:
        return reverse("dailycast:picture")
    except NoReverseMatch:
        return ""


@dataclass(frozen=True)
class Section:
    """The cues of a chapter. Cues before the first chapter are a section with an empty title."""

    start: float
    title: str
    cues: list[Cue] = field(default_factory=list)


def chapter_sections(podcast: DailyPodcast) -> list[Section]:
    """The cues, grouped by chapter. Chapters without a cue are left out."""
    sections = [Section(0.0, ""), *(Section(mark["start"], mark["title"]) for mark in podcast.chapters)]
    for cue in podcast.cues:
        [section for section in sections if section.start <= cue["start"]][-1].cues.append(cue)
    return [section for section in sections if section.cues]


@register.filter
def clock(seconds: float | None) -> str:
    """`275.9` -> `4:35`: rounded down, like the time in a browser's own player."""
    minutes, second = divmod(int(seconds or 0), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"


@register.filter
def direction(language: str) -> str:
    """`rtl` for a language that is written from right to left, else `ltr`."""
    try:
        return "rtl" if get_language_info(language.lower())["bidi"] else "ltr"
    except KeyError:
        return "ltr"


@register.filter
def state(podcast: DailyPodcast) -> str:
    """The state of the episode in a sentence or two, for its learner."""
    return podcast.progress_for_learner


@register.filter
def download(address: str) -> str:
    """`address` as a download. One with a query is left alone: changing it would break its signature."""
    return address if "?" in address else f"{address}?download=1"
