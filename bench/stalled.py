"""Clients that request an episode's audio and read nothing: does the site still answer, and by how many threads?

    pip install gunicorn uvicorn; python bench/stalled.py      200 clients, and the seconds until a page answers

Each server has one process. The last two have docs/nginx.conf in front: Django sends the file, or nginx does.
"""

import os
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, closing
from http.client import HTTPConnection
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from bench import project  # noqa: E402
from bench.serving import NAME, prepare, start_nginx  # noqa: E402
from tests.integration.ports import free_port, wait_for  # noqa: E402

CLIENTS = 200
PATIENCE = 10  # seconds for a page
GUNICORN = "gunicorn --log-level error --bind 127.0.0.1:{port} --workers 1"
SERVERS = {
    "gunicorn sync": f"{GUNICORN} config.wsgi",
    "gunicorn gthread, 8 threads": f"{GUNICORN} --worker-class gthread --threads 8 config.wsgi",
    "gunicorn gthread, 210 threads": f"{GUNICORN} --worker-class gthread --threads 210 config.wsgi",
    "gunicorn with a uvicorn worker": f"{GUNICORN} --worker-class uvicorn.workers.UvicornWorker config.asgi",
    "uvicorn": "uvicorn --log-level error --port {port} config.asgi:application",
}

BEHIND_NGINX = {  # DAILYCAST_ACCEL_PREFIX
    "nginx, then gthread with 8 threads": "",
    "nginx with X-Accel-Redirect, then gthread with 8 threads": "/protected/",
}


def start(stack: ExitStack, command: str, prefix: str = "") -> tuple[int, int]:
    """Start a server; its port and its process."""
    port = free_port()
    environment = {**os.environ, "DAILYCAST_ACCEL_PREFIX": prefix}
    process = subprocess.Popen([sys.executable, "-m", *command.format(port=port).split()], cwd=ROOT, env=environment)
    stack.callback(process.wait)
    stack.callback(process.kill)
    wait_for(port)
    return port, process.pid


def stall(port: int, cookie: str) -> socket.socket:
    """A client that has room for a few KB, requests the audio, and reads nothing."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.connect(("127.0.0.1", port))
    client.sendall(f"GET /media/{NAME} HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: {cookie}\r\n\r\n".encode())
    return client


def page_seconds(port: int, cookie: str) -> float | None:
    """How long a page takes; None when it does not come within PATIENCE."""
    started = time.monotonic()
    with closing(HTTPConnection("127.0.0.1", port, timeout=PATIENCE)) as connection:
        try:
            connection.request("GET", "/dailycast/archive/", headers={"Cookie": cookie})
            assert connection.getresponse().status == 200
        except TimeoutError:
            return None
    return time.monotonic() - started


def threads(pid: int) -> int:
    """The threads of a process and of its children."""
    tasks = Path(f"/proc/{pid}/task")
    children = (tasks / str(pid) / "children").read_text(encoding="utf-8").split()
    return len(list(tasks.iterdir())) + sum(threads(int(child)) for child in children)


def main() -> None:
    project.require("gunicorn", "uvicorn", programs=("nginx",))
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        cookie = prepare(folder)
        for name, command in SERVERS.items():
            with ExitStack() as stack:
                port, pid = start(stack, command)
                measure(stack, name, port, pid, cookie)
        for name, prefix in BEHIND_NGINX.items():
            with ExitStack() as stack:
                port, pid = start(stack, SERVERS["gunicorn gthread, 8 threads"], prefix)
                measure(stack, name, start_nginx(stack, folder, {"app": port})["app"], pid, cookie)


def measure(stack: ExitStack, name: str, port: int, pid: int, cookie: str) -> None:
    page_seconds(port, cookie)  # the first page imports
    for _ in range(CLIENTS):
        stack.enter_context(stall(port, cookie))
    time.sleep(3)
    seconds = page_seconds(port, cookie)
    answer = f"no page within {PATIENCE} s" if seconds is None else f"a page after {seconds:.2f} s"
    print(f"{name}: {CLIENTS} stalled clients, {threads(pid)} threads, {answer}", flush=True)


if __name__ == "__main__":
    main()
