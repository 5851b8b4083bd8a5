from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("failing_app", "0001_harm")]
    operations = [migrations.RunSQL("UPDATE no_such_table SET x = 1")]
