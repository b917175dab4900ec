import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "myproject.settings")
app = Celery("myproject", broker="memory://")
app.autodiscover_tasks()
app.conf.beat_schedule = {"dailycast": {"task": "dailycast.sweep", "schedule": 30.0}}
