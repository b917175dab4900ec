"""Private audio: who may see an episode may hear it, and seek in it. To everyone else the file does not exist."""

import re
from collections.abc import AsyncIterator, Iterator
from hashlib import sha256
from urllib.parse import quote, urlsplit

from asgiref.sync import sync_to_async
from django.contrib.auth.decorators import login_not_required
from django.core.files import File
from django.core.files.storage import default_storage
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
from ..models import DailyPodcast, Status
from . import signed_urls

BLOCK = 64 * 1024  # bytes read at a time
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\\]")
RANGE = re.compile(r"bytes=([0-9]{0,100})-([0-9]{0,100})", re.IGNORECASE)
HEADERS = {
    "Content-Type": "audio/mpeg",
    "Accept-Ranges": "bytes",
    "Cache-Control": "private, no-cache",
    "Vary": "Cookie",
    "X-Content-Type-Options": "nosniff",
}


def is_clean(path: str) -> bool:
    """Whether `path` means one file and no other: no empty, `.` or `..` segment (a trailing slash aside), no backslash.

    A path that is not clean can reach podcasts/ by a view that normalises it only after the URL was matched.
    """
    segments = path.removesuffix("/").split("/")
    return not CONTROL.search(path) and not {"", ".", ".."}.intersection(segments)


def is_ours(path: str) -> bool:
    """Whether a clean `path` lies in podcasts/ on any file system: some ignore case, or dots and spaces at an end."""
    return path.split("/")[0].rstrip(". ").casefold() == FOLDER.removesuffix("/")


@csrf_exempt  # only GET and HEAD are answered, so another method may have its 405
@login_not_required  # a stranger gets the 404 of a file that is not there, never a login page
@require_safe
def media(request: HttpRequest, path: str) -> HttpResponseBase:
    """The audio at `path`, if it belongs to an episode that `request.user` may see; else 404."""
    return audio(request, _audible(request, path))


@csrf_exempt
@login_not_required  # the token says who may hear it, for front ends that cannot send the session's cookie
@require_safe
def signed(request: HttpRequest, token: str, name: str) -> HttpResponseBase:
    """The audio that `signed_urls.audio_token` was made for, within its hour; else 404."""
    conceal(request, token)
    podcast = signed_urls.podcast_for_token(token)
    if podcast is None:
        raise Http404
    return audio(request, podcast)


def conceal(request: HttpRequest, token: str) -> None:
    """From here on what is told of the request, in a log or in the mail about an error, has no token in it."""
    request.path, request.path_info = (path.replace(token, "***") for path in (request.path, request.path_info))
    for name in ("PATH_INFO", "REQUEST_URI", "RAW_URI"):  # of WSGI, uWSGI, gunicorn
        if name in request.META:
            request.META[name] = request.META[name].replace(token, "***")


def audio(request: HttpRequest, podcast: DailyPodcast) -> HttpResponseBase:
    """The audio of an episode that whoever asks may hear. With `?download` a browser saves it under its title.

    Answers one byte range (RFC 9110, section 14), which Django's own file responses do not, and without which no
    browser can seek. nginx sends it where DAILYCAST_ACCEL_PREFIX is set; a storage on another host gets a redirect to
    a fresh URL of its own. A file that is gone is 404, and the row says so from then on.
    """
    name = str(podcast.audio_file.name)
    there = storage.is_inside(name) and default_storage.exists(name)
    podcast.mark_missing(not there)
    if not there:
        raise Http404
    disposition = content_disposition_header(True, podcast.file_title) if "download" in request.GET else None
    if storage.local_path(name) is None:
        address = storage.url(name, disposition)
        if urlsplit(address).netloc not in ("", request.get_host()):
            return HttpResponseRedirect(address, headers={"Cache-Control": "private, no-store"})
    # An MP3 is packed already, and a part of its gzip is no part of it: GZipMiddleware and its like look here.
    request.META["HTTP_ACCEPT_ENCODING"] = "identity"
    if conf.DAILYCAST_ACCEL_PREFIX and storage.local_path(name):
        response: HttpResponseBase = _accelerated(name)
    else:
        response = _answer(request, podcast, _opened(name))
    if disposition:
        response["Content-Disposition"] = disposition
    return response


def _opened(name: str) -> "File[bytes]":
    try:
        return default_storage.open(name)
    except FileNotFoundError:  # pruned at this very moment
        raise Http404 from None


def _accelerated(name: str) -> HttpResponse:
    """Let nginx send the file from its `internal` location; it answers ranges and conditions itself."""
    headers = {header: value for header, value in HEADERS.items() if header != "Accept-Ranges"}
    inner = conf.DAILYCAST_ACCEL_PREFIX.rstrip("/") + "/" + quote(name)
    return HttpResponse(headers=headers | {"X-Accel-Redirect": inner})


def _audible(request: HttpRequest, path: str) -> DailyPodcast:
    if not is_clean(path) or not path.startswith(FOLDER) or path.startswith(clips.FOLDER):
        raise Http404
    rows = DailyPodcast.objects.visible_to(request.user).filter(audio_file=path, status=Status.COMPLETED)
    podcast = rows.only("audio_file", "completed_at", "updated_at", "title", "error_code").first()
    if podcast is None or podcast.audio_file.name != path:  # MariaDB compares without regard to case
        raise Http404
    return podcast


def _answer(request: HttpRequest, podcast: DailyPodcast, file: "File[bytes]") -> HttpResponseBase:
    changed = podcast.made_at
    modified, mark = int(changed.timestamp()), f"{podcast.audio_file.name} {file.size} {changed.isoformat()}"
    etag = f'"{sha256(mark.encode()).hexdigest()}"'
    headers = HEADERS | {"ETag": etag, "Last-Modified": http_date(modified)}
    fresh = request.headers.get("If-Range", etag) in (etag, headers["Last-Modified"])
    response: HttpResponseBase | None = get_conditional_response(request, etag, modified)  # 304 or 412
    response = response or _content(request, file, fresh)
    for name, value in headers.items():
        response[name] = value
    if not response.streaming:
        file.close()
    return response


def _content(request: HttpRequest, file: "File[bytes]", fresh: bool) -> HttpResponseBase:
    """The whole file, or the part of it asked for; what a client holds of it must be `fresh` to be added to."""
    asked = request.headers.get("Range", "") if fresh and request.method == "GET" else ""  # RFC 9110, 14.2: only of GET
    part = _part(asked, file.size)
    if part is None:
        part, status, headers = range(file.size), 200, {}
    elif part:
        status, headers = 206, {"Content-Range": f"bytes {part.start}-{part.stop - 1}/{file.size}"}
    else:
        return HttpResponse(status=416, headers={"Content-Range": f"bytes */{file.size}"})
    headers["Content-Length"] = str(len(part))
    if request.method == "HEAD":
        return HttpResponse(status=status, headers=headers)
    body = AsyncBody if isinstance(request, ASGIRequest) else Body
    return StreamingHttpResponse(body(file, part), status=status, headers=headers)


def _part(header: str, size: int) -> range | None:
    """The bytes that a Range header asks for, perhaps none; None if it is to be ignored: empty, several, malformed."""
    match = RANGE.fullmatch(header.strip())
    first, last = match.groups() if match else ("", "")
    if not first:
        return range(max(size - int(last), 0), size) if last else None
    if last and int(last) < int(first):
        return None
    return range(int(first), min(int(last or size) + 1, size))


class Reader:
    """The bytes `part` of an open file, a block at a time; a response that has one as its body closes the file."""

    def __init__(self, file: "File[bytes]", part: range) -> None:
        file.seek(part.start)
        self.file, self.left = file, len(part)

    def block(self) -> bytes:
        data: bytes = self.file.read(min(BLOCK, self.left))
        self.left -= len(data)
        return data

    def close(self) -> None:
        self.file.close()


class Body(Reader):
    def __iter__(self) -> Iterator[bytes]:
        return iter(self.block, b"")


class AsyncBody(Reader):
    async def __aiter__(self) -> AsyncIterator[bytes]:
        while data := await sync_to_async(self.block)():
            yield data
