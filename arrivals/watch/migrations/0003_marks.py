from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("watch", "0002_watch_polled")]

    operations = [
        migrations.AddField("watch", "seq", models.BigIntegerField(default=0)),
        migrations.AddField("watch", "epoch", models.CharField(blank=True, default="", max_length=64)),
        migrations.AddField("watch", "seen_at", models.DateTimeField(null=True)),
        migrations.AddField("watch", "meaning", models.CharField(blank=True, default="", max_length=64)),
        migrations.AddField("watch", "full_at", models.DateTimeField(null=True)),
        migrations.AddField("watch", "full_ms", models.PositiveIntegerField(default=0)),
        migrations.AddField("watch", "missed", models.PositiveIntegerField(default=0)),
        migrations.AddField("check", "candidates", models.BigIntegerField(null=True)),
        migrations.AddField("check", "why", models.CharField(blank=True, default="", max_length=20)),
        migrations.AddField("check", "missed", models.PositiveIntegerField(default=0)),
    ]
