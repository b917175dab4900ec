from typing import Any

from django.db import migrations


def open_the_ledger(apps: Any, schema_editor: Any) -> None:
    """What episodes of an earlier release have cost, one row each, so that their sums stay what they were."""
    alias = schema_editor.connection.alias
    podcasts = apps.get_model("dailycast", "DailyPodcast").objects.using(alias).filter(cost_usd__gt=0)
    calls = apps.get_model("dailycast", "ProviderCall").objects.using(alias)
    for podcast in podcasts.only("pk", "created_at", "llm_provider", "llm_model", "cost_usd", "tts_characters"):
        told = {"podcast_id": podcast.pk, "day": podcast.created_at.date(), "outcome": "ok", "calls": 1}
        told |= {"created_at": podcast.created_at, "ended_at": podcast.created_at}
        calls.create(
            **told, kind="script", provider=podcast.llm_provider, model=podcast.llm_model, cost_usd=podcast.cost_usd
        )
        if podcast.tts_characters:  # their cost is in the first row
            calls.create(**told, kind="speech", provider="earlier", units=podcast.tts_characters, cost_usd=0)


class Migration(migrations.Migration):
    dependencies = [("dailycast", "0002_jobs")]
    operations = [migrations.RunPython(open_the_ledger, migrations.RunPython.noop, elidable=True)]
