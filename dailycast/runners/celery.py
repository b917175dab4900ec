"""The runner `celery`: the row's key goes through the host's own Celery app."""

from django.utils.module_loading import import_string


def start(pk: int) -> None:
    task = import_string("dailycast.tasks.run")  # it imports Celery, so only where this runner is chosen
    app = task.app
    options = {**(app.conf.broker_transport_options or {}), "max_retries": 0}
    with app.connection_for_write(transport_options=options) as broker:  # a page does not wait for one that is down:
        task.apply_async((pk,), retry=False, connection=broker)  # a sweep sends the key again
