import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


def owner() -> models.ForeignKey:
    return models.ForeignKey(
        null=True, on_delete=django.db.models.deletion.SET_NULL, related_name="+", to=settings.AUTH_USER_MODEL
    )


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0003_workspace"),
        ("audience", "0005_segment_versions"),
    ]

    operations = [
        migrations.AddField("report", "shared", models.BooleanField(default=True)),
        migrations.AddField("report", "owner", owner()),
        migrations.AddField("segment", "shared", models.BooleanField(default=True)),
        migrations.AddField("segment", "owner", owner()),
    ]
