"""A call's connection, closed by the thread that gives the call up."""

import socket
import threading
from collections.abc import Iterator

import pytest

from dailycast.gateway.connection import Connection, watch


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


def test_closing_ends_a_read_that_waits_in_another_thread(pair: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = pair
    connection, received, waiting = Connection(), list[bytes](), threading.Event()

    def read() -> None:
        with connection:
            watch(ours)
            waiting.set()
            received.append(ours.recv(1))

    thread = threading.Thread(target=read)
    thread.start()
    waiting.wait(5)
    connection.close()
    thread.join(5)
    assert (thread.is_alive(), received) == (False, [b""])
    assert theirs.recv(1) == b""


def test_a_call_that_was_given_up_can_use_no_other_connection(pair: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = pair
    connection = Connection()
    connection.close()
    with connection, pytest.raises(ConnectionAbortedError, match="given up"):
        watch(ours)
    assert theirs.recv(1) == b""


def test_closing_twice_or_after_the_end_does_nothing(pair: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = pair
    connection = Connection()
    with connection:
        watch(ours)
    connection.close()
    connection.close()
    ours.sendall(b"x")
    assert theirs.recv(1) == b"x"


def test_a_closed_connection_stays_open_for_nobody(pair: tuple[socket.socket, socket.socket]) -> None:
    """The handle of our own would else keep the vendor's side open."""
    ours, theirs = pair
    with Connection():
        watch(ours)
        watch(ours)
    ours.close()
    assert theirs.recv(1) == b""


def test_only_the_socket_in_use_is_closed(pair: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = pair
    later, _ = others = socket.socketpair()
    connection = Connection()
    with others[0], others[1], connection:
        watch(ours)
        watch(later)
        connection.close()
        ours.sendall(b"x")
        assert theirs.recv(1) == b"x"
        assert others[1].recv(1) == b""


def test_a_thread_without_a_call_is_not_watched(
    pair: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(socket, "fromfd")
    watch(pair[0])
    with Connection(), pytest.raises(AttributeError):
        watch(pair[0])
