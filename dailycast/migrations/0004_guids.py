import uuid
from typing import Any

from django.conf import settings
from django.db import migrations, models


def give_guids(apps: Any, schema_editor: Any) -> None:
    """Each episode of an earlier release gets the GUID that podcast apps will know it by."""
    rows = apps.get_model("dailycast", "DailyPodcast").objects.using(schema_editor.connection.alias).filter(guid=None)
    for pk in list(rows.values_list("pk", flat=True)):
        rows.filter(pk=pk).update(guid=uuid.uuid4())


class Migration(migrations.Migration):
    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
        ("dailycast", "0003_earlier_costs"),
    ]

    operations = [
        migrations.AddField("dailypodcast", "guid", models.UUIDField(null=True, editable=False, verbose_name="GUID")),
        migrations.RunPython(give_guids, migrations.RunPython.noop, elidable=True),
    ]
