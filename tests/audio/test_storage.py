import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import SuspiciousFileOperation
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage

from dailycast.audio import storage
from dailycast.errors import StorageError

NAME = "podcasts/podcast_1_1701920000.mp3"
IN_MEMORY = {
    "default": {"BACKEND": "django.core.files.storage.InMemoryStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}


@pytest.fixture
def in_memory(settings: Any) -> None:
    settings.STORAGES = IN_MEMORY


@pytest.mark.parametrize(
    ("user", "name"),
    [
        (1, NAME),
        ("8c1f-00", "podcasts/podcast_8c1f-00_1701920000.mp3"),
        ("../e@x", "podcasts/podcast_---e-x_1701920000.mp3"),
    ],
)
def test_an_episodes_name(user: object, name: str) -> None:
    assert storage.episode_name(user, 1701920000) == name


def test_a_file_is_written_with_its_folder_and_nothing_else(media: Path) -> None:
    assert storage.write_atomic(NAME, b"one") == NAME
    assert [path.name for path in (media / "podcasts").iterdir()] == ["podcast_1_1701920000.mp3"]
    assert (media / NAME).read_bytes() == b"one"


def test_a_second_write_uses_the_same_name(media: Path) -> None:
    storage.write_atomic(NAME, b"one")
    storage.write_atomic(NAME, b"two")
    assert (media / NAME).read_bytes() == b"two"


def test_the_hosts_file_permissions_are_used(media: Path, settings: Any) -> None:
    settings.FILE_UPLOAD_PERMISSIONS = 0o604
    settings.FILE_UPLOAD_DIRECTORY_PERMISSIONS = 0o705
    before = os.umask(0o022)
    storage.write_atomic(NAME, b"one")
    os.umask(before)
    assert (media / NAME).stat().st_mode & 0o777 == 0o604
    assert (media / "podcasts").stat().st_mode & 0o777 == 0o705


def test_a_failed_write_leaves_the_old_file_and_no_partial_one(media: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    storage.write_atomic(NAME, b"one")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        storage.write_atomic(NAME, b"two")
    assert [path.read_bytes() for path in (media / "podcasts").iterdir()] == [b"one"]


def test_file_and_folder_are_synced_before_a_write_returns(monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[bool] = []
    monkeypatch.setattr(os, "fsync", lambda handle: synced.append(Path(f"/proc/self/fd/{handle}").is_dir()))
    storage.write_atomic(NAME, b"one")
    assert synced == [False, True]


def test_a_name_outside_the_media_folder_is_refused() -> None:
    with pytest.raises(SuspiciousFileOperation):
        storage.write_atomic("../outside.mp3", b"one")


def test_another_storage_gets_one_put_under_the_same_name(in_memory: None) -> None:
    assert [storage.write_atomic(NAME, data) for data in (b"one", b"two")] == [NAME, NAME]
    with default_storage.open(NAME) as file:
        assert file.read() == b"two"
    assert default_storage.listdir("podcasts") == ([], ["podcast_1_1701920000.mp3"])


def test_the_display_location_is_a_path(media: Path) -> None:
    assert storage.display_location(NAME) == str(media / NAME)


def test_the_display_location_in_another_storage_is_a_url(in_memory: None) -> None:
    default_storage.save(NAME, ContentFile(b"one"))
    assert storage.display_location(NAME) == "/media/" + NAME


def test_a_media_folder_that_does_not_exist_yet_is_writable(media: Path) -> None:
    assert storage.unwritable_reason() == ""
    assert not media.exists()


def test_a_file_in_place_of_the_media_folder_is_reported(media: Path) -> None:
    media.parent.mkdir(exist_ok=True)
    media.write_text("in the way")
    assert storage.unwritable_reason() == f"{media} is not a folder"


@pytest.fixture
def forbidden(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[object]]:
    checked: list[object] = []  # tests may run as root, who may write everywhere
    monkeypatch.setattr(os, "access", lambda path, mode: checked.append((path, mode)))
    yield checked


def test_a_folder_that_cannot_be_written_is_reported(media: Path, forbidden: list[object]) -> None:
    media.mkdir()
    assert storage.unwritable_reason() == f"{media} cannot be written by this user"
    assert forbidden == [(media, os.W_OK | os.X_OK)]


def test_another_storage_is_not_tested_for_writing(in_memory: None) -> None:
    assert storage.unwritable_reason() == ""


@pytest.mark.parametrize("reserve", [0, 200])
def test_a_disk_with_enough_space_is_no_error(
    media: Path, settings: Any, monkeypatch: pytest.MonkeyPatch, reserve: int
) -> None:
    settings.DAILYCAST_MIN_FREE_MB = reserve
    monkeypatch.setattr(storage, "free_bytes", lambda: 3_000_000 + reserve * 1_000_000)
    storage.require_space(3_000_000)


def test_a_disk_without_enough_space_is_an_error_that_says_how_much_is_needed(
    media: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage, "free_bytes", lambda: 202_940_000)
    needed = r"this episode may need 3\.0 MB beside the reserve of 200 MB \(DAILYCAST_MIN_FREE_MB\)\."
    with pytest.raises(StorageError, match=rf"^the disk has 202\.9 MB free, and {needed}$"):
        storage.require_space(3_000_000)


def test_a_folder_that_cannot_be_written_is_an_error_however_much_space_there_is(
    media: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(OSError, match="cannot be written by this user: make MEDIA_ROOT writable"):
        storage.require_space(0)


def test_a_storage_that_is_no_disk_always_has_space(in_memory: None) -> None:
    storage.require_space(10**15)


def test_a_file_is_deleted_and_one_that_is_gone_is_no_error(media: Path, logged: pytest.LogCaptureFixture) -> None:
    storage.write_atomic(NAME, b"one")
    storage.delete_if_possible(NAME)
    assert not (media / NAME).exists()
    storage.delete_if_possible(NAME)
    assert logged.messages == []


def test_a_file_that_cannot_be_deleted_is_named_in_the_log(
    monkeypatch: pytest.MonkeyPatch, logged: pytest.LogCaptureFixture
) -> None:
    def refuse(name: str) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(default_storage, "delete", refuse)
    storage.delete_if_possible(NAME)
    assert logged.messages == [f"Dailycast: {NAME} could not be deleted: [Errno 13] Permission denied"]
