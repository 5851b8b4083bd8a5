"""Make `reading` and `telegram` by hand-written SQL (see avlas.meters.ddl)."""

from datetime import UTC, datetime

from django.db import migrations

from avlas.meters.ddl import TABLES, create_statements, ensure_partitions


def make(_apps, schema_editor):
    for statement in create_statements(schema_editor.connection.vendor):
        schema_editor.execute(statement, params=None)
    ensure_partitions(schema_editor.connection, datetime.now(UTC))


def drop(_apps, schema_editor):
    for table in TABLES:
        schema_editor.execute(f"DROP TABLE {table}", params=None)


class Migration(migrations.Migration):
    dependencies = [("meters", "0001_initial")]

    operations = [migrations.RunPython(make, drop)]
