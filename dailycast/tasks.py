"""Celery's door. A task carries a key; lease and sweep are the truth, so a task lost or sent twice does no harm.

Put `dailycast.sweep` into the beat schedule, every half lease or so: docs/operations.md.
"""

from celery import shared_task

from . import runners, services


@shared_task(name="dailycast.run", ignore_result=True)
def run(pk: int) -> None:
    services.run(pk, can_reschedule=True)


@shared_task(name="dailycast.sweep", ignore_result=True)
def sweep() -> None:
    runners.sweep()
    services.announce_missed()
