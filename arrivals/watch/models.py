"""Tables of what is watched and what was seen."""

from django.db import models

from arrivals import clock
from arrivals.audience.models import Report


class Watch(models.Model):
    """One watched report. ``claim`` and ``claimed_until`` say who looks at it now; one at a time.

    ``ledger_seq`` is the last arrival that is known to be in the ledger: a crash between storing arrivals and
    appending them to the ledger is mended from there.

    ``seq``, ``epoch``, ``seen_at`` and ``meaning`` are what the last good check saw: see ``marks``. They change together
    with ``checked_at`` and never alone.
    """

    report = models.OneToOneField(Report, on_delete=models.CASCADE, primary_key=True)
    active = models.BooleanField(default=False)  # whether it is checked by itself
    minutes = models.PositiveSmallIntegerField(default=5)
    next_due = models.DateTimeField(default=clock.now)
    claim = models.CharField(max_length=40, blank=True, default="")
    claimed_until = models.DateTimeField(null=True)
    baseline_at = models.DateTimeField(null=True)  # when the first snapshot was taken
    ledger_seq = models.BigIntegerField(default=0)
    checked_at = models.DateTimeField(null=True)
    polled_at = models.DateTimeField(null=True)  # when somebody outside last asked who is on it
    on_report = models.BigIntegerField(default=0)
    errors = models.PositiveIntegerField(default=0)  # in a row
    error = models.TextField(blank=True, default="")
    seq = models.BigIntegerField(default=0)  # everything with a lower number in ``recent`` was seen
    epoch = models.CharField(max_length=64, blank=True, default="")
    seen_at = models.DateTimeField(null=True)  # the moment that the last good check asked about
    meaning = models.CharField(max_length=64, blank=True, default="")  # of the definition then
    full_at = models.DateTimeField(null=True)  # when everybody was looked at last
    full_ms = models.PositiveIntegerField(default=0)  # the time that it took
    missed = models.PositiveIntegerField(default=0)  # changes that only a look at everybody found, ever

    class Meta:
        indexes = [models.Index(fields=["active", "next_due"], name="watch_due")]


class Arrival(models.Model):
    """A member newly on a report ("in") or no longer on it ("out"). ``id`` grows in the order they were stored
    for one report, so that a cursor over it misses nothing. ``entry`` counts the member's times on the report."""

    class Kind(models.TextChoices):
        IN = "in"
        OUT = "out"

    id = models.BigAutoField(primary_key=True)
    report = models.ForeignKey(Report, on_delete=models.CASCADE)
    member = models.CharField(max_length=512)
    kind = models.CharField(max_length=3, choices=Kind)
    entry = models.PositiveIntegerField()
    at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["report", "member", "kind", "entry"], name="arrival_once"),
        ]
        indexes = [models.Index(fields=["report", "id"], name="arrival_report")]


class Check(models.Model):
    """One look at a report, kept for its page: what it found or why it failed. ``ms`` is the time it took.

    ``candidates`` is how many ids of visitors were looked at, null for everybody; ``why`` is then the reason for that (see
    ``marks.REASONS``). ``missed``: changes that should have been found by a check before.
    """

    report = models.ForeignKey(Report, on_delete=models.CASCADE)
    at = models.DateTimeField(default=clock.now)
    on_report = models.BigIntegerField(default=0)
    entered = models.BigIntegerField(default=0)
    left = models.BigIntegerField(default=0)
    ms = models.PositiveIntegerField(default=0)
    error = models.TextField(blank=True, default="")
    candidates = models.BigIntegerField(null=True)
    why = models.CharField(max_length=20, blank=True, default="")
    missed = models.PositiveIntegerField(default=0)

    class Meta:
        indexes = [models.Index(fields=["report", "at"], name="check_report")]
