import django.db.models.deletion
from django.db import migrations, models

import arrivals.clock


def first_versions(apps, schema_editor):
    """What each segment is now, is its first version."""
    version = apps.get_model("audience", "SegmentVersion")
    for segment in apps.get_model("audience", "Segment").objects.all().iterator():
        version.objects.create(segment=segment, number=1, at=segment.updated_at, name=segment.name, rules=segment.rules)


class Migration(migrations.Migration):
    dependencies = [("audience", "0004_tags")]

    operations = [
        migrations.CreateModel(
            name="SegmentVersion",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("number", models.PositiveIntegerField()),
                ("at", models.DateTimeField(default=arrivals.clock.now)),
                ("who", models.CharField(blank=True, default="", max_length=254)),
                ("name", models.CharField(max_length=200)),
                ("rules", models.JSONField(default=dict)),
                ("restored", models.PositiveIntegerField(default=None, null=True)),
                (
                    "segment",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="versions", to="audience.segment"
                    ),
                ),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=("segment", "number"), name="segment_version")],
            },
        ),
        migrations.RunPython(first_versions, migrations.RunPython.noop),
    ]
