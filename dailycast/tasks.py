"""Celery's tasks. A message holds the key of a row. The row's lease decides, so a lost or repeated one is harmless.

Put `dailycast.sweep` into the beat schedule, at about half of DAILYCAST_LEASE_SECONDS: docs/operations.md.
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
