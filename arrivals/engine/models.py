"""Tables of runs and step runs."""

from collections.abc import Mapping
from typing import Any

from django.db import models

from arrivals import clock, ids
from arrivals.workflows.models import Version, Workflow

# In the history, and not waiting for a runner or at one.
SETTLED = models.Q(trimmed=False) & ~models.Q(state__in=["waiting", "running"])


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
    about = models.CharField(max_length=512, blank=True, default="", db_default="")  # its visitor, or else its member
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
    trimmed = models.BooleanField(default=False, db_default=False)  # what it said is forgotten: it was too long ago

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["workflow", "member", "kind", "entry", "replay"], name="run_once"),
        ]
        indexes = [
            models.Index(fields=["due"], name="run_due", condition=models.Q(due__isnull=False)),
            models.Index(fields=["workflow", "id"], name="run_workflow"),
            models.Index(fields=["workflow", "member", "id"], name="run_member"),
            models.Index(fields=["about", "id"], name="run_about"),
            # For the history. Of runs that are not under way, so that a run is put in when it ends and not at each step.
            models.Index(fields=["state", "id"], name="run_state", condition=SETTLED),
            models.Index(fields=["workflow", "state", "id"], name="run_workflow_state", condition=SETTLED),
        ]


def about(input_: Mapping[str, Any], member: str) -> str:
    """Whom a run is about: the id of the visitor in its input, or else its member."""
    return str((input_.get("visitor") or {}).get("id") or member)[:512]


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


class Cursor(models.Model):
    """How far something that comes in was looked at: events ("events"), or what happened on a report (its id).

    ``owner`` does it until ``lease``, and then whoever takes it. Of events: all that were received before ``received`` (in
    milliseconds since 1970) were looked at; of a report: all arrivals up to ``seq``.
    """

    name = models.CharField(primary_key=True, max_length=40)
    owner = models.CharField(max_length=40, blank=True, default="")
    lease = models.DateTimeField(null=True)
    seq = models.BigIntegerField(default=0)
    received = models.BigIntegerField(default=0)


class Started(models.Model):
    """When a workflow on events last ran for a visitor: what its re-entry policy asks. ``at`` is when the event was received."""

    workflow = models.ForeignKey(Workflow, on_delete=models.CASCADE)
    visitor = models.CharField(max_length=512)
    at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["workflow", "visitor"], name="started_once")]
        indexes = [models.Index(fields=["visitor"], name="started_visitor")]


class Wait(models.Model):
    """A run's step that waits: for an event of ``visitor`` that matches ``data``, whose digest is ``rule``; or, with a ``report``,
    for the departure of ``visitor`` from it after its ``entry``th time.

    ``since`` is when the step began. ``fresh``: what happened before the row was there was not asked for yet. ``event`` is what
    happened; then the run is due.
    """

    run = models.ForeignKey(Run, on_delete=models.CASCADE)
    number = models.PositiveSmallIntegerField()
    turn = models.CharField(max_length=40, blank=True, default="")
    rule = models.CharField(max_length=64, blank=True, default="")
    data = models.JSONField(null=True)
    report_id = models.CharField(max_length=40, blank=True, default="")
    visitor = models.CharField(max_length=512)
    entry = models.PositiveIntegerField(default=0)
    since = models.DateTimeField()
    until = models.DateTimeField()
    fresh = models.BooleanField(default=True)
    event = models.JSONField(null=True)

    class Meta:
        db_table = "engine_wait"
        constraints = [models.UniqueConstraint(fields=["run", "number", "turn"], name="wait_once")]
        indexes = [
            models.Index(fields=["report_id", "rule", "visitor"], name="wait_for"),
            models.Index(fields=["visitor"], name="wait_visitor"),
            models.Index(fields=["id"], name="wait_fresh", condition=models.Q(fresh=True)),
        ]


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
