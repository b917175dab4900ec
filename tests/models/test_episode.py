"""An episode: who sees it, what its file is called, and what is said of it."""

from datetime import UTC, datetime
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser, Permission, User

from dailycast.audio import storage
from dailycast.jobs.job import Job
from dailycast.models import DailyPodcast, Reason, Status
from tests.jobs.rows import in_threads


@pytest.fixture
def podcast(alex: User) -> DailyPodcast:
    return DailyPodcast.objects.create(user=alex)


def person(name: str, **flags: Any) -> User:
    return User.objects.create_user(name, **flags)


@pytest.mark.django_db
def test_who_sees_which_episode(podcast: DailyPodcast, alex: User) -> None:
    other = person("other")
    DailyPodcast.objects.create(user=other)
    may_view = Permission.objects.get(codename="view_dailypodcast")
    staff, bare_staff, learner_with_permission = person("s", is_staff=True), person("b", is_staff=True), person("p")
    staff.user_permissions.add(may_view)
    learner_with_permission.user_permissions.add(may_view)
    seen = {
        str(who): DailyPodcast.objects.visible_to(who).count()
        for who in (alex, other, staff, bare_staff, learner_with_permission, AnonymousUser())
    }
    assert seen == {"alex": 1, "other": 1, "s": 2, "b": 0, "p": 0, "AnonymousUser": 0}
    assert DailyPodcast.objects.visible_to(alex).get() == podcast


def test_an_inactive_learner_sees_nothing(podcast: DailyPodcast, alex: User) -> None:
    alex.is_active = False
    assert not DailyPodcast.objects.visible_to(alex).exists()


@pytest.mark.parametrize(
    ("status", "file", "has_audio"),
    [
        (Status.COMPLETED, "podcasts/a.mp3", True),
        (Status.RUNNING, "podcasts/a.mp3", False),
        (Status.COMPLETED, "", False),
    ],
)
def test_an_episode_has_audio_once_it_is_completed(status: Status, file: str, has_audio: bool) -> None:
    assert DailyPodcast(status=status, audio_file=file).has_audio is has_audio


def test_the_text_of_a_row_is_its_title(podcast: DailyPodcast) -> None:
    assert str(podcast) == f"#{podcast.pk}"
    podcast.title = "Vienna"
    assert str(podcast) == "Vienna"


def committed_name(podcast: DailyPodcast) -> str:
    """The name as `jobs.Job.write_audio_name` chooses and commits it."""
    DailyPodcast.objects.filter(pk=podcast.pk).update(status=Status.RUNNING, claim_token=f"t{podcast.pk}")
    return Job(podcast, f"t{podcast.pk}").write_audio_name()


@pytest.fixture
def at_1701920000(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.time", lambda: 1701920000.9)


def test_the_file_is_named_by_learner_and_second(podcast: DailyPodcast, at_1701920000: None) -> None:
    name = f"podcasts/podcast_{podcast.user_id}_1701920000.mp3"
    assert podcast.name_audio() == name
    assert not DailyPodcast.objects.get().audio_file
    assert committed_name(podcast) == name
    assert DailyPodcast.objects.get().audio_file.url == "/media/" + name


def test_a_retry_has_a_file_name_of_its_own(podcast: DailyPodcast, at_1701920000: None) -> None:
    first = committed_name(podcast)
    assert DailyPodcast.objects.get().name_audio() == first.replace("1701920000", "1701920001")


def test_a_second_episode_in_the_same_second_gets_its_own_file(podcast: DailyPodcast, at_1701920000: None) -> None:
    storage.write_atomic(storage.episode_name(podcast.user_id, 1701920001), b"an older server's file")
    others = [DailyPodcast.objects.create(user=podcast.user) for _ in range(2)]
    assert [committed_name(each) for each in (podcast, *others)] == [
        f"podcasts/podcast_{podcast.user_id}_170192000{second}.mp3" for second in (0, 2, 3)
    ]


@pytest.mark.django_db(transaction=True)
def test_eight_episodes_at_once_get_eight_files(alex: User, at_1701920000: None) -> None:
    podcasts = [DailyPodcast.objects.create(user=alex) for _ in range(8)]
    assert len(set(in_threads(lambda place: committed_name(podcasts[place]), retry=False))) == 8


@pytest.fixture
def audio_episode(alex: User) -> DailyPodcast:
    return DailyPodcast.objects.create(
        user=alex, status=Status.COMPLETED, audio_file="podcasts/a.mp3", duration_seconds=200.0
    )


@pytest.mark.parametrize(
    ("seconds", "saved", "heard"),
    [(0, 0, False), (12.5, 12.5, False), (-3, 0, False), (179.9, 179.9, False), (180, 180, True), (999, 200, True)],
)
def test_the_position_is_clamped_and_may_count_as_heard(
    audio_episode: DailyPodcast, seconds: float, saved: float, heard: bool
) -> None:
    audio_episode.save_position(seconds)
    audio_episode.refresh_from_db()
    assert (audio_episode.position_seconds, audio_episode.heard_at is not None) == (saved, heard)


def test_heard_stays_heard(audio_episode: DailyPodcast) -> None:
    audio_episode.save_position(190)
    first = audio_episode.heard_at
    audio_episode.save_position(5)
    audio_episode.refresh_from_db()
    assert (audio_episode.position_seconds, audio_episode.heard_at) == (5, first)


def test_an_older_copy_of_the_row_does_not_unset_heard(audio_episode: DailyPodcast) -> None:
    other = DailyPodcast.objects.get(pk=audio_episode.pk)
    audio_episode.save_position(200)
    other.save_position(10)
    audio_episode.refresh_from_db()
    assert (audio_episode.position_seconds, audio_episode.heard_at is not None) == (10, True)


def test_a_file_that_is_back_is_no_longer_missing(audio_episode: DailyPodcast) -> None:
    audio_episode.mark_missing(True)
    DailyPodcast.objects.all().recheck_missing()
    assert not DailyPodcast.objects.get().has_audio
    storage.write_atomic("podcasts/a.mp3", b"audio")
    DailyPodcast.objects.all().recheck_missing()
    assert DailyPodcast.objects.get().has_audio


def test_audio_that_was_pruned_meanwhile_is_not_marked_missing(audio_episode: DailyPodcast) -> None:
    stale = DailyPodcast.objects.get()
    DailyPodcast.objects.update(audio_file=None, error_code=Reason.PRUNED)
    stale.mark_missing(True)
    assert DailyPodcast.objects.get().error_code == Reason.PRUNED


@pytest.mark.parametrize(
    ("with_zones", "due", "shown"),
    [
        (True, datetime(2126, 11, 23, 20, 30, tzinfo=UTC), "Nov. 24, 2126, 5:30 a.m."),
        (False, datetime(2126, 11, 23, 20, 30), "Nov. 23, 2126, 8:30 p.m."),
    ],
)
def test_a_pending_episode_says_why_and_until_when_it_waits(
    settings: Any, with_zones: bool, due: datetime, shown: str
) -> None:
    settings.USE_TZ, settings.TIME_ZONE = with_zones, "Asia/Tokyo"
    podcast = DailyPodcast(status=Status.PENDING, error_code=Reason.NO_SCRIPT, next_attempt_at=due)
    waits = "The episode waits to be made."
    assert podcast.progress == f"{waits} No writer could write the script. Next attempt: {shown}"
    podcast.error_code = ""
    assert podcast.progress == f"{waits} Next attempt: {shown}"
    podcast.next_attempt_at = None
    assert podcast.progress == waits
    podcast.status, podcast.next_attempt_at = Status.FAILED, due
    assert podcast.progress == ""
