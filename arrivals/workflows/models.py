"""Tables of workflows, their versions and their activations."""

from django.db import models

from arrivals import clock, ids
from arrivals.audience.models import Report


class Workflow(models.Model):
    """A trigger, then steps. ``draft`` is the definition being edited; ``version`` is the one that runs.

    ``revision`` grows with each change of the draft or of what runs: who saves says which one they began from.
    ``key`` is the name that a file calls it by, whatever its name is now; none for those that no file made.
    ``start_seq`` is the last arrival of the report before the activation: what came earlier belongs to the
    snapshot. ``cursor`` is the last arrival that was looked at.
    """

    class State(models.TextChoices):
        OFF = "off"
        ON = "on"
        PAUSED = "paused"

    id = models.CharField(primary_key=True, max_length=40, default=ids.workflow, editable=False)
    name = models.CharField(max_length=200)
    state = models.CharField(max_length=10, choices=State, default=State.OFF)
    reason = models.TextField(blank=True, default="")  # why it was paused, when not by a person
    override = models.BooleanField(default=False, db_default=False)  # stays on however many of its runs fail
    off_due = models.DateTimeField(null=True)  # when it is turned off, if it fails nearly always until then
    key = models.CharField(max_length=100, null=True, unique=True, default=None)
    draft = models.JSONField(null=True)
    draft_by = models.CharField(max_length=254, blank=True, default="", db_default="")
    draft_at = models.DateTimeField(null=True)
    revision = models.PositiveIntegerField(default=1, db_default=1)
    version = models.ForeignKey("Version", on_delete=models.PROTECT, null=True, related_name="+")
    report = models.ForeignKey(Report, on_delete=models.PROTECT, null=True)  # of the version that runs
    start_seq = models.BigIntegerField(default=0)
    cursor = models.BigIntegerField(default=0)
    concurrency = models.PositiveIntegerField(
        default=0, db_default=0
    )  # of the version that runs; 0: any number at once
    # Arrivals that came at once: since when they are counted, and how many came since.
    burst_at = models.DateTimeField(null=True)
    chosen_seq = models.BigIntegerField(default=0, db_default=0)  # the last arrival that a person has chosen to run
    burst = models.PositiveIntegerField(default=0, db_default=0)
    activated_at = models.DateTimeField(null=True)
    paused_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(default=clock.now)
    updated_at = models.DateTimeField(default=clock.now)
    pinned = models.CharField(max_length=512, blank=True, default="", db_default="")  # the visitor that tests are for


class Version(models.Model):
    """A published definition; never changed. Runs finish on the version they started with.

    ``note``: what who published it said of it. ``restored``: the number of the earlier version that it is again.
    """

    workflow = models.ForeignKey(Workflow, on_delete=models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField()
    definition = models.JSONField()
    note = models.TextField(blank=True, default="", db_default="")
    restored = models.PositiveIntegerField(null=True, default=None)
    created_by = models.CharField(max_length=254, blank=True, default="")
    created_at = models.DateTimeField(default=clock.now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["workflow", "number"], name="version_once")]


class Activation(models.Model):
    """The choice made when a workflow was activated or resumed, with its numbers.

    With "run" or "since" the chosen members stand in the warehouse (table ``activation_members``) under this id
    before the row is stored; the engine makes their runs in the order of the member key and keeps ``position``, so
    that a crash repeats nothing. ``done`` is true when all of them have a run.
    """

    class Kind(models.TextChoices):
        ACTIVATE = "activate"
        RESUME = "resume"
        PUBLISH = "publish"

    id = models.CharField(primary_key=True, max_length=40, default=ids.activation, editable=False)
    workflow = models.ForeignKey(Workflow, on_delete=models.CASCADE)
    kind = models.CharField(max_length=10, choices=Kind)
    existing = models.JSONField()  # "skip", "run" or {"since": T}
    on_report = models.BigIntegerField(default=0)
    will_run = models.BigIntegerField(default=0)
    position = models.CharField(max_length=24, blank=True, default="")  # last member key done, in decimal
    done = models.BooleanField(default=True)
    by = models.CharField(max_length=254, blank=True, default="")
    at = models.DateTimeField(default=clock.now)

    class Meta:
        indexes = [models.Index(fields=["done", "at"], name="activation_open")]


class Address(models.Model):
    """The address at which a workflow is called, ``/hooks/{token}``. ``secret``: what deliveries are signed with, encrypted, by the
    key ``secret_key_id``; none: not made yet."""

    workflow = models.OneToOneField(Workflow, on_delete=models.CASCADE, related_name="address")
    token = models.CharField(max_length=64, unique=True)
    secret = models.BinaryField(null=True)
    secret_key_id = models.CharField(max_length=16, blank=True, default="")
    made_at = models.DateTimeField(default=clock.now)


class Delivery(models.Model):
    """What was sent to a workflow's address and has no run yet: "new" is about to run, "kept" came while the workflow was paused,
    "sample" while it was off. ``key`` makes it one, however often it is sent; a sample has none. ``run`` is the id that its run
    will have, on ``version``. ``content`` is what templates see as ``webhook``."""

    class State(models.TextChoices):
        NEW = "new"
        KEPT = "kept"
        SAMPLE = "sample"

    id = models.CharField(primary_key=True, max_length=40, default=ids.delivery, editable=False)
    workflow = models.ForeignKey(Workflow, on_delete=models.CASCADE)
    version = models.ForeignKey(Version, on_delete=models.CASCADE, null=True)
    state = models.CharField(max_length=10, choices=State)
    key = models.CharField(max_length=255, null=True)
    run = models.CharField(max_length=40, blank=True, default="")
    content = models.JSONField(default=dict)
    at = models.DateTimeField(default=clock.now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["workflow", "key"], name="delivery_once")]
        indexes = [
            models.Index(fields=["id"], name="delivery_new", condition=models.Q(state="new")),
            models.Index(fields=["workflow", "state", "id"], name="delivery_state"),
        ]


class Timetable(models.Model):
    """When a workflow with a schedule runs next (``due``), told in ``zone``; ``last`` is its newest moment that ran. ``skipped`` says
    which moments did not run, and why."""

    workflow = models.OneToOneField(Workflow, on_delete=models.CASCADE, related_name="timetable")
    due = models.DateTimeField()
    zone = models.CharField(max_length=64)
    last = models.DateTimeField(null=True)
    skipped = models.TextField(blank=True, default="")

    class Meta:
        indexes = [models.Index(fields=["due"], name="timetable_due")]


class StepTest(models.Model):
    """The last time that somebody tried a step out. ``digest`` says which form of the step that was: when it is another one by
    now, the step is untested. ``status``: succeeded, filtered, skipped, dry, or failed. Never counted, never part of a run."""

    workflow = models.ForeignKey(Workflow, on_delete=models.CASCADE, related_name="tests")
    step = models.CharField(max_length=60)
    digest = models.CharField(max_length=32)
    status = models.CharField(max_length=10)
    note = models.CharField(max_length=500, blank=True, default="")
    inputs = models.JSONField(default=dict)
    outputs = models.JSONField(null=True)
    error = models.JSONField(null=True)
    visitor = models.CharField(max_length=512, blank=True, default="")
    ms = models.PositiveIntegerField(default=0)
    by = models.CharField(max_length=254, blank=True, default="")
    at = models.DateTimeField(default=clock.now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["workflow", "step"], name="step_test_once")]
