from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from dailycast import services
from dailycast.audio import storage
from dailycast.jobs import queue as jobs
from dailycast.models import DailyPodcast, Feed, Reason, Status
from dailycast.signals import podcast_ready


@pytest.fixture
def episode(alex: User) -> DailyPodcast:
    return DailyPodcast.objects.create(
        user=alex, status=Status.COMPLETED, audio_file="podcasts/a.mp3", duration_seconds=200.0
    )


@pytest.mark.parametrize(
    ("seconds", "kept", "heard"),
    [(0, 0, False), (12.5, 12.5, False), (-3, 0, False), (179.9, 179.9, False), (180, 180, True), (999, 200, True)],
)
def test_where_the_learner_stopped(episode: DailyPodcast, seconds: float, kept: float, heard: bool) -> None:
    episode.save_position(seconds)
    episode.refresh_from_db()
    assert (episode.position_seconds, episode.heard_at is not None) == (kept, heard)


def test_what_was_heard_stays_heard(episode: DailyPodcast) -> None:
    episode.save_position(190)
    first = episode.heard_at
    episode.save_position(5)
    episode.refresh_from_db()
    assert (episode.position_seconds, episode.heard_at) == (5, first)


def test_what_was_heard_stays_heard_where_another_device_did_not_know_it(episode: DailyPodcast) -> None:
    other = DailyPodcast.objects.get(pk=episode.pk)
    episode.save_position(200)
    other.save_position(10)
    episode.refresh_from_db()
    assert (episode.position_seconds, episode.heard_at is not None) == (10, True)


def test_a_file_that_is_back_is_no_longer_missed(episode: DailyPodcast) -> None:
    episode.mark_missing(True)
    DailyPodcast.objects.all().recheck_missing()
    assert not DailyPodcast.objects.get().has_audio
    storage.write_atomic("podcasts/a.mp3", b"audio")
    DailyPodcast.objects.all().recheck_missing()
    assert DailyPodcast.objects.get().has_audio


def test_what_was_pruned_meanwhile_is_not_missed(episode: DailyPodcast) -> None:
    held = DailyPodcast.objects.get()
    DailyPodcast.objects.update(audio_file=None, error_code=Reason.PRUNED)
    held.mark_missing(True)
    assert DailyPodcast.objects.get().error_code == Reason.PRUNED


def test_each_learner_has_one_feed_and_may_have_a_new_address(alex: User) -> None:
    feed = Feed.for_user(alex)
    assert Feed.for_user(alex) == feed
    old = feed.token
    feed.renew()
    assert (len(old), Feed.objects.get().token) == (43, feed.token)
    assert old != feed.token
    assert old not in str(feed)


def test_the_host_is_told_once_that_an_episode_is_ready(alex: User, media: Path) -> None:
    told: list[tuple[object, object]] = []

    def listen(sender: object, podcast: DailyPodcast, **_: object) -> None:
        told.append((sender, DailyPodcast.objects.get(pk=podcast.pk, status=Status.COMPLETED).title))

    podcast_ready.connect(listen)
    try:
        podcast = services.create_podcast_for_user(alex, "en")
        services.retry_now(podcast)
    finally:
        podcast_ready.disconnect(listen)
    assert told == [(DailyPodcast, podcast.title)]


def test_a_receiver_that_fails_harms_no_episode(alex: User) -> None:
    def fail(**_: object) -> None:
        raise ValueError("the mail server is down")

    podcast_ready.connect(fail)
    try:
        assert services.create_podcast_for_user(alex, "en").status == Status.COMPLETED
    finally:
        podcast_ready.disconnect(fail)


@pytest.fixture
def told() -> Iterator[list[DailyPodcast]]:
    """What hosts hear of."""
    heard: list[DailyPodcast] = []

    def listen(sender: object, podcast: DailyPodcast, **_: object) -> None:
        heard.append(podcast)

    podcast_ready.connect(listen)
    yield heard
    podcast_ready.disconnect(listen)


def test_the_news_has_what_another_worker_finished(alex: User, episode: DailyPodcast, told: list[DailyPodcast]) -> None:
    services.announce(episode.pk)
    assert [(podcast.status, podcast.duration_seconds) for podcast in told] == [(Status.COMPLETED, 200.0)]


@pytest.mark.parametrize(("minutes", "news"), [(0, 0), (5, 1), (60 * 25, 0)])
def test_an_episode_whose_worker_ended_before_the_news_is_announced_later(
    episode: DailyPodcast, told: list[DailyPodcast], minutes: float, news: int
) -> None:
    DailyPodcast.objects.update(completed_at=timezone.now() - timedelta(minutes=minutes))
    for _ in "ab":
        services.announce_missed()
    assert len(told) == news


def test_an_episode_that_failed_is_not_announced(alex: User, settings: object) -> None:
    told: list[object] = []

    def listen(**_: object) -> None:
        told.append(1)

    podcast_ready.connect(listen)
    try:
        services.run(jobs.submit(alex, "ko").pk)
    finally:
        podcast_ready.disconnect(listen)
    assert (told, DailyPodcast.objects.get().status) == ([], "failed")
