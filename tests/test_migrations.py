import importlib
import io
from collections.abc import Iterator
from decimal import Decimal

import pytest
from django.apps import apps
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.migrations.loader import MigrationLoader

from dailycast.models import DailyPodcast, ProviderCall
from dailycast.purchases import ledger
from dailycast.receivers import FIRST_MIGRATION

TABLE = "dailycast_dailypodcast"


def tables() -> set[str]:
    return set(connection.introspection.table_names())


@pytest.mark.django_db
def test_the_models_have_no_change_without_a_migration() -> None:
    call_command("makemigrations", "--check", "--dry-run", stdout=io.StringIO())


@pytest.mark.django_db
def test_the_first_migration_is_ours_alone() -> None:
    names = sorted(name for app, name in MigrationLoader(connection).graph.nodes if app == "dailycast")
    assert names[0] == FIRST_MIGRATION
    assert "0001_initial" not in names


@pytest.fixture
def prototype(transactional_db: None) -> Iterator[None]:
    """A database in which an earlier dailycast left its table and its migration's row."""
    call_command("migrate", "dailycast", "zero", verbosity=0)
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE TABLE {TABLE} (id integer PRIMARY KEY, script_text varchar(100))")
        cursor.execute(f"INSERT INTO {TABLE} VALUES (3, 'an older script')")
        cursor.execute(
            "INSERT INTO django_migrations (app, name, applied) VALUES ('dailycast', '0001_initial', '2024-01-01')"
        )
    yield
    with connection.cursor() as cursor:
        for table in (
            "dailycast_providercall",
            "dailycast_budget",
            "dailycast_ratelimit",
            "dailycast_feed",
            TABLE,
            "dailycast_prototype",
        ):
            cursor.execute(f"DROP TABLE IF EXISTS {table}")
        cursor.execute("DELETE FROM django_migrations WHERE app = 'dailycast'")
    call_command("migrate", verbosity=0)


def test_a_prototypes_table_stops_migrate_before_it_touches_anything(prototype: None) -> None:
    call_command("migrate", "academy", "zero", verbosity=0)
    before = tables()
    with pytest.raises(
        CommandError, match=f"(?s)The table {TABLE} stands already.*Nothing has been changed.*DROP TABLE {TABLE};"
    ) as refused:
        call_command("migrate", verbosity=0)
    assert tables() == before
    follow_the_advice(str(refused.value))
    call_command("migrate", verbosity=0)
    with connection.cursor() as cursor:
        cursor.execute("SELECT id, script_text FROM dailycast_prototype")
        assert cursor.fetchall() in ([(3, "an older script")], ((3, "an older script"),))
    assert "academy_course" in tables()


def follow_the_advice(message: str) -> None:
    with connection.cursor() as cursor:
        for line in message.splitlines():
            if line.strip().endswith(";"):
                cursor.execute(line.strip().rstrip(";"))


def test_another_apps_migration_is_not_stopped(prototype: None) -> None:
    call_command("migrate", "sessions", verbosity=0)


@pytest.mark.django_db(transaction=True)
def test_migrations_run_back_and_forth() -> None:
    call_command("migrate", "dailycast", "zero", verbosity=0)
    assert TABLE not in tables()
    call_command("migrate", verbosity=0)
    assert TABLE in tables()


def test_the_costs_of_episodes_of_an_earlier_release_are_in_the_ledger(transactional_db: None) -> None:
    user = User.objects.create_user("alex")
    podcast = DailyPodcast.objects.create(user=user, llm_provider="openai", llm_model="gpt-4o", tts_characters=90)
    DailyPodcast.objects.update(cost_usd=Decimal("0.0021"))
    DailyPodcast.objects.create(user=user)
    costs = importlib.import_module("dailycast.migrations.0003_earlier_costs")
    with connection.schema_editor() as editor:
        costs.open_the_ledger(apps, editor)
    assert ledger.cost_of(podcast) == (Decimal("0.0021"), 90)
    assert ProviderCall.objects.count() == 2
