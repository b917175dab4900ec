from collections.abc import Callable
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from asgiref.sync import async_to_sync
from django.conf import settings as django_settings
from django.contrib.auth.models import User
from django.core.files import File
from django.core.files.storage import FileSystemStorage, storages
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.test import AsyncClient, Client
from django.urls import include, path, re_path
from django.views.static import serve

import dailycast.urls
from dailycast.audio import storage
from dailycast.models import DailyPodcast, Reason, Status
from tests.web.clients import MAY_HEAR, MAY_NOT, Browser, RemoteStorage, browser_of

AUDIO = bytes(range(256)) * 40  # 10,240 bytes, no two neighbours alike
NAME = "podcasts/podcast_1_1701920000.mp3"
CLIP = "podcasts/clips/0a1b.mp3"
MISSING = "podcasts/podcast_1_1701920001.mp3"
URL = f"/media/{NAME}"
LAST_MODIFIED = "Thu, 07 Dec 2023 03:33:20 GMT"


def host_file(request: HttpRequest, path: str) -> HttpResponseBase:
    return serve(request, path, document_root=str(django_settings.MEDIA_ROOT))


def host_page(request: HttpRequest) -> HttpResponse:
    return HttpResponse("the host's own page")


urlpatterns = [
    *dailycast.urls.media,
    path("dailycast/", include("dailycast.urls")),
    path("media/gallery/", host_page),
    re_path(r"^media/(?P<path>[\s\S]*)$", host_file),  # as `static()` does, and even newlines
]


@pytest.fixture(autouse=True)
def host(settings: Any, media: Path) -> None:
    """An LMS that serves the rest of MEDIA_URL to everyone, after our patterns. Its storage has four files."""
    settings.ROOT_URLCONF = "tests.web.test_audio"
    for name in (NAME, CLIP, "podcasts/unknown.mp3", "courses/a.pdf"):
        storage.write_atomic(name, AUDIO)


@pytest.fixture
def episode(alex: User) -> DailyPodcast:
    for name in (CLIP, MISSING):
        DailyPodcast.objects.create(user=alex, audio_file=name, status=Status.COMPLETED)
    completed_at = datetime(2023, 12, 7, 3, 33, 20, 500_000, tzinfo=UTC)
    return DailyPodcast.objects.create(
        user=alex, audio_file=NAME, status=Status.COMPLETED, audio_bytes=len(AUDIO), completed_at=completed_at
    )


@pytest.fixture
def owner(episode: DailyPodcast) -> Browser:
    return browser_of("owner", episode.user)


OTHER_SPELLINGS = [
    f"//{NAME}",
    f"/./{NAME}",
    f"/../media/{NAME}",
    f"/x/../{NAME}",
    f"/x/../../media/{NAME}",
    "/podcasts//podcast_1_1701920000.mp3",
    "/podcasts/./podcast_1_1701920000.mp3",
    "/podcasts/x/../podcast_1_1701920000.mp3",
    "/PODCASTS/podcast_1_1701920000.mp3",
    "/Podcasts/podcast_1_1701920000.mp3",
    "/podcasts/PODCAST_1_1701920000.MP3",
    "/podcasts%2Fpodcast_1_1701920000.mp3/",
    f"/%2F{NAME}",
    f"/%2e/{NAME}",
    f"/x/%2e%2e/{NAME}",
    f"/x/%252e%252e/{NAME}",
    "/%2570odcasts/podcast_1_1701920000.mp3",
    "/podcasts%252Fpodcast_1_1701920000.mp3",
    "/x%5C..%5Cpodcasts%5Cpodcast_1_1701920000.mp3",
    "/podcasts%5Cpodcast_1_1701920000.mp3",
    "/podcasts./podcast_1_1701920000.mp3",
    f"/{NAME}/",
    f"/{NAME}%00",
    f"/{NAME}%0A",
    f"/{NAME}%20",
    f"/x%0A/../{NAME}",
    f"/{CLIP}",
    f"/{MISSING}",
    "/podcasts/unknown.mp3",
    "/podcasts/",
    "/podcasts",
    "/",
]
REQUESTS: dict[str, Callable[[Browser, str], Any]] = {
    "GET": lambda client, url: client.get(url),
    "HEAD": lambda client, url: client.head(url),
    "Range": lambda client, url: client.get(url, headers={"Range": "bytes=0-1"}),
}


@pytest.mark.parametrize("kind", REQUESTS)
@pytest.mark.parametrize("who", MAY_HEAR)
def test_who_may_hear_an_episode(episode: DailyPodcast, alex: User, who: str, kind: str) -> None:
    response = REQUESTS[kind](browser_of(who, alex), URL)
    expected = {"GET": (200, AUDIO), "HEAD": (200, b""), "Range": (206, AUDIO[:2])}
    assert (response.status_code, response.body) == expected[kind]


@pytest.mark.parametrize("kind", REQUESTS)
@pytest.mark.parametrize("who", MAY_NOT)
def test_for_everyone_else_it_does_not_exist(episode: DailyPodcast, alex: User, who: str, kind: str) -> None:
    client = browser_of(who, alex)
    hidden, unknown = REQUESTS[kind](client, URL), REQUESTS[kind](client, "/media/podcasts/none.mp3")
    assert (hidden.status_code, unknown.status_code) == (404, 404)
    assert hidden.content.replace(NAME.encode(), b"podcasts/none.mp3") == unknown.content


@pytest.mark.parametrize("kind", REQUESTS)
@pytest.mark.parametrize("who", MAY_HEAR + MAY_NOT)
def test_no_other_spelling_gives_the_audio(episode: DailyPodcast, alex: User, who: str, kind: str) -> None:
    browser = browser_of(who, alex)
    statuses = {address: REQUESTS[kind](browser, f"/media{address}").status_code for address in OTHER_SPELLINGS}
    assert statuses == dict.fromkeys(OTHER_SPELLINGS, 404)


@pytest.mark.parametrize(
    "address", [f"//{NAME}", f"/./{NAME}", f"/x/../{NAME}", f"/../media/{NAME}", "/podcasts//unknown.mp3"]
)
def test_without_our_patterns_other_spellings_give_the_audio(settings: Any, address: str) -> None:
    """So the test above can fail."""
    settings.ROOT_URLCONF = tuple(urlpatterns[1:])
    assert Browser().get(f"/media{address}").body == AUDIO


@pytest.mark.parametrize(
    ("address", "text"),
    [("courses/a.pdf", AUDIO), ("gallery/", b"the host's own page"), ("podcasts-archive/b.txt", b"b")],
)
def test_the_hosts_own_addresses_still_work(address: str, text: bytes) -> None:
    storage.write_atomic("podcasts-archive/b.txt", b"b")
    assert Browser().get(f"/media/{address}").body == text


def test_audio_that_is_not_finished_has_no_address(owner: Browser, episode: DailyPodcast) -> None:
    DailyPodcast.objects.filter(pk=episode.pk).update(status=Status.RUNNING)
    assert owner.get(URL).status_code == 404


def test_a_name_that_differs_in_case_is_refused(owner: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    """MariaDB finds `podcasts/A.mp3` when asked for `podcasts/a.mp3`; `iexact` imitates it."""
    queryset = type(DailyPodcast.objects.all())
    original = queryset.filter

    def ignore_case(self: Any, **kwargs: Any) -> Any:
        lookups = {name.replace("audio_file", "audio_file__iexact"): value for name, value in kwargs.items()}
        return original(self, **lookups)

    monkeypatch.setattr(queryset, "filter", ignore_case)
    assert owner.get(URL).status_code == 200
    storage.write_atomic(NAME.upper().replace("PODCASTS/", "podcasts/"), AUDIO)
    assert owner.get(URL.upper().replace("/MEDIA/PODCASTS/", "/media/podcasts/")).status_code == 404


@pytest.mark.parametrize("name", ["podcasts/./clips/0a1b.mp3", "podcasts//unknown.mp3", "PODCASTS/x.mp3", CLIP])
def test_a_row_with_another_name_gives_no_file(owner: Browser, episode: DailyPodcast, name: str) -> None:
    storage.write_atomic("PODCASTS/x.mp3", AUDIO)
    DailyPodcast.objects.filter(pk=episode.pk).update(audio_file=name)
    assert owner.get(f"/media/{name}").status_code == 404


def test_somebody_signed_out_is_not_sent_to_a_login_page(settings: Any, episode: DailyPodcast) -> None:
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "django.contrib.auth.middleware.LoginRequiredMiddleware"]
    assert Browser().get(URL).status_code == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_only_get_and_head_are_answered(owner: Browser, method: str) -> None:
    strict = Browser(enforce_csrf_checks=True)
    strict.cookies = owner.cookies
    response = strict.generic(method, URL)
    assert (response.status_code, response["Allow"]) == (405, "GET, HEAD")


def test_the_headers_of_the_audio(owner: Browser) -> None:
    response = owner.get(URL)
    ignored = ("ETag", "X-Frame-Options", "Content-Language")
    headers = {name: response[name] for name in response.headers if name not in ignored}
    assert headers == {
        "Content-Type": "audio/mpeg",
        "Content-Length": "10240",
        "Accept-Ranges": "bytes",
        "Last-Modified": LAST_MODIFIED,
        "Cache-Control": "private, no-cache",
        "Vary": "Cookie, Accept-Language",
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "same-origin",
        "Cross-Origin-Opener-Policy": "same-origin",
    }


@pytest.mark.parametrize("byte_range", ["", "bytes=0-1", "bytes=99999-"])
def test_head_has_the_same_headers_and_ignores_ranges(owner: Browser, byte_range: str) -> None:
    get, head = owner.get(URL), owner.head(URL, headers={"Range": byte_range})
    assert (head.status_code, dict(head.headers), head.body) == (get.status_code, dict(get.headers), b"")
    assert not head.streaming  # a server would send a streamed body; the test client only drops it


@pytest.mark.parametrize(
    ("byte_range", "first", "last"),
    [
        ("bytes=0-1", 0, 1),
        ("bytes=5-", 5, 10239),
        ("bytes=-500", 9740, 10239),
        ("bytes=-99999", 0, 10239),
        ("bytes=10000-99999", 10000, 10239),
        ("bytes=0-99999999999999999999", 0, 10239),
        ("bytes=0-0", 0, 0),
        ("bytes=10239-", 10239, 10239),
        ("bytes=0-10239", 0, 10239),
        (" Bytes=7-9 ", 7, 9),
    ],
)
def test_a_range_gives_those_bytes(owner: Browser, byte_range: str, first: int, last: int) -> None:
    response = owner.get(URL, headers={"Range": byte_range})
    assert (response.status_code, response.body) == (206, AUDIO[first : last + 1])
    assert response["Content-Range"] == f"bytes {first}-{last}/10240"
    assert response["Content-Length"] == str(last + 1 - first)


@pytest.mark.parametrize("byte_range", ["bytes=10240-", "bytes=10240-10300", "bytes=-0", "bytes=99999999999999999999-"])
def test_a_range_past_the_end_is_refused(owner: Browser, byte_range: str) -> None:
    response = owner.get(URL, headers={"Range": byte_range})
    assert (response.status_code, response["Content-Range"], response.body) == (416, "bytes */10240", b"")


@pytest.mark.parametrize(
    "byte_range",
    ["bytes=5-2", "bytes=-", "bytes=a-b", "bytes=1", "bytes=--1", "bytes=٣-٤", "lines=0-1", "0-1", "bytes=0-1,5-6"],
)
def test_a_malformed_range_or_several_ranges_give_the_whole_file(owner: Browser, byte_range: str) -> None:
    response = owner.get(URL, headers={"Range": byte_range})
    assert (response.status_code, response.body, "Content-Range" in response) == (200, AUDIO, False)


def test_an_empty_file_has_no_range(owner: Browser) -> None:
    """Of a host's own row, which has no size."""
    DailyPodcast.objects.update(audio_bytes=None)
    storage.write_atomic(NAME, b"")
    assert (owner.get(URL).status_code, owner.get(URL)["Content-Length"]) == (200, "0")
    assert owner.get(URL, headers={"Range": "bytes=0-"})["Content-Range"] == "bytes */0"


def test_a_browser_that_has_the_file_gets_304(owner: Browser) -> None:
    etag = owner.get(URL)["ETag"]
    for condition in (
        {"If-None-Match": etag},
        {"If-None-Match": f'"x", W/{etag}'},
        {"If-Modified-Since": LAST_MODIFIED},
    ):
        response = owner.get(URL, headers={"Range": "bytes=0-1", **condition})
        assert (response.status_code, response.body, response["ETag"]) == (304, b"", etag)
        assert response["Cache-Control"] == "private, no-cache"
    assert owner.get(URL, headers={"If-None-Match": '"x"'}).status_code == 200
    assert owner.get(URL, headers={"If-Match": '"x"'}).status_code == 412


def test_the_etag_is_strong_and_changes_with_the_audio(owner: Browser, episode: DailyPodcast) -> None:
    first = owner.get(URL)["ETag"]
    assert (first[0], first[-1], owner.get(URL)["ETag"]) == ('"', '"', first)
    DailyPodcast.objects.update(audio_bytes=len(AUDIO) - 1)
    storage.write_atomic(NAME, AUDIO[:-1])
    second = owner.get(URL)["ETag"]
    DailyPodcast.objects.filter(pk=episode.pk).update(
        completed_at=datetime(2023, 12, 7, 3, 33, 20, 600_000, tzinfo=UTC)
    )
    assert len({first, second, owner.get(URL)["ETag"]}) == 3


@pytest.mark.parametrize(
    ("condition", "status"),
    [("ETag", 206), (LAST_MODIFIED, 206), ('"another"', 200), ("Thu, 07 Dec 2023 03:33:21 GMT", 200), ("bytes", 200)],
)
def test_a_range_is_sent_only_of_the_same_file(owner: Browser, condition: str, status: int) -> None:
    condition = owner.get(URL)["ETag"] if condition == "ETag" else condition
    response = owner.get(URL, headers={"Range": "bytes=0-1", "If-Range": condition})
    assert response.status_code == status


def test_the_hosts_middleware_does_not_break_ranges(settings: Any, owner: Browser) -> None:
    names = ["gzip.GZipMiddleware", "http.ConditionalGetMiddleware"]
    settings.MIDDLEWARE = [f"django.middleware.{name}" for name in names] + settings.MIDDLEWARE
    accept_encoding = {"Accept-Encoding": "gzip, deflate, br"}
    full = owner.get(URL, headers=accept_encoding)
    part = owner.get(URL, headers=accept_encoding | {"Range": "bytes=0-999", "If-Range": full["ETag"]})
    assert (full.body, full["Content-Length"], "Content-Encoding" in full) == (AUDIO, "10240", False)
    assert (part.status_code, part.body, "Content-Encoding" in part) == (206, AUDIO[:1000], False)
    assert (part["Content-Range"], part["Content-Length"]) == ("bytes 0-999/10240", "1000")
    assert owner.get(URL, headers=accept_encoding | {"If-None-Match": full["ETag"]}).status_code == 304


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> "list[File[Any]]":
    """Every file that the storage has opened."""
    files: list[File[Any]] = []
    original = FileSystemStorage.open

    def record_open(self: FileSystemStorage, *args: Any, **kwargs: Any) -> "File[Any]":
        files.append(original(self, *args, **kwargs))
        return files[-1]

    monkeypatch.setattr(FileSystemStorage, "open", record_open)
    return files


@pytest.mark.parametrize(
    "headers", [{}, {"Range": "bytes=0-1"}, {"Range": "bytes=99999-"}, {"If-Modified-Since": LAST_MODIFIED}]
)
def test_the_file_is_closed_when_the_response_ends(
    owner: Browser, client: Client, opened: "list[File[Any]]", headers: dict[str, str]
) -> None:
    owner.head(URL, headers=headers)
    owner.get(URL, headers=headers)
    client.cookies = owner.cookies
    client.get(URL, headers=headers).close()  # a browser that disconnects
    assert [file.closed for file in opened] == [True, True, True]


def test_a_long_file_is_sent_in_blocks(owner: Browser, client: Client) -> None:
    DailyPodcast.objects.update(audio_bytes=150_000)
    storage.write_atomic(NAME, b"x" * 150_000)
    client.cookies = owner.cookies
    response: Any = client.get(URL, headers={"Range": "bytes=10000-"})
    assert [len(block) for block in response.streaming_content] == [65536, 65536, 8928]


def test_an_asgi_server_streams_the_file_asynchronously(episode: DailyPodcast, opened: "list[File[Any]]") -> None:
    DailyPodcast.objects.update(audio_bytes=10 * len(AUDIO))
    storage.write_atomic(NAME, AUDIO * 10)
    client = AsyncClient()
    client.force_login(episode.user)

    async def listen() -> tuple[int, list[int]]:
        response: Any = await client.get(URL, headers={"Range": "bytes=2400-"})
        blocks = [len(block) async for block in response.streaming_content]
        return response.status_code, blocks

    assert async_to_sync(listen)() == (206, [65536, 34464])
    assert [file.closed for file in opened] == [True]


@pytest.mark.parametrize("damaged", [AUDIO[:-1], b"", AUDIO + b"x"], ids=["truncated", "emptied", "swapped"])
def test_a_file_of_another_size_is_missing(owner: Browser, episode: DailyPodcast, damaged: bytes) -> None:
    storage.write_atomic(NAME, damaged)
    assert owner.get(URL).status_code == 404
    episode.refresh_from_db()
    assert (episode.error_code, episode.has_audio) == (Reason.MISSING, False)
    storage.write_atomic(NAME, AUDIO)
    assert owner.get(URL).status_code == 200
    episode.refresh_from_db()
    assert episode.has_audio


def test_a_swapped_file_that_a_check_has_found_stays_missing(owner: Browser, episode: DailyPodcast) -> None:
    DailyPodcast.objects.update(audio_sha256=sha256(AUDIO).hexdigest(), error_code=Reason.MISSING)
    storage.write_atomic(NAME, AUDIO[::-1])
    assert owner.get(URL).status_code == 404
    storage.write_atomic(NAME, AUDIO)
    assert owner.get(URL).status_code == 200


def test_a_storage_that_does_not_answer_is_503(
    owner: Browser, episode: DailyPodcast, monkeypatch: pytest.MonkeyPatch, logged: pytest.LogCaptureFixture
) -> None:
    def fail(*args: object) -> None:
        raise SdkError("no route")

    monkeypatch.setattr(FileSystemStorage, "exists", fail)
    response = owner.get(URL)
    assert (response.status_code, response["Retry-After"]) == (503, "60")
    episode.refresh_from_db()
    assert episode.has_audio
    assert any(f"episode {episode.pk}: The storage of the files failed" in line for line in logged.messages)


class SdkError(Exception):
    """As botocore has its own errors, which are no OSError."""


@pytest.fixture
def bucket(settings: Any) -> None:
    settings.STORAGES = {**settings.STORAGES, "default": {"BACKEND": "tests.web.clients.RemoteStorage"}}
    assert isinstance(storages["default"], RemoteStorage)


def test_a_storage_on_another_host_gets_a_redirect(owner: Browser, bucket: None) -> None:
    response = owner.get(URL)
    assert (response.status_code, response["Location"]) == (302, f"https://bucket.example.com/{NAME}?signed")
    assert response["Cache-Control"] == "private, no-store"


def test_a_file_that_is_missing_on_another_host_is_marked_on_the_row(
    owner: Browser, episode: DailyPodcast, bucket: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(RemoteStorage, "exists", lambda self, name: False)
    assert owner.get(URL).status_code == 404
    episode.refresh_from_db()
    assert episode.error_code == Reason.MISSING


def test_a_download_from_another_host_has_a_file_name(
    owner: Browser, bucket: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def url(self: object, name: str, parameters: dict[str, str] | None = None) -> str:
        return f"https://bucket.example.com/{name}?{urlencode(parameters or {})}"

    monkeypatch.setattr(RemoteStorage, "url", url)
    assert "ResponseContentDisposition=attachment%3B" in owner.get(f"{URL}?download=1")["Location"]
    assert owner.get(URL)["Location"].endswith("?")


def test_local_files_are_served_here_though_media_url_names_another_host(settings: Any, owner: Browser) -> None:
    settings.MEDIA_URL = "https://www.example.com/media/"
    assert owner.get(URL).body == AUDIO


@pytest.mark.parametrize("who", MAY_NOT)
def test_nobody_else_is_redirected(episode: DailyPodcast, alex: User, bucket: None, who: str) -> None:
    assert browser_of(who, alex).get(URL).status_code == 404


def test_local_files_are_served_here_where_media_url_names_this_host(settings: Any, owner: Browser) -> None:
    settings.MEDIA_URL = "http://testserver/media/"
    assert owner.get(URL).body == AUDIO


# Downloads, missing files, symbolic links, X-Accel


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("Yesterday's mistakes", 'attachment; filename="Yesterday\'s mistakes 2023-12-07.mp3"'),
        ('../a/b: "c"?', 'attachment; filename="a b c 2023-12-07.mp3"'),
        ("", 'attachment; filename="podcast 2023-12-07.mp3"'),
        ("昨日", "attachment; filename*=utf-8''%E6%98%A8%E6%97%A5%202023-12-07.mp3"),
    ],
)
def test_a_download_is_named_after_title_and_date(episode: DailyPodcast, title: str, name: str) -> None:
    DailyPodcast.objects.filter(pk=episode.pk).update(title=title)
    browser = Browser()
    browser.force_login(episode.user)
    response = browser.get(URL + "?download=1")
    assert (response.status_code, response["Content-Disposition"], response.body) == (200, name, AUDIO)
    assert "Content-Disposition" not in browser.get(URL)


def test_a_missing_file_is_404_and_marked_on_the_row_until_it_is_back(episode: DailyPodcast, media: Path) -> None:
    browser = Browser()
    browser.force_login(episode.user)
    moved = (media / NAME).rename(media / "moved")
    assert browser.get(URL).status_code == 404
    episode.refresh_from_db()
    assert (episode.error_code, episode.has_audio, episode.status) == (Reason.MISSING, False, Status.COMPLETED)
    moved.rename(media / NAME)
    assert browser.get(URL).status_code == 200
    episode.refresh_from_db()
    assert (episode.error_code, episode.has_audio) == ("", True)


def test_a_symbolic_link_out_of_the_folder_is_not_followed(episode: DailyPodcast, media: Path) -> None:
    (media / NAME).unlink()
    (media / NAME).symlink_to(media / "courses" / "a.pdf")
    browser = Browser()
    browser.force_login(episode.user)
    assert browser.get(URL).status_code == 404


def test_nginx_gets_the_internal_path(episode: DailyPodcast, settings: Any) -> None:
    settings.DAILYCAST_ACCEL_PREFIX = "/protected/"
    browser = Browser()
    browser.force_login(episode.user)
    response = browser.get(URL)
    assert (response.status_code, response.body) == (200, b"")
    assert response["X-Accel-Redirect"] == f"/protected/{NAME}"
    assert (response["Content-Type"], response["Cache-Control"]) == ("audio/mpeg", "private, no-cache")
    assert "X-Accel-Redirect" not in Browser().get(URL)
