"""The tables of erasures, and of the nights in which what is too old is deleted."""

from django.db import models

from arrivals import clock, ids


class Erasure(models.Model):
    """One request to erase visitors or accounts. ``step`` is the number of steps that are done.

    ``members`` are the ids that were asked for, and from the first step on all ids that belong to them. They are
    personal data too: the last step empties it, and ``size`` is what remains. ``responses`` are the ids of the answers
    that visitors gave to surveys, which are members of reports of responses. ``due`` is when the next step may be
    taken; ``claim`` and ``claimed_until`` say who takes it.
    """

    class State(models.TextChoices):
        PENDING = "pending"
        RUNNING = "running"
        COMPLETE = "complete"

    id = models.CharField(primary_key=True, max_length=40, default=ids.erasure, editable=False)
    kind = models.CharField(max_length=10)  # visitor or account
    members = models.JSONField(default=list)
    responses = models.JSONField(default=list)
    size = models.PositiveIntegerField()
    step = models.PositiveSmallIntegerField(default=0)
    state = models.CharField(max_length=10, choices=State, default=State.PENDING)
    due = models.DateTimeField(null=True, default=clock.now)  # none once nothing is left to do
    claim = models.CharField(max_length=40, blank=True, default="")
    claimed_until = models.DateTimeField(null=True)
    error = models.TextField(blank=True, default="")  # why the last try of a step failed
    requested_by = models.CharField(max_length=254)
    created_at = models.DateTimeField(default=clock.now)
    started_at = models.DateTimeField(null=True)
    completed_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [models.Index(fields=["due"], name="erasure_due", condition=models.Q(due__isnull=False))]


class Night(models.Model):
    """One night's deletion of events that are older than their sources keep them. ``step`` is the number of steps done.

    ``cutoffs``: source -> milliseconds, before which its events go. ``dropped``: months that went as a whole. ``deleted``:
    how many events there were to delete.
    """

    day = models.DateField(primary_key=True)
    step = models.PositiveSmallIntegerField(default=0)
    cutoffs = models.JSONField(default=dict)
    deleted = models.BigIntegerField(default=0)
    dropped = models.JSONField(default=list)
    due = models.DateTimeField(null=True, default=clock.now)
    claim = models.CharField(max_length=40, blank=True, default="")
    claimed_until = models.DateTimeField(null=True)
    error = models.TextField(blank=True, default="")
    started_at = models.DateTimeField(null=True)
    completed_at = models.DateTimeField(null=True)
