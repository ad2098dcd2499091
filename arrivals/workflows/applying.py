"""Files become what is there: a plan of what would be made and changed, and doing it. Blocks.

Applying the same twice changes nothing. What is no longer in the files stays.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import transaction

from arrivals.audience import members, reports, segments, sharing
from arrivals.audience.compiler import Query
from arrivals.audience.models import Report, Segment
from arrivals.errors import ArrivalsError, Conflict, InvalidDefinition
from arrivals.watch import ledger
from arrivals.watch.models import Arrival
from arrivals.workflows import activation, comparing, definitions, references, triggers, workflows
from arrivals.workflows.documents import OWN, STATES, Document, File, read
from arrivals.workflows.exporting import LONGEST_KEY, REPORT, slug
from arrivals.workflows.models import Workflow


@dataclass
class Item:
    """One thing of the files and what becomes of it. ``action``: make, change or leave."""

    kind: str
    name: str
    id: str
    action: str
    place: str
    key: str | None = None
    changes: list[dict[str, Any]] = field(default_factory=list)
    text: list[str] = field(default_factory=list)
    turn: "Turn | None" = None
    publish: bool = False  # of a workflow that is there: its draft is to be put in force


@dataclass
class Turn:
    """How the state of a workflow changes, or who is asked about when another trigger is published (then both are the same)."""

    was: str
    to: str
    existing: Any
    count: Callable[[], tuple[int, int]]
    on_report: int = 0
    will_run: int = 0


def apply(files: Sequence[File], *, plan: bool = False, by: str = "", note: str = "") -> list[Item]:
    """Make and change what the files say, or with ``plan`` say what that would be.

    1. In one transaction: segments and reports, new workflows (off), and the drafts of changed ones. A plan is this,
       undone; so it is what would be done, and everything is checked.
    2. Publish the drafts, turn on, resume, pause: each by itself, with the question of activation answered by ``existing``.
    Stopped between two of them, applying the same files again goes on there.

    Raises:
        InvalidDefinition, InvalidRules, InvalidReport, Conflict: with the file and the path. Nothing is changed by step 1 then.
    """
    documents, said = read(files), workflows.noted(note)
    with transaction.atomic():
        items: list[Item] = [_placed(one, _DO[one.kind], one, by) for one in documents]
        if plan:
            transaction.set_rollback(True)
    for item in items:
        if item.turn is not None:
            item.turn.on_report, item.turn.will_run = item.turn.count()
    if not plan:
        for item in items:
            _placed(item, _finish, item, by, said)
    return items


def as_dict(item: Item) -> dict[str, Any]:
    """kind, name, key, id (null for what is not made yet, in a plan), action, changes, text, file, and turn: from, to,
    existing, on_report, will_run; null where the state stays."""
    turn = item.turn
    return {
        "kind": item.kind,
        "name": item.name,
        "key": item.key,
        "id": item.id,
        "action": item.action,
        "changes": item.changes,
        "text": item.text,
        "file": item.place,
        "turn": turn
        and {
            "from": turn.was,
            "to": turn.to,
            "existing": turn.existing,
            "on_report": turn.on_report,
            "will_run": turn.will_run,
        },
    }


def _placed(where: Document | Item, do: Callable[..., Any], *arguments: Any) -> Any:
    """What is refused says which file it stands in."""
    try:
        return do(*arguments)
    except ArrivalsError as error:
        path = f"{where.place}: {error.path}" if error.path else where.place
        raise type(error)(error.message, path=path, retry_after=error.retry_after) from error


def _segment(document: Document, by: str) -> Item:
    name, rules = document.data["name"], references.resolved(document.data.get("rules", {"all": []}))
    found = _one(sharing.visible(Segment.objects.filter(name=name)), "segment", name)
    if found is None:
        made = segments.create(name, rules, who=by)
        return Item("segment", name, made.id, "make", document.place)
    changes = list(comparing.fields({"rules": found.rules}, {"rules": rules}))
    if changes:
        segments.change(found.id, rules=rules, who=by)
    return _item("segment", found, changes, document)


def _report(document: Document, by: str) -> Item:
    given = references.resolved(document.data)
    found = _one(sharing.visible(Report.objects.filter(name=given["name"], standing=None)), "report", given["name"])
    if found is None:
        made = reports.create(given)
        return Item("report", made.name, made.id, "make", document.place)
    data = reports.as_dict(found)
    current = {key: data[key] for key in REPORT if key in data}
    changes = list(comparing.fields(current, {**current, **given}))
    if changes:
        reports.change(found.id, {**current, **given})
    return _item("report", found, changes, document)


def _workflow(document: Document, by: str) -> Item:
    own = {key: document.data[key] for key in OWN if key in document.data}
    given = references.resolved({key: value for key, value in document.data.items() if key not in OWN})
    key, state, existing = _key(own.get("key")), own.get("state"), own.get("existing", "skip")
    if state is not None and state not in STATES:
        raise InvalidDefinition(f"It must be one of {', '.join(STATES)}.", path="state")
    since = activation.moment_of(existing)
    found = _stored(key, document.data["name"])
    if found is None:
        made = workflows.create(given, by=by)
        Workflow.objects.filter(pk=made.pk).update(key=key)
        item = Item("workflow", made.name, made.id, "make", document.place, key)
        item.turn = _turn(made, given["trigger"], state, existing, since, moved=False)
        return item
    if key and found.key is None:
        Workflow.objects.filter(pk=found.pk).update(key=key)
    data = definitions.validate(given)
    running = found.version.definition if found.version else {}
    compared = comparing.between(running, data)
    item = Item("workflow", data["name"], found.pk, "leave", document.place, key or found.key)
    if not compared["same"]:
        item.action, item.changes, item.text, item.publish = "change", compared["changes"], compared["text"], True
        if found.draft is not None and found.draft != data:
            item.text.append(f"The draft of {found.draft_by or 'somebody'} is replaced.")
        workflows.save_draft(found.pk, data, by=by)
    item.turn = _turn(found, data["trigger"], state, existing, since, moved=workflows.asks(found, data))
    return item


_DO: dict[str, Callable[[Document, str], Item]] = {"segment": _segment, "report": _report, "workflow": _workflow}


def _item(kind: str, found: Report | Segment, changes: list[dict[str, Any]], document: Document) -> Item:
    text = [f"{comparing.sentence(one)}." for one in changes]
    return Item(kind, found.name, found.id, "change" if changes else "leave", document.place, None, changes, text)


def _one(found: Any, kind: str, name: str) -> Any:
    same = list(found[:6])
    if len(same) > 1:
        raise Conflict(f"{len(same)} {kind}s are called {name!r:.80}; give them names of their own first.")
    return same[0] if same else None


def _stored(key: str | None, name: str) -> Workflow | None:
    """The workflow of the key; without it that of the name, which must be one: with a key only one that has none yet."""
    known = Workflow.objects.select_related("version", "report")
    if key and (found := known.filter(key=key).first()):
        return found
    same = known.filter(name=name)
    stored: Workflow | None = _one(same.filter(key=None) if key else same, "workflow", name)
    return stored


def _key(key: Any) -> str | None:
    if key is None:
        return None
    if (
        not isinstance(key, str)
        or not 0 < len(key) <= LONGEST_KEY
        or slug(key.replace("_", "-")) != key.replace("_", "-")
    ):
        raise InvalidDefinition(
            f"It must be 1 to {LONGEST_KEY - 5} small letters, digits, hyphens or underscores.", path="key"
        )
    return key


def _turn(
    workflow: Workflow,
    trigger: dict[str, Any],
    state: str | None,
    existing: Any,
    since: datetime | None,
    *,
    moved: bool,
) -> Turn | None:
    """What happens to the state; None where it stays and nobody is asked about."""
    was = workflow.state
    if state in ("paused", "off") and was == Workflow.State.ON:
        return Turn(was, Workflow.State.PAUSED, "skip", lambda: (0, 0))
    turned = state == "on" and was != Workflow.State.ON
    if not turned and not moved:
        return None
    to = Workflow.State.ON if turned else was
    if turned and not moved and was == Workflow.State.PAUSED:
        return Turn(was, to, existing, lambda: _missed(workflow, existing, since))
    report_id, direction = triggers.report(trigger), triggers.of(trigger).direction
    if existing != "skip" and (report_id is None or direction == Arrival.Kind.OUT):
        raise InvalidDefinition(
            'Nobody is there already for whom it could run at once; allowed is "skip".', path="existing"
        )
    if report_id is None:
        return Turn(was, to, existing, lambda: (0, 0))
    report = reports.get(report_id)
    ids = members.of(report).ids
    past = activation.past(report, since) if since else None
    return Turn(was, to, existing, lambda: _counted(ids, past, existing))


def _counted(ids: Query, past: Query | None, existing: Any) -> tuple[int, int]:
    on_report = ledger.number(ids)
    if existing == "skip":
        return on_report, 0
    return on_report, ledger.difference(ids, past) if past else on_report


def _missed(workflow: Workflow, existing: Any, since: datetime | None) -> tuple[int, int]:
    found = activation.numbers(workflow.pk, since=existing["since"] if since else None)
    choice = "since" if since else existing
    return int(found["on_report"]), int(found["will_run"][choice] or 0)


def _finish(item: Item, by: str, note: str) -> None:
    """Step 2 of ``apply``, of one workflow."""
    turn = item.turn
    if item.publish:
        existing = turn.existing if turn else "skip"
        workflow = workflows.get(item.id)
        asked = workflow.draft is not None and workflows.asks(workflow, workflow.draft)
        workflows.publish(item.id, existing=existing if asked else "skip", by=by, note=note)
        if turn and asked and turn.to != turn.was and turn.to == Workflow.State.ON:
            activation.resume(item.id, "skip", by=by)  # those of its new report were asked about just now
            return
    if turn is None or turn.to == turn.was:
        return
    if turn.to == Workflow.State.PAUSED:
        activation.pause(item.id)
    elif turn.was == Workflow.State.PAUSED:
        activation.resume(item.id, turn.existing, by=by)
    else:
        activation.activate(item.id, turn.existing, by=by)
