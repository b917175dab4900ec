"""A host's own Celery app, as docs/operations.md shows it: `celery -A tests.integration.celery_host worker --beat`."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
app = Celery("host", broker=os.environ.get("CELERY_BROKER_URL"))
app.conf.beat_schedule = {"take back and try again": {"task": "dailycast.sweep", "schedule": 2.0}}
app.conf.broker_connection_retry_on_startup = True
app.autodiscover_tasks()
