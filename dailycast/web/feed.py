"""The private feed as RSS: the learner's newest episodes, with the tags that podcast apps read."""

from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.syndication import views as syndication
from django.db.models.fields.json import KT
from django.db.models.functions import Coalesce, Left
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.feedgenerator import Enclosure, Rss201rev2Feed
from django.utils.translation import gettext
from django.utils.xmlutils import SimplerXMLGenerator

from ..conf import conf
from ..languages.characters import UNWRITABLE
from ..languages.table import LANGUAGES, primary_subtag
from ..models import DailyPodcast, Feed, Reason

if TYPE_CHECKING:
    SyndicationFeed = syndication.Feed[DailyPodcast, None]
else:
    SyndicationFeed = syndication.Feed

Tag = tuple[str, str, dict[str, str]]  # name, text, attributes

MAX_EPISODES = 365
FILE_NAME = "podcast.xml"
NAMESPACES = {
    "xmlns:itunes": "http://www.itunes.com/dtds/podcast-1.0.dtd",
    "xmlns:podcast": "https://podcastindex.org/namespace/1.0",
}
LOADED_FIELDS = (
    *("guid", "title", "language", "audio_file", "audio_bytes", "duration_seconds"),
    *("completed_at", "updated_at"),
)
SENTENCES = [f"sentence_{number}" for number in range(4)]  # annotations: the first cues, which make the description
OPENING_CHARACTERS = 600  # of the script, which make the description of an episode without cues


def feed_url(request: HttpRequest, user: AbstractBaseUser) -> str:
    """The absolute address of the learner's private feed. Show it to nobody else."""
    return request.build_absolute_uri(_feed_path(Feed.for_user(user).token))


def _feed_path(token: str) -> str:
    return reverse("dailycast:feed", args=[token])


class PodcastRss(Rss201rev2Feed):
    """RSS whose channel and items have additional `tags`, of the iTunes and Podcasting 2.0 namespaces."""

    def rss_attributes(self) -> dict[str, str]:
        return {**super().rss_attributes(), **NAMESPACES}

    def add_root_elements(self, handler: SimplerXMLGenerator) -> None:
        super().add_root_elements(handler)
        _write_tags(handler, self.feed["tags"])

    def add_item_elements(self, handler: SimplerXMLGenerator, item: dict[str, Any]) -> None:
        super().add_item_elements(handler, item)
        _write_tags(handler, item["tags"])

    def latest_post_date(self) -> datetime:
        changed_at: datetime = self.feed["changed_at"]
        return changed_at


def _write_tags(handler: SimplerXMLGenerator, tags: list[Tag]) -> None:
    for tag in tags:
        handler.addQuickElement(*tag)


class EpisodeFeed(SyndicationFeed):
    """The feed of one learner, for one request: each has an instance of its own."""

    feed_type = PodcastRss
    item_guid_is_permalink = False

    def __init__(self, request: HttpRequest, feed: Feed) -> None:
        self.feed_url = request.build_absolute_uri(_feed_path(feed.token))
        self.base_url = self.feed_url.removesuffix(FILE_NAME)
        # `reverse` once for all episodes: 365 calls would take longer than everything else.
        self.page_url = request.build_absolute_uri(reverse("dailycast:episode", args=[0])).rpartition("0")
        self.link = request.build_absolute_uri(reverse("dailycast:today"))
        self.episodes = _newest_episodes(feed)
        languages = (podcast.language for podcast in self.episodes)
        self.language = next(filter(None, languages), conf.DAILYCAST_DEFAULT_LANGUAGE)
        self.changed_at = _aware(max(map(_changed_at, self.episodes), default=feed.created_at))

    def title(self) -> str:
        return _xml_safe(conf.DAILYCAST_TITLE)

    def description(self) -> str:
        return gettext("A short podcast made for you. Keep its address to yourself: whoever has it can listen.")

    def feed_extra_kwargs(self, obj: None) -> dict[str, Any]:
        tags: list[Tag] = [
            ("itunes:author", self.title(), {}),
            ("itunes:block", "Yes", {}),  # keeps the feed out of directories; only exactly "Yes" does
            ("itunes:category", "", {"text": "Education"}),
            ("itunes:explicit", "false", {}),
            ("itunes:image", "", {"href": f"{self.base_url}cover.jpg"}),
            ("itunes:type", "episodic", {}),
            ("podcast:locked", "yes", {}),
        ]
        return {"tags": tags, "changed_at": self.changed_at}

    def items(self) -> list[DailyPodcast]:
        return self.episodes

    def item_title(self, item: DailyPodcast) -> str:
        return _xml_safe(str(item))

    def item_description(self, item: DailyPodcast) -> str:
        return _xml_safe(_description(item))

    def item_link(self, item: DailyPodcast) -> str:
        before, _, after = self.page_url
        return f"{before}{item.pk}{after}"

    def item_guid(self, item: DailyPodcast) -> str:
        return str(item.guid)

    def item_pubdate(self, item: DailyPodcast) -> datetime:
        return item.made_at

    def item_enclosures(self, item: DailyPodcast) -> list[Enclosure]:
        length = item.audio_bytes or _measured_bytes(item)
        return [Enclosure(f"{self.base_url}{item.guid}.mp3", str(length), "audio/mpeg")]

    def item_extra_kwargs(self, item: DailyPodcast) -> dict[str, Any]:
        url, tags = f"{self.base_url}{item.guid}", list[Tag]()
        if item.duration_seconds:
            tags.append(("itunes:duration", str(round(item.duration_seconds)), {}))
        if getattr(item, SENTENCES[0]):
            tags.append(("podcast:transcript", "", {"url": f"{url}.vtt", "type": "text/vtt"}))
        if getattr(item, "chapter", None):
            tags.append(("podcast:chapters", "", {"url": f"{url}.json", "type": "application/json+chapters"}))
        return {"tags": tags}


def _newest_episodes(feed: Feed) -> list[DailyPodcast]:
    """The newest episodes that have audio, newest first, without the long texts of a row."""
    rows = DailyPodcast.objects.audible().filter(user_id=feed.user_id)
    sentences = {name: KT(f"cues__{number}__text") for number, name in enumerate(SENTENCES)}
    rows = rows.exclude(error_code=Reason.MISSING).only(*LOADED_FIELDS)
    rows = rows.annotate(opening=Left("script_text", OPENING_CHARACTERS), chapter=KT("chapters__0__title"), **sentences)
    return list(rows.order_by(Coalesce("completed_at", "updated_at").desc(), "-pk")[:MAX_EPISODES])


def _description(podcast: Any) -> str:
    """The first sentences of the transcript, else of the script, without headings and pauses."""
    sentences = [text for name in SENTENCES if (text := getattr(podcast, name))]
    if sentences:
        language = LANGUAGES.get(primary_subtag(podcast.language))
        return (language.sentence_space if language else " ").join(sentences)
    return " ".join(line for line in podcast.opening.splitlines() if line and line[0] not in "#[")


def _measured_bytes(podcast: DailyPodcast) -> int:
    """The size of the file, for a row without one, as a host's own rows may be; 0 when the file is missing."""
    try:
        return podcast.audio_file.size
    except FileNotFoundError:
        podcast.mark_missing(True)  # the next feed leaves it out
        return 0


def _changed_at(podcast: DailyPodcast) -> datetime:
    return max(podcast.made_at, podcast.updated_at)


def _aware(moment: datetime) -> datetime:
    return moment if timezone.is_aware(moment) else timezone.make_aware(moment)


def _xml_safe(text: str) -> str:
    """`text` without characters that XML does not allow: one of them would make the whole feed unreadable."""
    return text if text.isprintable() else UNWRITABLE.sub("", text)  # `isprintable` is fast, and mostly true
