"""An MP3 of 1.8 MB, eight readers at once: nginx alone, through X-Accel-Redirect, and through Django.

    pip install gunicorn; python bench/serving.py      needs nginx; requests a second, and the share of nginx alone

The project runs under gunicorn (2 processes, 8 threads each), as docs/operations.md has it, behind docs/nginx.conf.
"""

import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from http.client import HTTPConnection
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from bench import project  # noqa: E402
from tests.integration.ports import free_port, wait_for  # noqa: E402

READERS, SECONDS = 8, 6
MP3 = bytes(1_800_000)
NAME = "podcasts/podcast_1_1701920000.mp3"
HTTP = """
user root;
daemon off;
pid {root}/nginx.pid;
error_log {root}/error.log;
events {{}}
http {{
    access_log off;
    client_body_temp_path {root}/body;
    proxy_temp_path {root}/proxy;
    server {{ listen 127.0.0.1:{alone}; location / {{ alias {root}/media/; }} }}
{site}
}}
"""


def prepare(folder: str) -> str:
    """Set up the project in `folder`, with one episode; return the cookie of its learner."""
    project.prepare(
        folder,
        "tests.integration.settings",
        TEST_MEDIA_ROOT=f"{folder}/media",
        DJANGO_DEBUG="false",
        DJANGO_SECRET_KEY="for this run",
    )
    from django.contrib.auth.models import User
    from django.test import Client
    from django.utils import timezone

    from dailycast.audio import storage
    from dailycast.models import DailyPodcast, Status

    alex = User.objects.create_user("alex")
    storage.write_atomic(NAME, MP3)
    DailyPodcast.objects.create(user=alex, audio_file=NAME, status=Status.COMPLETED, completed_at=timezone.now())
    client = Client()
    client.force_login(alex)
    return f"sessionid={client.cookies['sessionid'].value}"


def start_gunicorn(stack: ExitStack, prefix: str) -> int:
    port = free_port()
    command = [sys.executable, "-m", "gunicorn", "--worker-class", "gthread", "--workers", "2", "--threads", "8"]
    process = subprocess.Popen(
        [*command, "--log-level", "error", "--bind", f"127.0.0.1:{port}", "config.wsgi"],
        cwd=ROOT,
        env={**os.environ, "DAILYCAST_ACCEL_PREFIX": prefix},
    )
    stack.callback(process.wait)
    stack.callback(process.terminate)
    wait_for(port)
    return port


def start_nginx(stack: ExitStack, folder: str, apps: dict[str, int]) -> dict[str, int]:
    """The ports of nginx: one that sends the file itself, one before each of `apps`."""
    ports = {name: free_port() for name in ("alone", *apps)}
    shipped = (ROOT / "docs" / "nginx.conf").read_text(encoding="utf-8").replace("/srv/lms/", f"{folder}/")
    sites = [
        shipped.replace("unix:/run/lms/gunicorn.sock", f"127.0.0.1:{app}")
        .replace("listen 80;", f"listen 127.0.0.1:{ports[name]};")
        .replace("upstream lms", f"upstream {name}")
        .replace("http://lms", f"http://{name}")
        for name, app in apps.items()
    ]
    Path(folder, "nginx.conf").write_text(HTTP.format(root=folder, alone=ports["alone"], site="\n".join(sites)))
    process = subprocess.Popen(
        [project.program("nginx") or "nginx", "-p", folder, "-e", f"{folder}/error.log", "-c", f"{folder}/nginx.conf"]
    )
    stack.callback(process.wait)
    stack.callback(process.terminate)
    for port in ports.values():
        wait_for(port)
    return ports


def read_for(seconds: float, port: int, path: str, cookie: str) -> int:
    """How often one reader gets the whole file within `seconds`."""
    ends, read = time.monotonic() + seconds, 0
    with closing(HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
        while time.monotonic() < ends:
            connection.request("GET", path, headers={"Cookie": cookie})
            response = connection.getresponse()
            size = 0
            while block := response.read(1 << 20):
                size += len(block)
            assert (response.status, size) == (200, len(MP3)), response.status
            read += 1
    return read


def measure(port: int, path: str, cookie: str) -> float:
    with ThreadPoolExecutor(READERS) as readers:
        done = list(readers.map(lambda _: read_for(SECONDS, port, path, cookie), range(READERS)))
    return sum(done) / SECONDS


def main() -> None:
    project.require("gunicorn", programs=("nginx",))
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        Path(folder).chmod(0o755)
        cookie = prepare(folder)
        apps = {"accel": start_gunicorn(stack, "/protected/"), "app": start_gunicorn(stack, "")}
        ports = start_nginx(stack, folder, apps)
        alone = measure(ports["alone"], f"/{NAME}", "")
        print(f"nginx alone: {alone:.0f} requests a second")
        for name, label in (("accel", "X-Accel-Redirect"), ("app", "through Django")):
            rate = measure(ports[name], f"/media/{NAME}", cookie)
            print(f"{label}: {rate:.0f} requests a second, {rate / alone:.2f} of nginx alone")


if __name__ == "__main__":
    main()
