"""Reading performance day by day, for the start page."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("reports", "0002_kept_performance"),
        ("system", "0005_map_tiles"),
    ]

    operations = [
        migrations.CreateModel(
            name="PerformanceDay",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("day", models.DateField()),
                ("expected", models.BigIntegerField()),
                ("received", models.BigIntegerField()),
                ("counted_at", models.DateTimeField()),
                (
                    "utility",
                    models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, to="system.utility"),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("utility", "day"), name="performance_day_once")
                ],
            },
        ),
    ]
