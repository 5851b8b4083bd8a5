"""Meter states are what ingest writes most: no index moves with them, and PostgreSQL updates them in their page."""

import django.db.models.deletion
from django.db import migrations, models


def leave_room(_apps, schema_editor):
    """Half of each page stays free for the next version of its rows (HOT updates)."""
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute("ALTER TABLE meters_meterstate SET (fillfactor = 50)", params=None)


def fill(_apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute("ALTER TABLE meters_meterstate RESET (fillfactor)", params=None)


class Migration(migrations.Migration):
    dependencies = [("meters", "0005_cases")]

    operations = [
        migrations.RemoveIndex("meterstate", "state_heard"),
        migrations.RemoveIndex("meterstate", "state_meter"),  # the foreign key has the same one
        migrations.AlterField(
            "meterstate",
            "last_collector",
            models.ForeignKey(
                blank=True,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                to="meters.collector",
            ),
        ),
        migrations.RunPython(leave_room, fill),
    ]
