"""The one module that knows paths and the storage. It is Django's default one, so that S3 needs only STORAGES.

Every function raises OSError where the storage fails: StorageError for what is no OSError of its own, as with S3.
"""

import logging
import os
import re
import secrets
import shutil
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from hashlib import sha256
from inspect import signature
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from django.core.files.base import ContentFile, File
from django.core.files.storage import FileSystemStorage, default_storage
from django.utils import timezone

from ..conf import conf
from ..errors import CapturedError, StorageError

P = ParamSpec("P")
T = TypeVar("T")
logger = logging.getLogger("dailycast")
FOLDER = "podcasts/"
EPISODE_NAME = re.compile(rf"{FOLDER}podcast_[A-Za-z0-9-]+_[0-9]+\.mp3")
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
        if exists(name):  # else a storage that never overwrites chooses another name
            delete(name)
        return _call(default_storage.save, name, ContentFile(data))
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


def require_writable() -> None:
    """Raises StorageError when nothing can be saved."""
    if reason := unwritable_reason():
        raise StorageError(f"{reason}: make MEDIA_ROOT writable for the user of this process.")


def require_space(needed: int) -> None:
    """Raises StorageError when nothing can be saved, or the disk would have less free than DAILYCAST_MIN_FREE_MB."""
    require_writable()
    free, reserve = free_bytes(), conf.DAILYCAST_MIN_FREE_MB
    if free is not None and free - needed < reserve * 1e6:
        missing = f"the disk has {free / 1e6:.1f} MB free, and this episode may need {needed / 1e6:.1f} MB"
        raise StorageError(f"{missing} beside the reserve of {reserve:g} MB (DAILYCAST_MIN_FREE_MB).")


def exists(name: str) -> bool:
    return _call(default_storage.exists, name)


def has_size(name: str, size: int) -> bool:
    """Whether the file has that many bytes; True where the storage cannot tell."""
    try:
        return _call(default_storage.size, name) == size
    except FileNotFoundError:  # it was deleted meanwhile
        return False
    except NotImplementedError:
        return True


def hash_of(name: str) -> str:
    """The SHA-256 of the file, in hexadecimal digits. Raises FileNotFoundError."""
    found = sha256()
    with open_file(name) as file:
        for block in _call(file.chunks):
            found.update(block)
    return found.hexdigest()


def open_file(name: str) -> "File[bytes]":
    """The file, open to be read. Raises FileNotFoundError."""
    return _call(default_storage.open, name)


def read(name: str) -> bytes:
    """All bytes of the file. Raises FileNotFoundError."""
    with open_file(name) as file:
        data: bytes = _call(file.read)
    return data


def delete(name: str) -> None:
    """Delete the file; a missing one is no error."""
    _call(default_storage.delete, name)


def delete_if_possible(name: str) -> None:
    """Delete `name`; a failure is only logged."""
    try:
        delete(name)
    except OSError as error:
        logger.warning("Dailycast: %s could not be deleted: %s", name, error)


def is_in_podcasts_folder(name: str) -> bool:
    """Whether `name` is in FOLDER after symbolic links are resolved; always where there are none, as on S3."""
    path, folder = local_path(name), local_path(FOLDER)
    return path is None or folder is None or path.resolve().is_relative_to(folder.resolve())


def list_names(folder: str) -> list[str]:
    """The names of the files in `folder`; none where there is no such folder."""
    try:
        return [folder + file for file in _call(default_storage.listdir, folder)[1]]
    except FileNotFoundError:
        return []


def modified_at(name: str) -> datetime:
    """When `name` was last written; now, if it has been deleted meanwhile."""
    try:
        return _call(default_storage.get_modified_time, name)
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


def _call(operation: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """`operation(...)` of the storage; what a storage raises beside OSError becomes a StorageError."""
    calling = CapturedError()
    with calling:
        return operation(*args, **kwargs)
    error: Any = calling.error
    if isinstance(error, OSError | NotImplementedError) or not isinstance(error, Exception):
        raise error
    raise StorageError(f"The storage of the files failed ({type(error).__name__}): {error}") from error


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
