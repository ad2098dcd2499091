"""Tables of runs and step runs."""

from django.db import models

from arrivals import clock, ids
from arrivals.workflows.models import Version, Workflow


class Run(models.Model):
    """One execution of a workflow. The unique key, not a check, makes it one.

    ``kind`` and ``member`` say what it is for: an arrival ("in") or departure ("out") of a member, an event ("evt": its message),
    a moment of a schedule ("sch"), a delivery to its address ("web"), somebody's choice ("man"), a step of another run ("sub":
    run, step and turn), a failed run ("err").
    ``due`` is when it may be claimed; for a run that is being executed it is the end of its lease, so that a dead
    runner's work becomes due again by itself. ``step`` and ``turn`` are the place where it goes on: see ``program``. ``input`` is
    what the templates see: ``visitor``, ``account``, ``row``, ``arrival``. ``replay`` counts replays from the start.
    ``held_for`` says what a held run waits for.
    """

    class State(models.TextChoices):
        WAITING = "waiting"
        RUNNING = "running"
        DELAYED = "delayed"
        SCHEDULED = "scheduled"
        HELD = "held"
        SUCCEEDED = "succeeded"
        FILTERED = "filtered"
        HALTED = "halted"
        FAILED = "failed"
        CANCELLED = "cancelled"

    class HeldFor(models.TextChoices):
        CONNECTION = "connection"
        TASKS = "tasks"
        FLOOD = "flood"

    id = models.CharField(primary_key=True, max_length=40, default=ids.run, editable=False)
    workflow = models.ForeignKey(Workflow, on_delete=models.CASCADE)
    version = models.ForeignKey(Version, on_delete=models.RESTRICT)
    member = models.CharField(max_length=512)
    kind = models.CharField(max_length=3, default="in")
    entry = models.PositiveIntegerField()
    replay = models.PositiveIntegerField(default=0)
    replay_of = models.CharField(max_length=40, blank=True, default="")
    state = models.CharField(max_length=10, choices=State, default=State.WAITING)
    due = models.DateTimeField(null=True, default=clock.now)  # none once it has ended or is held
    owner = models.CharField(max_length=40, blank=True, default="")
    step = models.PositiveSmallIntegerField(default=0)
    turn = models.CharField(max_length=40, blank=True, default="", db_default="")
    tries = models.PositiveSmallIntegerField(default=0)  # of the present step
    input = models.JSONField(default=dict)
    error = models.JSONField(null=True)
    held_for = models.CharField(max_length=20, blank=True, default="", db_default="", choices=HeldFor)
    connection_id = models.CharField(max_length=40, blank=True, default="")  # that a held run waits for
    created_at = models.DateTimeField(default=clock.now)
    started_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["workflow", "member", "kind", "entry", "replay"], name="run_once"),
        ]
        indexes = [
            models.Index(fields=["due"], name="run_due", condition=models.Q(due__isnull=False)),
            models.Index(fields=["workflow", "id"], name="run_workflow"),
            models.Index(fields=["workflow", "member", "id"], name="run_member"),
        ]


class StepRun(models.Model):
    """One execution of one step, with masked inputs. A step that was tried several times is one row; one in a loop is a row for
    each ``turn``. "delayed" is a step that waits for something; "handled" one that failed and has an error branch, whose
    ``outputs`` are the error."""

    class Status(models.TextChoices):
        SUCCEEDED = "succeeded"
        FILTERED = "filtered"
        HALTED = "halted"
        FAILED = "failed"
        SCHEDULED = "scheduled"
        HELD = "held"
        DELAYED = "delayed"
        HANDLED = "handled"

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="steps")
    number = models.PositiveSmallIntegerField()
    turn = models.CharField(max_length=40, blank=True, default="", db_default="")
    step = models.CharField(max_length=60)  # the step's id in the definition
    status = models.CharField(max_length=10, choices=Status)
    tries = models.PositiveSmallIntegerField(default=1)
    inputs = models.JSONField(default=dict)
    outputs = models.JSONField(null=True)
    error = models.JSONField(null=True)
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["run", "number", "turn"], name="step_run_once")]


class ManualStart(models.Model):
    """A request to run a workflow for chosen visitors that named itself by a key, so that it is done once. ``asked`` is a digest of
    whom it was for; ``runs`` are the ids of its runs in the order of the visitors."""

    workflow = models.ForeignKey(Workflow, on_delete=models.CASCADE)
    key = models.CharField(max_length=255)
    asked = models.CharField(max_length=64)
    runs = models.JSONField(default=list)
    at = models.DateTimeField(default=clock.now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["workflow", "key"], name="manual_start_once")]


class Digest(models.Model):
    """What runs gather at a step of the type digest, for one ``key``, until it is released. There is one open one at most.

    ``keeper`` is the run that waits and goes on with all entries. ``due``: when it is released at the latest; ``need``: the number of
    entries at which it is; ``asked``: somebody wants it now.
    """

    id = models.CharField(primary_key=True, max_length=40, default=ids.digest, editable=False)
    workflow = models.ForeignKey(Workflow, on_delete=models.CASCADE)
    step = models.CharField(max_length=60)
    key = models.CharField(max_length=200, blank=True, default="")
    open = models.BooleanField(default=True)
    keeper = models.CharField(max_length=40)
    due = models.DateTimeField()
    need = models.PositiveIntegerField(null=True)
    asked = models.BooleanField(default=False)
    count = models.PositiveIntegerField(default=0)
    first_at = models.DateTimeField(null=True)
    last_at = models.DateTimeField(null=True)
    released_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["workflow", "step", "key"], name="digest_open_once", condition=models.Q(open=True)
            ),
        ]
        indexes = [models.Index(fields=["keeper"], name="digest_keeper")]


class DigestEntry(models.Model):
    """What one run gave to a digest, once. ``entry`` is null where there were too many to keep."""

    digest = models.ForeignKey(Digest, on_delete=models.CASCADE, related_name="entries")
    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="+")
    number = models.PositiveSmallIntegerField()  # of the step
    entry = models.JSONField(null=True)
    at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["run", "number"], name="digest_entry_once")]
