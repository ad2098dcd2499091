"""Tables of connections and of the built-in inbox."""

from django.db import models

from arrivals import clock, ids


class Connection(models.Model):
    """Stored credentials for an app: ``secret`` is encrypted with the key named by ``key_id``."""

    class State(models.TextChoices):
        OK = "ok"
        STALE = "stale"

    id = models.CharField(primary_key=True, max_length=40, default=ids.connection, editable=False)
    app = models.CharField(max_length=60)
    name = models.CharField(max_length=200)
    secret = models.BinaryField()
    key_id = models.CharField(max_length=16)
    public = models.JSONField(default=dict)  # the fields that are not secret
    limits = models.JSONField(null=True)  # calls, seconds, at_once; none: those of the app
    state = models.CharField(max_length=10, choices=State, default=State.OK)
    reason = models.TextField(blank=True, default="")
    created_at = models.DateTimeField(default=clock.now)
    updated_at = models.DateTimeField(default=clock.now)


class InboxMessage(models.Model):
    """A message kept in the product. ``key`` is the call's idempotency key: a repeated call stores nothing."""

    id = models.CharField(primary_key=True, max_length=40, default=ids.message, editable=False)
    key = models.CharField(max_length=120, unique=True)
    channel = models.CharField(max_length=100, blank=True, default="")
    title = models.CharField(max_length=300, blank=True, default="")
    text = models.TextField()
    visitor = models.CharField(max_length=512, blank=True, default="")
    run_id = models.CharField(max_length=40, blank=True, default="")
    read_at = models.DateTimeField(null=True)
    at = models.DateTimeField(default=clock.now, db_index=True)
