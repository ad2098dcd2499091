"""Tables of runs and step runs."""

from collections.abc import Mapping
from typing import Any

from django.db import models

from arrivals import clock, ids
from arrivals.accounts.models import Person
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
            # What is due of one workflow, in order; only runs that are under way are in it.
            models.Index(fields=["workflow", "due", "id"], name="run_due_of", condition=models.Q(due__isnull=False)),
            models.Index(fields=["workflow", "id"], name="run_workflow"),
            models.Index(fields=["workflow", "member", "id"], name="run_member"),
            models.Index(fields=["about", "id"], name="run_about"),
            # For the history. Of runs that are not under way, so that a run is put in when it ends and not at each step.
            models.Index(fields=["state", "id"], name="run_state", condition=SETTLED),
            models.Index(fields=["workflow", "state", "id"], name="run_workflow_state", condition=SETTLED),
            models.Index(fields=["workflow", "ended_at"], name="run_ended", condition=models.Q(ended_at__isnull=False)),
            models.Index(fields=["id"], name="run_error", condition=models.Q(error__isnull=False)),
            models.Index(fields=["workflow", "held_for"], name="run_held", condition=models.Q(state="held")),
        ]


BADLY = (Run.State.FAILED, Run.State.CANCELLED)
ENDED = (Run.State.SUCCEEDED, Run.State.FILTERED, Run.State.HALTED, *BADLY)


def about(input_: Mapping[str, Any], member: str) -> str:
    """Whom a run is about: the id of the visitor in its input, or else its member."""
    return str((input_.get("visitor") or {}).get("id") or member)[:512]


class StepRun(models.Model):
    """One execution of one step, with masked inputs. A step that was tried several times is one row; one in a loop is a row for
    each ``turn``. "delayed" is a step that waits for something; "handled" one that failed and has an error branch, whose
    ``outputs`` are the error. ``log``: its tries that failed, each with at, code and message; the first and the last ones where
    there are many."""

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
    log = models.JSONField(null=True)
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


class TaskCount(models.Model):
    """How many tasks a workflow did with an app on a day (of the workspace's zone). ``shard``: runners add to different rows.
    It stays when its workflow is deleted: the month's sum is what is paid for."""

    day = models.DateField()
    workflow_id = models.CharField(max_length=40)
    app = models.CharField(max_length=60)
    shard = models.PositiveSmallIntegerField(default=0)
    count = models.BigIntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["day", "workflow_id", "app", "shard"], name="task_count_once")]


class Gate(models.Model):
    """How much of a connection is in use, for all runners: see ``bucket``. ``closed_until``: the other product asked to wait."""

    connection_id = models.CharField(primary_key=True, max_length=40)
    state = models.JSONField(default=dict)
    closed_until = models.FloatField(default=0)  # seconds since 1970


class Notice(models.Model):
    """Something that people should know of. ``once`` names its cause, so that there is one notice for one cause.

    ``lines``: texts; one with an address is a list of both. ``workflows``: the ids of those that it is about.
    """

    id = models.CharField(primary_key=True, max_length=40, default=ids.notice, editable=False)
    kind = models.CharField(max_length=20)
    subject = models.CharField(max_length=300)
    lines = models.JSONField(default=list)
    workflows = models.JSONField(default=list)
    run = models.CharField(max_length=40, blank=True, default="", db_index=True)  # whose data the lines quote
    once = models.CharField(max_length=200, unique=True)
    at = models.DateTimeField(default=clock.now, db_index=True)


class NoticeTo(models.Model):
    """A notice to one person: on their page from now on, and by mail when ``due``; ``together`` with others of the hour.

    ``due`` is none once it was mailed, or when it is not to be; while a mail is being sent it is the end of the claim.
    """

    notice = models.ForeignKey(Notice, on_delete=models.CASCADE, related_name="to")
    person = models.ForeignKey(Person, on_delete=models.CASCADE, related_name="notices")
    together = models.BooleanField(default=False)
    due = models.DateTimeField(null=True)
    tries = models.PositiveSmallIntegerField(default=0)
    mailed_at = models.DateTimeField(null=True)
    error = models.CharField(max_length=300, blank=True, default="")
    seen_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["notice", "person"], name="notice_to_once")]
        indexes = [
            models.Index(fields=["due"], name="notice_to_due", condition=models.Q(due__isnull=False)),
            models.Index(fields=["person", "-id"], name="notice_to_person"),
        ]


class NoticeChoice(models.Model):
    """When a person wants notices by mail. Nobody without a row chose, so "at once" holds."""

    class When(models.TextChoices):
        AT_ONCE = "at_once"
        HOURLY = "hourly"
        NEVER = "never"

    person = models.OneToOneField(Person, on_delete=models.CASCADE, primary_key=True, related_name="+")
    when = models.CharField(max_length=10, choices=When, default=When.AT_ONCE)


class Failing(models.Model):
    """A workflow of which a run failed for good, and that is to be looked at: does it fail nearly always? See ``turn_off``."""

    workflow = models.OneToOneField(Workflow, on_delete=models.CASCADE, primary_key=True)
    at = models.DateTimeField(default=clock.now)


class BulkReplay(models.Model):
    """Many runs of one workflow run again, one after the other in the order of their ids. See ``replaying``.

    ``chosen``: which (as ``replaying.Choice``). ``last`` is the newest run there was when it was asked for: what comes later
    is not replayed. ``position`` is the last run that was looked at, moved in the transaction that replays it.
    """

    class State(models.TextChoices):
        RUNNING = "running"
        STOPPED = "stopped"
        DONE = "done"

    id = models.CharField(primary_key=True, max_length=40, default=ids.bulk_replay, editable=False)
    workflow = models.ForeignKey(Workflow, on_delete=models.CASCADE, related_name="replays")
    chosen = models.JSONField(default=dict)
    start = models.CharField(max_length=10)
    version = models.CharField(max_length=10)
    state = models.CharField(max_length=10, choices=State, default=State.RUNNING)
    total = models.PositiveBigIntegerField(default=0)
    replayed = models.PositiveBigIntegerField(default=0)
    refused = models.PositiveBigIntegerField(default=0)
    refusals = models.JSONField(default=list)  # the first ones: run and reason
    last = models.CharField(max_length=40)
    position = models.CharField(max_length=40, blank=True, default="")
    by = models.CharField(max_length=254, blank=True, default="")
    created_at = models.DateTimeField(default=clock.now)
    ended_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            # One at a time, so that no run is replayed by two.
            models.UniqueConstraint(fields=["workflow"], name="replay_running", condition=models.Q(state="running")),
        ]
