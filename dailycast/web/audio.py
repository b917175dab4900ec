"""Private audio: people who may see an episode may hear it and seek in it. For all others the file does not exist."""

import logging
import re
from collections.abc import AsyncIterator, Iterator
from hashlib import sha256
from urllib.parse import quote, urlsplit

from asgiref.sync import sync_to_async
from django.contrib.auth.decorators import login_not_required
from django.core.files import File
from django.core.handlers.asgi import ASGIRequest
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils.cache import get_conditional_response
from django.utils.http import content_disposition_header, http_date
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe

from ..audio import clips, storage
from ..audio.storage import FOLDER
from ..conf import conf
from ..errors import StorageError
from ..models import FILE_FIELDS, DailyPodcast, Status
from . import signed_urls
from .redaction import redact_token

logger = logging.getLogger("dailycast")
RETRY_AFTER = 60  # seconds
BLOCK_BYTES = 64 * 1024  # read at a time
FORBIDDEN_CHARACTERS = re.compile(r"[\x00-\x1f\x7f-\x9f\\]")
BYTE_RANGE = re.compile(r"bytes=([0-9]{0,100})-([0-9]{0,100})", re.IGNORECASE)
HEADERS = {
    "Content-Type": "audio/mpeg",
    "Accept-Ranges": "bytes",
    "Cache-Control": "private, no-cache",
    "Vary": "Cookie",
    "X-Content-Type-Options": "nosniff",
}


def is_clean(path: str) -> bool:
    """Whether `path` has no empty, `.` or `..` segment (apart from a trailing slash), backslash or control character.

    Any other path can reach podcasts/ through a view that normalises it only after the URL was matched.
    """
    segments = path.removesuffix("/").split("/")
    return not FORBIDDEN_CHARACTERS.search(path) and not {"", ".", ".."}.intersection(segments)


def is_in_podcasts(path: str) -> bool:
    """Whether a clean `path` is in podcasts/ on any file system: some ignore case, or dots and spaces at the end."""
    return path.split("/")[0].rstrip(". ").casefold() == FOLDER.removesuffix("/")


@csrf_exempt  # only GET and HEAD are answered, so other methods may get their 405
@login_not_required  # somebody who is signed out gets the 404 of a missing file, not a login page
@require_safe
def media(request: HttpRequest, path: str) -> HttpResponseBase:
    """The audio at `path`, if it belongs to an episode that `request.user` may see; else 404."""
    return audio_response(request, _podcast_or_404(request, path))


@csrf_exempt
@login_not_required  # the token is the permission, for front ends that cannot send the session's cookie
@require_safe
def signed(request: HttpRequest, token: str, name: str) -> HttpResponseBase:
    """The audio of the episode that `signed_urls.audio_token` was made for, within an hour; else 404."""
    redact_token(request, token)
    podcast = signed_urls.podcast_for_token(token)
    if podcast is None:
        raise Http404
    return audio_response(request, podcast)


def audio_response(request: HttpRequest, podcast: DailyPodcast) -> HttpResponseBase:
    """The audio of an episode; the caller has checked the permission. With `?download` a browser saves it as a file.

    Answers one byte range (RFC 9110, section 14): browsers need it to seek, and Django's file responses do not
    support it. nginx sends the file where DAILYCAST_ACCEL_PREFIX is set. For a storage on another host it redirects to
    a new URL of that storage. A file that is missing, or has another size than the one that was made, is 404, and the
    row is marked as missing. A storage that does not answer is 503.
    """
    try:
        return _audio_response(request, podcast)
    except StorageError as error:
        logger.error("Dailycast: episode %s: %s", podcast.pk, error)
        return HttpResponse(status=503, headers={"Retry-After": str(RETRY_AFTER), "Cache-Control": "no-store"})


def _audio_response(request: HttpRequest, podcast: DailyPodcast) -> HttpResponseBase:
    name = str(podcast.audio_file.name)
    if not podcast.check_file():
        raise Http404
    disposition = content_disposition_header(True, podcast.file_title) if "download" in request.GET else None
    if storage.local_path(name) is None:
        url = storage.url(name, disposition)
        if urlsplit(url).netloc not in ("", request.get_host()):
            return HttpResponseRedirect(url, headers={"Cache-Control": "private, no-store"})
    # GZipMiddleware and the like read this header: MP3 is compressed already, and a compressed range is useless.
    request.META["HTTP_ACCEPT_ENCODING"] = "identity"
    if conf.DAILYCAST_ACCEL_PREFIX and storage.local_path(name):
        response: HttpResponseBase = _accel_response(name)
    else:
        response = _file_response(request, podcast, _open_or_404(name))
    if disposition:
        response["Content-Disposition"] = disposition
    return response


def _open_or_404(name: str) -> "File[bytes]":
    try:
        return storage.open_file(name)
    except FileNotFoundError:  # it was pruned after the check
        raise Http404 from None


def _accel_response(name: str) -> HttpResponse:
    """Let nginx send the file from its `internal` location; nginx answers ranges and conditions itself."""
    headers = {header: value for header, value in HEADERS.items() if header != "Accept-Ranges"}
    internal_path = conf.DAILYCAST_ACCEL_PREFIX.rstrip("/") + "/" + quote(name)
    return HttpResponse(headers=headers | {"X-Accel-Redirect": internal_path})


def _podcast_or_404(request: HttpRequest, path: str) -> DailyPodcast:
    if not is_clean(path) or not path.startswith(FOLDER) or path.startswith(clips.FOLDER):
        raise Http404
    rows = DailyPodcast.objects.visible_to(request.user).filter(audio_file=path, status=Status.COMPLETED)
    podcast = rows.only(*FILE_FIELDS, "completed_at", "updated_at", "title").first()
    if podcast is None or podcast.audio_file.name != path:  # MariaDB compares without regard to case
        raise Http404
    return podcast


def _file_response(request: HttpRequest, podcast: DailyPodcast, file: "File[bytes]") -> HttpResponseBase:
    changed_at = podcast.made_at
    version = f"{podcast.audio_file.name} {file.size} {changed_at.isoformat()}"
    modified, etag = int(changed_at.timestamp()), f'"{sha256(version.encode()).hexdigest()}"'
    headers = HEADERS | {"ETag": etag, "Last-Modified": http_date(modified)}
    is_same_file = request.headers.get("If-Range", etag) in (etag, headers["Last-Modified"])
    response: HttpResponseBase | None = get_conditional_response(request, etag, modified)  # 304 or 412
    response = response or _body_response(request, file, is_same_file)
    for name, value in headers.items():
        response[name] = value
    if not response.streaming:
        file.close()
    return response


def _body_response(request: HttpRequest, file: "File[bytes]", is_same_file: bool) -> HttpResponseBase:
    """The whole file, or the range that was requested, unless the client holds a range of another file (If-Range)."""
    takes_range = is_same_file and request.method == "GET"  # RFC 9110, 14.2: only GET has ranges
    byte_range = _requested_range(request.headers.get("Range", "") if takes_range else "", file.size)
    if byte_range is None:
        byte_range, status, headers = range(file.size), 200, {}
    elif byte_range:
        status, headers = 206, {"Content-Range": f"bytes {byte_range.start}-{byte_range.stop - 1}/{file.size}"}
    else:
        return HttpResponse(status=416, headers={"Content-Range": f"bytes */{file.size}"})
    headers["Content-Length"] = str(len(byte_range))
    if request.method == "HEAD":
        return HttpResponse(status=status, headers=headers)
    body = AsyncRangeReader if isinstance(request, ASGIRequest) else SyncRangeReader
    return StreamingHttpResponse(body(file, byte_range), status=status, headers=headers)


def _requested_range(header: str, size: int) -> range | None:
    """The bytes that a Range header asks for; empty if the file has none of them.

    None for a header to ignore: an empty or malformed one, or several ranges.
    """
    match = BYTE_RANGE.fullmatch(header.strip())
    first, last = match.groups() if match else ("", "")
    if not first:
        return range(max(size - int(last), 0), size) if last else None
    if last and int(last) < int(first):
        return None
    return range(int(first), min(int(last or size) + 1, size))


class RangeReader:
    """Reads a range of an open file in blocks. Django closes the file through the response that has it as body."""

    def __init__(self, file: "File[bytes]", byte_range: range) -> None:
        file.seek(byte_range.start)
        self.file, self.remaining = file, len(byte_range)

    def read_block(self) -> bytes:
        data: bytes = self.file.read(min(BLOCK_BYTES, self.remaining))
        self.remaining -= len(data)
        return data

    def close(self) -> None:
        self.file.close()


class SyncRangeReader(RangeReader):
    def __iter__(self) -> Iterator[bytes]:
        return iter(self.read_block, b"")


class AsyncRangeReader(RangeReader):
    async def __aiter__(self) -> AsyncIterator[bytes]:
        while data := await sync_to_async(self.read_block)():
            yield data
