from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.storage import default_storage
from django.test import RequestFactory

from dailycast.audio import storage
from dailycast.models import DailyPodcast, Feed, Reason, Status
from dailycast.web.feed import feed_url
from tests.web.clients import Browser
from tests.web.feed_host import (
    AUDIO,
    HOST,
    MADE,
    TAGS,
    attributes,
    channel,
    feed_address,
    feed_folder,
    make_episode,
    text,
    titles,
)

pytestmark = pytest.mark.usefixtures("feed_host")


# What the feed says


def test_the_channel_describes_the_podcast_and_keeps_directories_away(
    app: Browser, alex: User, episode: DailyPodcast
) -> None:
    show, base_url = channel(app, alex), HOST + feed_folder(alex)
    texts = {tag: text(show, tag) for tag in ("title", "link", "language", "itunes:author", "lastBuildDate")}
    assert texts == {
        "title": "Daily podcast",
        "link": f"{HOST}/dailycast/",
        "language": "en",
        "itunes:author": "Daily podcast",
        "lastBuildDate": "Mon, 02 Mar 2026 06:30:15 +0000",
    }
    assert "whoever has it can listen" in str(text(show, "description"))
    assert (text(show, "itunes:block"), text(show, "podcast:locked")) == ("Yes", "yes")
    assert (text(show, "itunes:explicit"), text(show, "itunes:type")) == ("false", "episodic")
    assert attributes(show, "itunes:image") == {"href": f"{base_url}cover.jpg"}
    assert attributes(show, "itunes:category") == {"text": "Education"}
    assert attributes(show, "atom:link") == {"rel": "self", "href": f"{base_url}podcast.xml"}


def test_an_item_has_audio_transcript_and_chapters(app: Browser, alex: User, episode: DailyPodcast) -> None:
    (item,) = channel(app, alex).iter("item")
    guid, base_url = str(episode.guid), HOST + feed_folder(alex)
    texts = {tag: text(item, tag) for tag in ("title", "link", "description", "guid", "pubDate", "itunes:duration")}
    assert texts == {
        "title": "An idea",
        "link": f"{HOST}/dailycast/episodes/{episode.pk}/",
        "description": "Good morning, Alex. Seven of ten & more: 1 < 2.",
        "guid": guid,
        "pubDate": "Mon, 02 Mar 2026 06:30:15 +0000",
        "itunes:duration": "4",
    }
    assert attributes(item, "guid") == {"isPermaLink": "false"}
    assert attributes(item, "enclosure") == {"url": f"{base_url}{guid}.mp3", "length": "10240", "type": "audio/mpeg"}
    assert attributes(item, "podcast:transcript") == {"url": f"{base_url}{guid}.vtt", "type": "text/vtt"}
    chapters = {"url": f"{base_url}{guid}.json", "type": "application/json+chapters"}
    assert attributes(item, "podcast:chapters") == chapters


def test_its_urls_use_the_requested_host(app: Browser, alex: User, episode: DailyPodcast) -> None:
    body = app.get(feed_address(alex), secure=True, headers={"Host": "localhost:8443"}).body.decode()
    assert "http://testserver" not in body
    assert body.count(f"https://localhost:8443{feed_folder(alex)}") == 5


def test_a_feed_in_japanese(settings: Any, app: Browser, alex: User) -> None:
    settings.DAILYCAST_TITLE = "毎日の英語"
    cues = [{"start": 0, "end": 1, "text": "おはよう。"}, {"start": 1, "end": 2, "text": "今日は復習です。"}]
    make_episode(alex, "朝の一歩", language="ja", cues=cues)
    show = channel(app, alex)
    (item,) = show.iter("item")
    assert (text(show, "title"), text(show, "language")) == ("毎日の英語", "ja")
    assert (text(item, "title"), text(item, "description")) == ("朝の一歩", "おはよう。今日は復習です。")


def test_the_language_is_that_of_the_newest_episode_with_one(app: Browser, alex: User) -> None:
    for days, language in enumerate(["", "pt-BR", "ja"]):
        make_episode(alex, days=days, language=language)
    assert text(channel(app, alex), "language") == "pt-BR"


@pytest.mark.parametrize(
    ("fields", "description"),
    [
        ({"cues": []}, "Good morning, Alex."),
        ({"cues": [], "script_text": "# A\n[pause 4s]\n\n"}, None),
        ({"cues": [{"start": 0, "end": 1, "text": f"{number}."} for number in range(9)]}, "0. 1. 2. 3."),
    ],
)
def test_the_description_of_an_item(app: Browser, alex: User, fields: Any, description: str | None) -> None:
    make_episode(alex, **fields)
    (item,) = channel(app, alex).iter("item")
    assert (text(item, "description") or None) == description


def test_what_an_episode_lacks_is_not_linked(app: Browser, alex: User) -> None:
    make_episode(alex, cues=[], chapters=[], duration_seconds=None)
    (item,) = channel(app, alex).iter("item")
    assert [item.find(tag, TAGS) for tag in ("podcast:transcript", "podcast:chapters", "itunes:duration")] == [None] * 3


def test_characters_that_xml_forbids_are_left_out(app: Browser, alex: User) -> None:
    make_episode(alex, "Bell\x07 & <b>\ufffe", cues=[{"start": 0, "end": 1, "text": "A\x0b B\u00a0C"}])
    (item,) = channel(app, alex).iter("item")
    assert (text(item, "title"), text(item, "description")) == ("Bell & <b>", "A B\u00a0C")


def test_the_file_of_a_row_without_a_size_is_measured(app: Browser, alex: User) -> None:
    make_episode(alex, audio_bytes=None)
    (item,) = channel(app, alex).iter("item")
    assert attributes(item, "enclosure")["length"] == "10240"


def test_a_row_without_size_and_file_leaves_the_feed(app: Browser, alex: User) -> None:
    podcast = make_episode(alex, audio_bytes=None)
    podcast.audio_file.delete(save=False)
    DailyPodcast.objects.filter(pk=podcast.pk).update(audio_file=f"podcasts/podcast_{podcast.guid}.mp3")
    assert (titles(app, alex), titles(app, alex)) == (["An idea"], [])


def test_a_host_without_time_zones_has_a_feed_too(settings: Any, app: Browser, alex: User) -> None:
    settings.USE_TZ = False
    make_episode(alex, completed_at=datetime(2026, 3, 2, 6, 30, 15))
    show = channel(app, alex)
    assert text(show, "lastBuildDate") == text(show, "item/pubDate") == "Mon, 02 Mar 2026 06:30:15 +0000"


# Which episodes it has


def test_the_feed_has_only_episodes_with_audio(app: Browser, alex: User) -> None:
    make_episode(alex, "Audible")
    make_episode(alex, "Script only", audio_file=None)
    make_episode(alex, "Pruned", audio_file="", error_code=Reason.PRUNED)
    missing = make_episode(alex, "Missing", error_code=Reason.MISSING)
    default_storage.delete(str(missing.audio_file))
    for status in (Status.PENDING, Status.RUNNING, Status.FAILED):
        make_episode(alex, status, status=status)
    make_episode(User.objects.create_user("yuki"), "Another learner's")
    assert titles(app, alex) == ["Audible"]


def test_staff_who_may_hear_everyone_have_a_feed_of_their_own(
    app: Browser, episode: DailyPodcast, admin_user: User
) -> None:
    make_episode(admin_user, "The teacher's own")
    assert titles(app, admin_user) == ["The teacher's own"]


def test_the_newest_365_are_in_it_newest_first(app: Browser, alex: User) -> None:
    DailyPodcast.objects.bulk_create(
        DailyPodcast(
            user=alex,
            title=str(day),
            status=Status.COMPLETED,
            audio_file=f"podcasts/podcast_1_{day}.mp3",
            audio_bytes=1,
            completed_at=MADE - timedelta(days=day * 7 % 367),
        )
        for day in range(367)
    )
    expected = sorted(range(367), key=lambda day: day * 7 % 367)
    assert titles(app, alex) == [str(day) for day in expected[:365]]


def test_a_year_of_episodes_takes_three_queries(
    app: Browser, alex: User, django_assert_num_queries: Callable[[int], Any]
) -> None:
    for day in range(20):
        make_episode(alex, days=day)
    target = feed_address(alex)
    with django_assert_num_queries(3):
        app.get(target)


def test_a_feed_without_episodes_is_valid(settings: Any, app: Browser, alex: User) -> None:
    settings.DAILYCAST_DEFAULT_LANGUAGE = "ja"
    first, second = app.get(feed_address(alex)), app.get(feed_address(alex))
    assert (first.body, first["ETag"]) == (second.body, second["ETag"])
    show = channel(app, alex)
    assert (text(show, "title"), text(show, "language"), list(show.iter("item"))) == ("Daily podcast", "ja", [])


def test_an_episode_keeps_its_guid_when_it_is_made_again_and_when_the_address_is_new(
    app: Browser, alex: User, episode: DailyPodcast
) -> None:
    guids = {text(item, "guid") for item in channel(app, alex).iter("item")}
    storage.write_atomic(str(episode.audio_file), AUDIO * 2)
    changes = {"audio_bytes": 2 * len(AUDIO), "completed_at": MADE + timedelta(days=3)}
    DailyPodcast.objects.filter(pk=episode.pk).update(**changes)
    Feed.for_user(alex).renew()
    assert {text(item, "guid") for item in channel(app, alex).iter("item")} == guids == {str(episode.guid)}


def test_the_feed_url_is_absolute_and_stays(alex: User) -> None:
    request = RequestFactory().get("/", secure=True)
    assert feed_url(request, alex) == feed_url(request, alex) == f"https://testserver{feed_address(alex)}"
