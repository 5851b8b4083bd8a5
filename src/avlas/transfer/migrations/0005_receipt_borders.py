"""A receipt says in which time its days begin."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("transfer", "0004_month_compared")]

    operations = [
        migrations.AddField(
            model_name="receipt",
            name="borders",
            field=models.CharField(blank=True, default="", max_length=60),
        )
    ]
