"""docs/nginx.conf in a real nginx in front of the project: audio is private in every spelling, and seeks."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.utils import timezone

from dailycast.models import DailyPodcast, Status
from tests.integration.ports import free_port, wait_for

NGINX = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin") or "nginx"
SHIPPED = Path(__file__).parents[2] / "docs" / "nginx.conf"
MP3 = bytes(range(256)) * 8
NAME = "podcasts/podcast_1_1701920000.mp3"
FILE = NAME.removeprefix("podcasts/")
NGINX_CONF = """\
{user}
daemon off;
pid {root}/nginx.pid;
error_log {root}/error.log;
events {{}}
http {{
    access_log off;
    client_body_temp_path {root}/body;
    proxy_temp_path {root}/proxy;
    fastcgi_temp_path {root}/fastcgi;
    uwsgi_temp_path {root}/uwsgi;
    scgi_temp_path {root}/scgi;
{site}
}}
"""

pytestmark = [pytest.mark.services, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def site(settings: Any, tmp_path: Path) -> Path:
    """A server's folder as docs/nginx.conf has it, with an episode, a clip and an avatar in it."""
    settings.MEDIA_ROOT = tmp_path / "media"
    files = {NAME: MP3, "podcasts/clips/a.mp3": MP3, f"PODCASTS/{FILE}": MP3, "avatars/alex.png": b"face"}
    for name, data in {f"media/{name}": data for name, data in files.items()}.items() | {("static_root/a.css", b"css")}:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(data)
    return tmp_path


@pytest.fixture
def nginx(site: Path, django_port: int) -> Iterator[int]:
    """The port of an nginx with the server block of docs/nginx.conf. Only port, folder and upstream differ."""
    port = free_port()
    block = SHIPPED.read_text(encoding="utf-8")
    for shipped, replacement in (
        ("listen 80;", f"listen 127.0.0.1:{port};"),
        ("unix:/run/lms/gunicorn.sock", f"127.0.0.1:{django_port}"),
        ("/srv/lms/", f"{site}/"),
    ):
        assert shipped in block
        block = block.replace(shipped, replacement)
    user = "user root;" if os.geteuid() == 0 else ""
    (site / "nginx.conf").write_text(NGINX_CONF.format(user=user, root=site, site=block))
    process = subprocess.Popen([NGINX, "-p", str(site), "-e", str(site / "error.log"), "-c", str(site / "nginx.conf")])
    wait_for(port)
    yield port
    process.terminate()
    process.wait(10)


def session(user: User | None) -> str:
    if user is None:
        return ""
    client = Client()
    client.force_login(user)
    return f"sessionid={client.cookies['sessionid'].value}"


def get(port: int, target: str, cookie: str = "", **headers: str) -> tuple[HTTPResponse, bytes]:
    """GET of exactly this request target. Most clients would normalise it first."""
    with closing(HTTPConnection("127.0.0.1", port, timeout=10)) as connection:
        connection.request("GET", target, headers={"Cookie": cookie, "Host": "127.0.0.1", **headers})
        response = connection.getresponse()
        return response, response.read()


@pytest.fixture
def people(db: None, alex: User) -> dict[str, User | None]:
    """Alex has an episode; nobody else has one."""
    DailyPodcast.objects.create(
        user=alex, audio_file=NAME, status=Status.COMPLETED, completed_at=timezone.now(), script_text="# A\nHello."
    )
    teacher = User.objects.create_user("teacher", is_staff=True)
    teacher.user_permissions.add(Permission.objects.get(codename="view_dailypodcast"))
    return {
        "learner": alex,
        "other learner": User.objects.create_user("yuki"),
        "staff without permission": User.objects.create_user("clerk", is_staff=True),
        "staff": teacher,
        "signed-out": None,
    }


SPELLINGS = [
    f"/media/{NAME}",
    f"/media//{NAME}",
    f"//media/{NAME}",
    f"/media/./{NAME}",
    f"/media/x/../{NAME}",
    f"/media/podcasts//{FILE}",
    f"/media/podcasts/x/../{FILE}",
    f"/media/podcasts/./{FILE}",
    f"/media/PODCASTS/{FILE}",
    f"/media/Podcasts/{FILE}",
    f"/MEDIA/{NAME}",
    f"/media/podcasts./{FILE}",
    f"/media/podcasts%20/{FILE}",
    f"/media/podcasts%2F{FILE}",
    f"/media%2Fpodcasts%2F{FILE}",
    f"/media/%2e%2e/media/{NAME}",
    f"/media/x/%2e%2e/{NAME}",
    f"/media/x/..%2Fpodcasts/{FILE}",
    f"/media/%70odcasts/{FILE}",
    f"/media/podcasts%252F{FILE}",
    f"/media/podcasts%5C{FILE}",
    f"/static/../media/{NAME}",
    f"/static/..%2Fmedia/{NAME}",
    f"/media/{NAME}/",
    f"/media/{NAME}?x=1",
    "/media/podcasts/clips/a.mp3",
    "/media/podcasts/",
]


def test_nobody_else_gets_the_audio_in_any_spelling(nginx: int, people: dict[str, User | None]) -> None:
    strangers = {name: session(user) for name, user in people.items() if name not in ("learner", "staff")}
    found = {
        (name, target): get(nginx, target, cookie, Range="bytes=0-9")[0].status
        for name, cookie in strangers.items()
        for target in SPELLINGS
    }
    assert {case: status for case, status in found.items() if status != 404} == {}
    assert len(found) == 3 * len(SPELLINGS)


@pytest.mark.parametrize("person", ["learner", "staff"])
def test_those_who_may_hear_it_can_seek(nginx: int, people: dict[str, User | None], person: str) -> None:
    response, body = get(nginx, f"/media/{NAME}", session(people[person]), Range="bytes=256-259")
    assert (response.status, body) == (206, b"\x00\x01\x02\x03")
    assert response.headers["Content-Range"] == "bytes 256-259/2048"
    assert response.headers["Cache-Control"] == "private, no-cache"
    response, body = get(nginx, f"/media/{NAME}", session(people[person]))
    assert (response.status, body) == (200, MP3)


def test_a_clip_is_served_to_nobody(nginx: int, people: dict[str, User | None]) -> None:
    assert get(nginx, "/media/podcasts/clips/a.mp3", session(people["staff"]))[0].status == 404


@pytest.mark.parametrize(
    ("target", "body"),
    [("/media/avatars/alex.png", b"face"), ("/static/a.css", b"css"), ("/media/a/../avatars/alex.png", b"face")],
)
def test_the_rest_is_served_by_nginx_itself(nginx: int, target: str, body: bytes) -> None:
    response, received = get(nginx, target)
    assert (response.status, received) == (200, body)
    assert response.headers["Server"].startswith("nginx")
    assert response.headers["Accept-Ranges"] == "bytes"


# X-Accel-Redirect


@pytest.fixture
def accelerated(settings: Any, nginx: int) -> int:
    settings.DAILYCAST_ACCEL_PREFIX = "/protected/"
    return nginx


@pytest.mark.parametrize("person", ["learner", "staff"])
def test_nginx_sends_the_file_to_those_who_may_hear_it(
    accelerated: int, people: dict[str, User | None], person: str
) -> None:
    cookie = session(people[person])
    response, body = get(accelerated, f"/media/{NAME}?download", cookie)
    assert (response.status, body, response.headers["Content-Type"]) == (200, MP3, "audio/mpeg")
    assert response.headers["Content-Length"] == str(len(MP3))
    assert response.headers["Content-Disposition"].startswith("attachment; filename=")
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Cache-Control"] == "private, no-cache"
    assert "X-Accel-Redirect" not in response.headers
    etag = response.headers["ETag"]
    response, body = get(accelerated, f"/media/{NAME}", cookie, Range="bytes=256-259")
    assert (response.status, body) == (206, b"\x00\x01\x02\x03")
    assert response.headers["Content-Range"] == "bytes 256-259/2048"
    assert get(accelerated, f"/media/{NAME}", cookie, **{"If-None-Match": etag})[0].status == 304
    assert get(accelerated, f"/media/{NAME}", cookie, Range="bytes=9999-")[0].status == 416


def test_with_x_accel_nobody_else_gets_the_audio_in_any_spelling(
    accelerated: int, people: dict[str, User | None]
) -> None:
    strangers = {name: session(user) for name, user in people.items() if name not in ("learner", "staff")}
    internal = ["/protected/" + NAME, "/protected//" + NAME, "/protected/podcasts/clips/a.mp3", "/PROTECTED/" + NAME]
    targets = SPELLINGS + internal
    found = {
        (name, target): get(accelerated, target, cookie)[0].status
        for name, cookie in strangers.items()
        for target in targets
    }
    assert {case: status for case, status in found.items() if status != 404} == {}


def test_the_internal_location_is_a_404_even_for_the_owner(accelerated: int, people: dict[str, User | None]) -> None:
    assert get(accelerated, "/protected/" + NAME, session(people["learner"]))[0].status == 404


def test_a_symbolic_link_out_of_the_folder_is_not_followed(
    accelerated: int, site: Path, people: dict[str, User | None]
) -> None:
    (site / "secret").write_bytes(b"not yours")
    (site / "media" / NAME).unlink()
    (site / "media" / NAME).symlink_to(site / "secret")
    assert get(accelerated, f"/media/{NAME}", session(people["learner"]))[0].status == 404


def test_stalled_clients_do_not_block_the_site(accelerated: int, site: Path, people: dict[str, User | None]) -> None:
    (site / "media" / NAME).write_bytes(MP3 * 4000)  # more than the sockets' buffers hold
    cookie = session(people["learner"])
    stalled = [stalled_client(accelerated, cookie) for _ in range(16)]
    start = time.monotonic()
    assert get(accelerated, "/login/")[0].status == 200
    response, body = get(accelerated, f"/media/{NAME}", cookie, Range="bytes=0-9")
    assert (response.status, len(body)) == (206, 10)
    assert time.monotonic() - start < 8  # the test client's own limit is 10
    for connection in stalled:
        connection.close()


def stalled_client(port: int, cookie: str) -> socket.socket:
    """A client that requests the whole file and reads only the status."""
    connection = socket.create_connection(("127.0.0.1", port), 5)
    connection.sendall(f"GET /media/{NAME} HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: {cookie}\r\n\r\n".encode())
    assert connection.recv(20).startswith(b"HTTP/1.1 200")
    return connection
