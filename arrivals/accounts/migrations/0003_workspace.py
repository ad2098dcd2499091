from django.db import migrations, models

import arrivals.clock


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0002_integration_keys"),
    ]

    operations = [
        migrations.CreateModel(
            name="Workspace",
            fields=[
                (
                    "id",
                    models.PositiveSmallIntegerField(default=1, editable=False, primary_key=True, serialize=False),
                ),
                ("time_zone", models.CharField(max_length=64)),
                ("week_starts", models.CharField(max_length=10)),
                ("changed_at", models.DateTimeField(default=arrivals.clock.now)),
            ],
        ),
    ]
