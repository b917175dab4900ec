"""The one module that knows paths. Everything else uses Django's default storage, so that S3 needs only STORAGES."""

import logging
import os
import re
import secrets
import shutil
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from inspect import signature
from pathlib import Path

from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage, default_storage
from django.utils import timezone

from ..errors import CapturedError

logger = logging.getLogger("dailycast")
FOLDER = "podcasts/"
PARTIAL_SUFFIX = ".part"  # of a file that is being written, or whose process died


def episode_name(user_pk: object, seconds: int) -> str:
    """`podcasts/podcast_<user>_<unix seconds>.mp3`."""
    return f"{FOLDER}podcast_{re.sub(r'[^A-Za-z0-9-]', '-', str(user_pk))}_{seconds}.mp3"


def write_atomic(name: str, data: bytes) -> str:
    """Store `data` under `name` completely or not at all, replacing an older file; returns the name that was used.

    On a file system: write a temporary file beside it, fsync, rename. Elsewhere: one put. Raises OSError from a disk.
    """
    path = local_path(name)
    if path is None:
        if default_storage.exists(name):  # else a storage that never overwrites chooses another name
            default_storage.delete(name)
        return default_storage.save(name, ContentFile(data))
    _make_folder(path.parent)
    _write_and_rename(path, data)
    return name


def unwritable_reason(name: str = FOLDER) -> str:
    """Why nothing can be saved under `name`; empty when it can, or when only a put would show. Writes nothing."""
    path = local_path(name)
    if path is None:
        return ""
    folder = _nearest_existing(path)
    if not folder.is_dir():
        return f"{folder} is not a folder"
    return "" if os.access(folder, os.W_OK | os.X_OK) else f"{folder} cannot be written by this user"


def free_bytes(name: str = FOLDER) -> int | None:
    """Free bytes of the disk that holds `name`; None when the storage is no file system."""
    path = local_path(name)
    return None if path is None else shutil.disk_usage(_nearest_existing(path)).free


def require_space(needed: int) -> None:
    """Raises OSError when nothing can be saved, or the disk has less than `needed` bytes free."""
    if reason := unwritable_reason():
        raise OSError(reason)
    free = free_bytes()
    if free is not None and free < needed:
        raise OSError(f"the disk has {free / 1e6:.1f} MB free, and this episode may need {needed / 1e6:.1f} MB")


def delete_if_possible(name: str) -> None:
    """Delete `name`; a failure is only logged."""
    deleting = CapturedError()
    with deleting:
        default_storage.delete(name)
    if deleting.error:
        logger.warning("Dailycast: %s could not be deleted: %s", name, deleting.error)


def is_in_podcasts_folder(name: str) -> bool:
    """Whether `name` is in FOLDER after symbolic links are resolved; always where there are none, as on S3."""
    path, folder = local_path(name), local_path(FOLDER)
    return path is None or folder is None or path.resolve().is_relative_to(folder.resolve())


def list_names(folder: str) -> list[str]:
    """The names of the files in `folder`; none where there is no such folder."""
    try:
        return [folder + file for file in default_storage.listdir(folder)[1]]
    except FileNotFoundError:
        return []


def modified_at(name: str) -> datetime:
    """When `name` was last written; now, if it has been deleted meanwhile."""
    try:
        return default_storage.get_modified_time(name)
    except FileNotFoundError:
        return timezone.now()


def url(name: str, disposition: str | None) -> str:
    """The URL of `name`, with that Content-Disposition where the storage can sign one, as S3's can."""
    sign: Callable[..., str] = default_storage.url
    if disposition and "parameters" in signature(sign).parameters:
        return sign(name, parameters={"ResponseContentDisposition": disposition})
    return sign(name)


def display_location(name: str) -> str:
    """Where a person finds `name`: its path on this machine, else its URL."""
    return str(local_path(name) or default_storage.url(name))


def local_path(name: str) -> Path | None:
    """The path of `name` on this machine's disk; None when the storage is no file system."""
    return Path(default_storage.path(name)) if isinstance(default_storage, FileSystemStorage) else None


def _nearest_existing(path: Path) -> Path:
    """`path`, or the nearest of its parents that exists."""
    return next(candidate for candidate in (path, *path.parents) if candidate.exists())


def _make_folder(folder: Path) -> None:
    mode = getattr(default_storage, "directory_permissions_mode", None)
    folder.mkdir(parents=True, exist_ok=True, **({} if mode is None else {"mode": mode}))


def _write_and_rename(path: Path, data: bytes) -> None:
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}{PARTIAL_SUFFIX}")
    try:
        with temporary.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        mode = getattr(default_storage, "file_permissions_mode", None)
        if mode is not None:
            temporary.chmod(mode)
        temporary.replace(path)
        _sync_folder(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    """Make the rename itself durable, where folders can be opened (not on Windows)."""
    with suppress(PermissionError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
