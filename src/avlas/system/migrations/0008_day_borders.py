from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("system", "0007_handing_on")]

    operations = [
        migrations.AddField(
            "utility",
            "day_borders",
            models.CharField(
                choices=[
                    ("standard", "in standard time (UTC+1) all year"),
                    ("Europe/Stockholm", "at midnight in civil time (Sweden)"),
                ],
                default="standard",
                max_length=60,
            ),
        ),
    ]
