"""A host's user model without the columns `is_active` and `is_staff`."""

import os
import subprocess
import sys
from pathlib import Path

from django.contrib.auth.models import AnonymousUser, User

from dailycast.models import active_users, has_column, is_active

ROOT = Path(__file__).parents[2]
HOST = """
import django; django.setup()
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.test import Client
from dailycast.models import DailyPodcast, Feed
from dailycast.web import signed_urls

call_command("migrate", run_syncdb=True, verbosity=0)
ann = get_user_model().objects.create(name="ann")
for options in ([], ["--user", "ann"], ["--user", str(ann.pk)]):
    call_command("generate_test_podcast", *options)
call_command("generate_daily_podcasts", dry_run=True)
client = Client()
client.force_login(ann)
first = DailyPodcast.objects.first()
for address in ("", "archive/", f"episodes/{first.pk}/", f"feed/{Feed.for_user(ann).token}/podcast.xml"):
    print(address[:4], client.get("/dailycast/" + address, headers={"Host": "localhost"}).status_code)
print(DailyPodcast.objects.visible_to(ann).count())
"""


def test_a_host_whose_users_have_neither_column() -> None:
    environment = os.environ | {"PYTHONPATH": f"{ROOT / 'tests' / 'data'}:{ROOT}"}
    environment["DJANGO_SETTINGS_MODULE"] = "plain_users.settings"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", HOST],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert sum(line.endswith("for user ann") for line in lines) == 3
    assert [line for line in lines if "1 episodes to make" in line]
    assert lines[-5:] == [" 200", "arch 200", "epis 200", "feed 200", "3"]


def test_only_somebody_signed_in_with_an_active_account_is_active(db: None) -> None:
    assert [is_active(user) for user in (None, AnonymousUser(), User(is_active=False), User())] == [False] * 3 + [True]


def test_the_columns_of_djangos_own_users(db: None) -> None:
    make = User.objects.create_user
    ann, _, cem = make("ann"), make("ben", is_active=False), make("cem")
    assert list(active_users()) == [ann, cem]
    assert [has_column(name) for name in ("is_active", "is_staff", "podcasts", "age")] == [True, True, False, False]
