"""Eight processes at once, each with connections of its own, on the test database of the configured engine."""

import multiprocessing
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from django.db import connections

PROCESSES = 8
LONGEST = 120.0  # seconds


@contextmanager
def own_connections(barrier: object) -> Iterator[None]:
    """Without connections of the parent process, and without any left open at the end."""
    connections.close_all()
    barrier.wait(30)  # type: ignore[attr-defined]
    try:
        yield
    finally:
        connections.close_all()


def import_sdks() -> None:
    """Import what every fork would import by itself otherwise, which takes longer than its work."""
    import boto3
    import openai

    assert openai.OpenAI(api_key="nobody's").chat.completions
    boto3.client("polly", "us-east-1", aws_access_key_id="nobody", aws_secret_access_key="nobody's")


def in_processes(work: Callable[[], object]) -> None:
    """`work` in each of PROCESSES forks of this one, all beginning at the same time."""
    fork = multiprocessing.get_context("fork")
    barrier = fork.Barrier(PROCESSES)

    def run() -> None:
        with own_connections(barrier):
            work()
        os._exit(0)  # no exit handlers of pytest's in a fork

    import_sdks()
    connections.close_all()
    workers = [fork.Process(target=run) for _ in range(PROCESSES)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(LONGEST)
    codes = [worker.exitcode for worker in workers]
    for worker in workers:
        worker.kill()
        worker.join()
    assert codes == [0] * PROCESSES, codes
