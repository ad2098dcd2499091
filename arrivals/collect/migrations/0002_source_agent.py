from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("collect", "0001_initial")]

    operations = [
        migrations.AddField(model_name="source", name="agent", field=models.JSONField(default=dict)),
    ]
