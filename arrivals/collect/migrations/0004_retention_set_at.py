from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("collect", "0003_data"),
    ]

    operations = [
        migrations.AddField(
            model_name="source",
            name="retention_set_at",
            field=models.DateTimeField(default=None, null=True),
        ),
    ]
