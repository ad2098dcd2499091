"""Makes reports, workflows and visitors for tests of what comes after them."""

from datetime import timedelta
from typing import Any

from arrivals import clock
from arrivals.audience import reports, segments
from arrivals.audience.models import Report
from arrivals.warehouse.client import Warehouse
from arrivals.workflows import activation, workflows
from arrivals.workflows.models import Workflow
from tests import events

_moments = iter(range(10**9))


def report(name: str = "Pro") -> Report:
    """Those whose plan is pro: ``come`` puts visitors on it, ``leave`` takes them off."""
    rules = {"all": [{"any": [{"kind": "visitor", "field": "agent.plan", "op": "is", "value": "pro"}]}]}
    segment = segments.create(name, rules)
    columns = ["visitor.id", "visitor.agent.plan", {"count": "track", "name": "x", "as": "times"}]
    return reports.create({"name": name, "segment": segment.id, "range": {"ever": True}, "columns": columns})


def come(store: Warehouse, *visitors: str) -> None:
    for visitor in visitors:
        events.add(store, (visitor, "track", "x", clock.now()))
        events.metadata(store, visitor, clock.now() + timedelta(milliseconds=next(_moments)), plan="pro")


def leave(store: Warehouse, *visitors: str) -> None:
    for visitor in visitors:
        events.metadata(store, visitor, clock.now() + timedelta(milliseconds=next(_moments)), plan="free")


def post(text: str = "{{ visitor.id }}", id_: str = "tell") -> dict[str, Any]:
    return {"id": id_, "type": "action", "app": "inbox", "action": "post_message", "inputs": {"text": text}}


def call(url: str, id_: str = "call", **inputs: Any) -> dict[str, Any]:
    given = {"url": url, "body": {"visitor": "{{ visitor.id }}"}, **inputs}
    return {"id": id_, "type": "action", "app": "webhook", "action": "send", "inputs": given}


def definition(report_: Report, *steps: dict[str, Any], **more: Any) -> dict[str, Any]:
    trigger = {"kind": "visitor_in_report", "report": report_.id}
    return {"name": "Tell", "trigger": trigger, "steps": list(steps) or [post()], **more}


def workflow(report_: Report, *steps: dict[str, Any], **more: Any) -> Workflow:
    return workflows.create(definition(report_, *steps, **more))


def on(trigger: dict[str, Any], *steps: dict[str, Any], **more: Any) -> Workflow:
    """A workflow with a trigger that has no report, turned on."""
    made = workflows.create({"name": "Tell", "trigger": trigger, "steps": list(steps) or [post("x")], **more})
    activation.activate(made.id)
    return workflows.get(made.id)
