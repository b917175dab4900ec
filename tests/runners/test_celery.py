"""The runner `celery`."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest
from django.contrib.auth.models import User

from dailycast import runners, services
from dailycast.runners import celery
from tests.runners.helpers import row

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("quick_retries", "no_records")]


def test_a_page_does_not_wait_for_a_broker_that_is_down(
    alex: User, settings: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    sdk = pytest.importorskip("celery")
    settings.DAILYCAST_RUNNER = "celery"
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    app = sdk.Celery("school", broker=f"amqp://127.0.0.1:{port}//", set_as_current=False)
    task = app.task(services.run, name="dailycast.run")
    monkeypatch.setattr(celery, "import_string", {"dailycast.tasks.run": task}.__getitem__)
    sleeps: list[float] = []

    def sleep(seconds: float) -> None:
        sleeps.append(seconds)
        raise TimeoutError

    monkeypatch.setattr("kombu.utils.functional.sleep", sleep)
    podcast = runners.submit(alex, "en")
    assert (podcast.pk, row().status, sleeps) == (row().pk, "pending", [])
    assert any(record.exc_info and "refused" in str(record.exc_info[1]) for record in caplog.records)


def test_a_task_has_the_key_and_is_sent_once(alex: User, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[tuple[tuple[int, ...], dict[str, object]]] = []

    class App:
        """As much of Celery as a sender needs."""

        conf = SimpleNamespace(broker_transport_options={"region": "eu"})

        @contextmanager
        def connection_for_write(self, transport_options: dict[str, object]) -> Iterator[dict[str, object]]:
            yield transport_options

    class Task:
        app = App()

        def apply_async(self, args: tuple[int, ...], **options: object) -> None:
            sent.append((args, options))

    settings.DAILYCAST_RUNNER = "celery"
    monkeypatch.setattr(celery, "import_string", {"dailycast.tasks.run": Task()}.__getitem__)
    podcast = runners.submit(alex, "en")
    assert sent == [((podcast.pk,), {"retry": False, "connection": {"region": "eu", "max_retries": 0}})]
