"""Tables of the sources and of the imports into them."""

from django.db import models

from arrivals import clock, ids


class Source(models.Model):
    """A tracked product. The write key is public (it can only send events); of the track secret a hash is kept.

    ``agent`` holds the switches of the browser agent that were set (``arrivals.collect.switches``), by name.
    """

    id = models.CharField(primary_key=True, max_length=40, default=ids.source, editable=False)
    name = models.CharField(max_length=200)
    write_key = models.CharField(max_length=60, unique=True)
    track_secret_digest = models.CharField(max_length=64)
    track_secret_hint = models.CharField(max_length=40)
    agent = models.JSONField(default=dict)
    created_at = models.DateTimeField(default=clock.now)
    retention_days = models.PositiveIntegerField(null=True, default=None)  # none: events are kept for ever
    retention_set_at = models.DateTimeField(null=True, default=None)  # a night that began before does not obey it


class Import(models.Model):
    """One file sent into a source: found again by the digest of its bytes and of its map.

    ``offset`` counts the data rows that are settled (kept, repeated or refused), so that a later try goes on there.
    """

    class State(models.TextChoices):
        RUNNING = "running"
        DONE = "done"
        FAILED = "failed"  # an uploaded file that cannot be read; ``error`` says why

    id = models.CharField(primary_key=True, max_length=40, default=ids.file_import, editable=False)
    source = models.ForeignKey(Source, on_delete=models.CASCADE)
    filename = models.CharField(max_length=300)
    digest = models.CharField(max_length=64)
    mapping = models.JSONField(default=dict)
    state = models.CharField(max_length=10, choices=State, default=State.RUNNING)
    offset = models.BigIntegerField(default=0)
    kept = models.BigIntegerField(default=0)
    repeated = models.BigIntegerField(default=0)
    refused = models.BigIntegerField(default=0)
    created_at = models.DateTimeField(default=clock.now)
    finished_at = models.DateTimeField(null=True)
    # Of a file that was uploaded to this server: its length, how many bytes of it were read, and who reads it.
    uploaded = models.BooleanField(default=False)
    size = models.BigIntegerField(default=0)
    read = models.BigIntegerField(default=0)
    error = models.TextField(blank=True, default="")
    claim = models.CharField(max_length=40, blank=True, default="")
    claimed_until = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["source", "digest"], name="import_once")]
