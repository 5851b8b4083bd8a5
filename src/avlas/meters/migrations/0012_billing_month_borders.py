from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("meters", "0011_reading_in_doubt")]

    operations = [
        migrations.AddField("billingmonth", "borders", models.CharField(default="standard", max_length=60)),
    ]
