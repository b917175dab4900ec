"""What is deleted with an episode: its file, after the commit, and what was written about its learner."""

import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import transaction

from dailycast.audio import clips
from dailycast.models import DailyPodcast, Kind, ProviderCall, dates


def with_file(user: User, name: str = "podcasts/a.mp3") -> DailyPodcast:
    default_storage.save(name, ContentFile(b"mp3"))
    return DailyPodcast.objects.create(user=user, audio_file=name)


@pytest.mark.django_db(transaction=True)
def test_deleting_a_row_deletes_its_file(alex: User, media: Path) -> None:
    with_file(alex).delete()
    assert not (media / "podcasts/a.mp3").exists()


@pytest.mark.django_db(transaction=True)
def test_the_file_is_deleted_only_after_the_commit(alex: User, media: Path) -> None:
    podcast = with_file(alex)
    with transaction.atomic():
        podcast.delete()
        assert (media / "podcasts/a.mp3").exists()
        transaction.set_rollback(True)
    assert (media / "podcasts/a.mp3").exists()


@pytest.mark.django_db(transaction=True)
def test_deleting_a_learner_deletes_the_files(alex: User, media: Path) -> None:
    with_file(alex)
    alex.delete()
    assert not (media / "podcasts/a.mp3").exists()


@pytest.mark.django_db(transaction=True)
def test_a_file_that_is_gone_already_is_no_error(alex: User, media: Path) -> None:
    podcast = with_file(alex)
    (media / "podcasts/a.mp3").unlink()
    podcast.delete()
    assert not DailyPodcast.objects.exists()


BESIDE_DJANGO_CLEANUP = """
import sys
from pathlib import Path
from tests import settings
settings.INSTALLED_APPS = [*settings.INSTALLED_APPS, "django_cleanup.apps.CleanupConfig"]
settings.DATABASES["default"]["NAME"] = sys.argv[1]
import django; django.setup()
from django.core.management import call_command; call_command("migrate", verbosity=0)
from django.contrib.auth.models import User
from dailycast.audio import storage
from dailycast.models import DailyPodcast
media = Path(settings.MEDIA_ROOT)
podcast = DailyPodcast.objects.create(user=User.objects.create(username="alex"))
name = storage.write_atomic("podcasts/podcast_1_1.mp3", b"mp3")
podcast.audio_file = name
podcast.save(update_fields=["audio_file"])
podcast.status, podcast.title = "completed", "renamed"
podcast.save(update_fields=["status", "title"])
assert (media / name).exists()
DailyPodcast.objects.get().delete()
assert not (media / name).exists()
print("deleted once")
"""


def test_beside_django_cleanup(tmp_path: Path) -> None:
    pytest.importorskip("django_cleanup")
    command = [sys.executable, "-W", "error", "-c", BESIDE_DJANGO_CLEANUP, str(tmp_path / "db.sqlite3")]
    done = subprocess.run(command, cwd=Path(__file__).parents[1], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("deleted once\n", "")


def test_what_was_written_about_a_learner_goes_with_the_episode(alex: User) -> None:
    podcast = DailyPodcast.objects.create(user=alex)
    call = ProviderCall.objects.create(podcast=podcast, day=date(2026, 11, 23), provider="openai", answer="About Alex")
    alex.delete()
    call.refresh_from_db()
    assert (call.podcast_id, call.answer) == (None, "")


# Clips


def clip_of(podcast: DailyPodcast | None, key: str, days: int = 0) -> str:
    """A stored clip that a call for `podcast` names."""
    name = clips.file_name(key)
    clips.store_clip(key, b"mp3")
    day = dates.today() - timedelta(days=days)
    ProviderCall.objects.create(podcast=podcast, day=day, provider="polly", kind=Kind.SPEECH, unit=key)
    return name


@pytest.mark.django_db(transaction=True)
def test_deleting_a_learner_deletes_the_clips_that_only_their_calls_name(alex: User) -> None:
    kim = User.objects.create_user("kim")
    first, second, kims = with_file(alex), with_file(alex, "podcasts/b.mp3"), with_file(kim, "podcasts/c.mp3")
    mine = [clip_of(first, "a"), clip_of(second, "b")]
    clip_of(first, "ab"), clip_of(second, "ab"), clip_of(None, "ab")
    shared = [clip_of(first, "c"), clip_of(kims, "c")][0]
    others = [shared, clip_of(kims, "d"), clip_of(None, "e")]
    with transaction.atomic():
        alex.delete()
        assert all(map(default_storage.exists, mine))
    assert not any(map(default_storage.exists, [*mine, clips.file_name("ab")]))
    assert all(map(default_storage.exists, others))


@pytest.mark.django_db(transaction=True)
def test_a_rollback_keeps_the_clips(alex: User) -> None:
    clip = clip_of(with_file(alex), "a")
    with transaction.atomic():
        alex.delete()
        transaction.set_rollback(True)
    assert default_storage.exists(clip)
