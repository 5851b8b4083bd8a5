"""Lists of 100,000 meters are walked along an index, not sorted: addresses and names in the order of people."""

from django.db import migrations, models

import avlas.meters.reading_order


class Migration(migrations.Migration):
    dependencies = [
        ("meters", "0007_journal"),
        ("system", "0005_map_tiles"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="customer",
            index=models.Index(
                models.F("utility"), avlas.meters.reading_order.InOrder("name"), name="customer_by_name"
            ),
        ),
        migrations.AddIndex(
            model_name="meter",
            index=models.Index(fields=["utility", "model"], name="meter_by_model"),
        ),
        migrations.AddIndex(
            model_name="meter",
            index=models.Index(
                condition=models.Q(("slot_seconds", 300)), fields=["utility"], name="meter_priority"
            ),
        ),
        migrations.AddIndex(
            model_name="meter",
            index=models.Index(
                condition=models.Q(("retired_at__isnull", False)), fields=["utility"], name="meter_retired"
            ),
        ),
        migrations.AddIndex(
            model_name="meteringpoint",
            index=models.Index(
                models.F("utility"),
                avlas.meters.reading_order.AddressInOrder("address"),
                name="point_by_address",
            ),
        ),
        migrations.AddIndex(
            model_name="meteringpoint",
            index=models.Index(fields=["utility", "postal_code"], name="point_by_postal_code"),
        ),
    ]
