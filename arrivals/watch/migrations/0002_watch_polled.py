from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("watch", "0001_initial")]

    operations = [migrations.AddField("watch", "polled_at", models.DateTimeField(null=True))]
