"""Eight processes at once, each with connections of its own, on the test database of whatever engine is configured."""

import multiprocessing
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from django.db import connections

PROCESSES = 8
LONGEST = 120.0  # seconds


@contextmanager
def everyone(gate: object) -> Iterator[None]:
    """What a forked worker needs: no connection of its parent's, and none left behind."""
    connections.close_all()
    gate.wait(30)  # type: ignore[attr-defined]
    try:
        yield
    finally:
        connections.close_all()


def warm() -> None:
    """What every fork would else import by itself, which takes longer than its work."""
    import boto3
    import openai

    assert openai.OpenAI(api_key="nobody's").chat.completions
    boto3.client("polly", "us-east-1", aws_access_key_id="nobody", aws_secret_access_key="nobody's")


def at_once(work: Callable[[], object]) -> None:
    """`work` in each of PROCESSES forks of this one, all beginning at the same time."""
    fork = multiprocessing.get_context("fork")
    gate = fork.Barrier(PROCESSES)

    def one() -> None:
        with everyone(gate):
            work()
        os._exit(0)  # no exit handlers of pytest's in a fork

    warm()
    connections.close_all()
    workers = [fork.Process(target=one) for _ in range(PROCESSES)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(LONGEST)
    codes = [worker.exitcode for worker in workers]
    for worker in workers:
        worker.kill()
        worker.join()
    assert codes == [0] * PROCESSES, codes
