"""Columns with what lists are ordered by and searched for: PostgreSQL works an index's expression out for each row it meets."""

import django.db.models.deletion
from django.db import migrations, models

import avlas.meters.reading_order
import avlas.meters.search_text


class Migration(migrations.Migration):
    dependencies = [
        ("meters", "0012_billing_month_borders"),
        ("system", "0007_handing_on"),
    ]

    operations = [
        migrations.RemoveIndex(
            model_name="customer",
            name="customer_by_name",
        ),
        migrations.RemoveIndex(
            model_name="meter",
            name="meter_priority",
        ),
        migrations.RemoveIndex(
            model_name="meteringpoint",
            name="point_by_address",
        ),
        migrations.AddField(
            model_name="customer",
            name="name_order",
            field=models.GeneratedField(
                db_persist=True,
                expression=avlas.meters.reading_order.InOrder("name"),
                output_field=models.TextField(),
            ),
        ),
        migrations.AddField(
            model_name="customer",
            name="search_text",
            field=models.GeneratedField(
                db_persist=True,
                expression=avlas.meters.search_text.SearchText("name", "number"),
                output_field=models.TextField(),
            ),
        ),
        migrations.AddField(
            model_name="meter",
            name="search_text",
            field=models.GeneratedField(
                db_persist=True,
                expression=avlas.meters.search_text.SearchText("serial", "model", "manufacturer"),
                output_field=models.TextField(),
            ),
        ),
        migrations.AddField(
            model_name="meteringpoint",
            name="address_order",
            field=models.GeneratedField(
                db_persist=True,
                expression=avlas.meters.reading_order.AddressInOrder("address"),
                output_field=models.TextField(),
            ),
        ),
        migrations.AddField(
            model_name="meteringpoint",
            name="city_order",
            field=models.GeneratedField(
                db_persist=True,
                expression=avlas.meters.reading_order.InOrder("city"),
                output_field=models.TextField(),
            ),
        ),
        migrations.AddField(
            model_name="meteringpoint",
            name="district_order",
            field=models.GeneratedField(
                db_persist=True,
                expression=avlas.meters.reading_order.InOrder("district"),
                output_field=models.TextField(),
            ),
        ),
        migrations.AddField(
            model_name="meteringpoint",
            name="search_text",
            field=models.GeneratedField(
                db_persist=True,
                expression=avlas.meters.search_text.SearchText(
                    "address", "postal_code", "city", "facility_id"
                ),
                output_field=models.TextField(),
            ),
        ),
        migrations.AlterField(
            model_name="installation",
            name="meter",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="installations",
                to="meters.meter",
            ),
        ),
        migrations.AlterField(
            model_name="installation",
            name="point",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="installations",
                to="meters.meteringpoint",
            ),
        ),
        migrations.AlterField(
            model_name="occupancy",
            name="customer",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="occupancies",
                to="meters.customer",
            ),
        ),
        migrations.AlterField(
            model_name="occupancy",
            name="point",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="occupancies",
                to="meters.meteringpoint",
            ),
        ),
        migrations.AddIndex(
            model_name="customer",
            index=models.Index(
                models.F("utility"),
                avlas.meters.reading_order.Kept("name_order"),
                models.F("id"),
                name="customer_by_name",
            ),
        ),
        migrations.AddIndex(
            model_name="meter",
            index=models.Index(
                condition=models.Q(("slot_seconds__lt", 1800)),
                fields=["utility", "id"],
                name="meter_priority",
            ),
        ),
        migrations.AddIndex(
            model_name="meteringpoint",
            index=models.Index(
                models.F("utility"),
                avlas.meters.reading_order.Kept("address_order"),
                models.F("id"),
                name="point_by_address",
            ),
        ),
        migrations.AddIndex(
            model_name="meteringpoint",
            index=models.Index(
                models.F("utility"),
                avlas.meters.reading_order.Kept("city_order"),
                avlas.meters.reading_order.Kept("address_order"),
                models.F("id"),
                name="point_by_city",
            ),
        ),
        migrations.AddIndex(
            model_name="meteringpoint",
            index=models.Index(
                models.F("utility"),
                avlas.meters.reading_order.Kept("district_order"),
                avlas.meters.reading_order.Kept("address_order"),
                models.F("id"),
                name="point_by_district",
            ),
        ),
    ]
