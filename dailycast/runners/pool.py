"""Who makes an episode that a door asks for. A runner carries the key of a row to `services`; the row is the truth.

DAILYCAST_RUNNER: `inline` here and now; `thread` in this process's own pool; `worker` leaves the row to
`manage.py dailycast_worker`; `celery` sends the key through the host's own Celery app.
"""

import logging
import os
import queue
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from django.contrib.auth.base_user import AbstractBaseUser
from django.core.exceptions import ImproperlyConfigured
from django.db import Error as AnyDatabaseError
from django.db import connections, transaction
from django.utils import timezone
from django.utils.module_loading import import_string

from .. import services
from ..conf import conf
from ..gateway.vendor import Caught
from ..jobs import queue as jobs
from ..models import DailyPodcast, Status

logger = logging.getLogger("dailycast")
THREADS = 4  # of the runner `thread`, in each process
MOST_AT_ONCE = 100  # forgotten rows taken up by one sweep
POLL = 1.0  # seconds between two looks of a worker that has nothing to do
LONGEST_TIMER = 3600.0  # seconds; a row that is put back for longer is left to a sweep


class Crew:
    """A few daemon threads that do what they are given, and close their database connections when idle."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.tasks: queue.SimpleQueue[Callable[[], object] | None] = queue.SimpleQueue()
        self.changed = threading.Condition()
        self.load = 0  # tasks waiting or under way
        self.threads = 0

    def do(self, task: Callable[[], object]) -> None:
        with self.changed:
            self.load += 1
            if self.threads < min(self.size, self.load):
                self.threads += 1
                threading.Thread(target=self.work, daemon=True, name="dailycast-job").start()
        self.tasks.put(task)

    def work(self) -> None:
        while task := self.tasks.get():
            failed = Caught()
            with failed:
                task()
            if failed.error:
                logger.error("Dailycast: a sweep will take this up again", exc_info=failed.error)
            if self.tasks.empty():
                connections.close_all()
            with self.changed:
                self.load -= 1
                self.changed.notify_all()

    def disband(self) -> None:
        """When what it has is done, its threads end."""
        with self.changed:
            for _ in range(self.threads):
                self.tasks.put(None)
            self.threads = 0

    def wait(self, load: int, seconds: float | None = None) -> bool:
        """Until no more than `load` tasks are waiting or under way; False if `seconds` are over before."""
        with self.changed:
            return self.changed.wait_for(lambda: self.load <= load, seconds)


@contextmanager
def stopping_on_signals() -> Iterator[None]:
    """Within it SIGTERM and SIGINT ask this process's patient jobs to stop at their next step; a second one ends it."""

    def stop(number: int, frame: object) -> None:
        jobs.stopping.set()
        restore()

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        restore()
        jobs.stopping.clear()


def work(concurrency: int, pause: float = POLL) -> None:
    """Make what is pending until `jobs.stopping` is set; then what is begun is finished or goes back."""
    crew = Crew(concurrency)
    services.announce_forgotten()
    while not jobs.stopping.is_set():
        try:
            jobs.sweep()
            for pk in jobs.due(concurrency - crew.load):
                crew.do(partial(services.run, pk, patient=True))
        except AnyDatabaseError as error:
            logger.warning("Dailycast: the database does not answer, trying again: %s", error)
            connections.close_all()
        crew.wait(concurrency - 1) if crew.load >= concurrency else jobs.stopping.wait(pause)
    crew.wait(0)
    crew.disband()


def submit(user: AbstractBaseUser, language: str | None = None, **asked: object) -> DailyPodcast:
    """Ask for an episode, and get the row at once: see `jobs.submit`. The runner begins after the commit."""
    if conf.DAILYCAST_RUNNER == "inline":
        jobs.outside_transaction()
    podcast = jobs.submit(user, language, **asked)
    start(podcast.pk)
    sweep()
    return podcast


def retry(podcast: DailyPodcast) -> bool:
    """A person says: try again. False when the episode has its audio, or is being made."""
    reopened = jobs.reopen(podcast.pk)
    if reopened:
        start(podcast.pk)
    sweep()
    return reopened


def start(pk: int) -> None:
    """Hand one row to the runner. Where that fails, say because a broker is down, the row waits for a sweep."""
    run = _runner()
    if run is _inline:
        return run(pk)
    return transaction.on_commit(lambda: run(pk), robust=True)


def sweep() -> None:
    """Take back what workers that are gone have left, and take up what nobody has in hand. Never waits for a vendor."""
    jobs.sweep()
    if conf.DAILYCAST_RUNNER in ("thread", "celery"):
        for pk in jobs.forgotten(MOST_AT_ONCE):
            start(pk)


def _runner() -> Callable[[int], None]:
    try:
        return RUNNERS[conf.DAILYCAST_RUNNER]
    except KeyError:
        raise ImproperlyConfigured(f"DAILYCAST_RUNNER must be one of {', '.join(RUNNERS)}.") from None


def _inline(pk: int) -> None:
    services.run(pk)


def _thread(pk: int) -> None:
    _crew().do(partial(_run_patiently, pk))


def _worker(pk: int) -> None:
    pass  # `manage.py dailycast_worker` looks for pending rows


def _celery(pk: int) -> None:
    task = import_string("dailycast.tasks.run")  # Celery's door, not imported unless it is chosen
    app = task.app
    options = {**(app.conf.broker_transport_options or {}), "max_retries": 0}
    with app.connection_for_write(transport_options=options) as broker:  # a page does not wait for one that is down:
        task.apply_async((pk,), retry=False, connection=broker)  # a sweep sends the key again


RUNNERS: dict[str, Callable[[int], None]] = {
    "inline": _inline,
    "thread": _thread,
    "worker": _worker,
    "celery": _celery,
}

_crews: dict[int, Crew] = {}


def _crew() -> Crew:
    """This process's: a fork has no threads of its parent's."""
    return _crews.setdefault(os.getpid(), Crew(THREADS))


def _run_patiently(pk: int) -> None:
    services.run(pk, patient=True)
    row = DailyPodcast.objects.filter(pk=pk, status=Status.PENDING).only("next_attempt_at").first()
    if row and row.next_attempt_at:  # put back
        wait = (row.next_attempt_at - timezone.now()).total_seconds()
        if wait <= LONGEST_TIMER:
            timer = threading.Timer(max(wait, 0), _thread, (pk,))
            timer.daemon = True
            timer.start()
