"""Free ports on loopback, for servers that tests and benchmarks start."""

import socket
import time
from contextlib import closing, suppress


def free_port() -> int:
    with closing(socket.socket()) as server:
        server.bind(("127.0.0.1", 0))
        return int(server.getsockname()[1])


def wait_for(port: int) -> None:
    for _ in range(200):
        with suppress(OSError), closing(socket.create_connection(("127.0.0.1", port), 1)):
            return
        time.sleep(0.05)
    raise TimeoutError(port)
