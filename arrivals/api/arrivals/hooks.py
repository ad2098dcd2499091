"""/hooks: subscriptions of other programs. Each is a workflow that delivers to one address.

So its snapshot, its tries, its history and its pause are those of every workflow.
"""

import secrets
from typing import Any
from urllib.parse import urlsplit

from django.http import HttpRequest
from ninja import Router, Status

from arrivals import config
from arrivals.accounts import audit
from arrivals.api.arrivals.auth import READ, WRITE, caller
from arrivals.api.arrivals.bodies import Body
from arrivals.apps import connections
from arrivals.apps.models import Connection
from arrivals.audience import reports
from arrivals.errors import Invalid, NotFound
from arrivals.workflows import activation, triggers, workflows
from arrivals.workflows.models import Workflow

router = Router()
LONGEST_URL = 2000


class HookBody(Body):
    target_url: str
    event: str
    report: str | None = None
    survey: str | None = None


@router.get("", auth=READ, response=dict[str, Any])
def list_hooks(request: HttpRequest) -> dict[str, Any]:
    """The subscriptions, newest first."""
    return {"items": [_shown(one) for one in workflows.all_workflows() if _is_hook(one)], "next": None}


@router.post("", auth=WRITE, response={201: dict[str, Any]})
def create_hook(request: HttpRequest, body: HookBody) -> Any:
    """Subscribe an address: who is on the report now starts nothing. `secret` is in this one answer only."""
    url = _url(body.target_url)
    kind = triggers.KINDS.get(body.event)
    if kind is None:
        raise Invalid(f"It must be one of {', '.join(triggers.KINDS)}.", path="event")
    if kind.report_kind == "response":
        trigger: dict[str, Any] = {"kind": kind.id, "survey": body.survey or "nps"}
        about = trigger["survey"]
    else:
        trigger = {"kind": kind.id, "report": body.report}
        about = reports.get(body.report or "").name
    who = caller(request)
    secret = secrets.token_urlsafe(32)
    name = f"Subscription: {about}"[:200]
    fields = {"url": url, "secret": secret, "key": who.key}
    connection = connections.create("hook", name, {key: value for key, value in fields.items() if value})
    step = {"id": "deliver", "type": "action", "app": "hook", "action": "deliver", "connection": connection.id}
    definition = {
        "name": name,
        "trigger": trigger,
        "reentry": "never" if kind.direction == "in" else "each_return",
        "steps": [{**step, "inputs": {"event": body.event}}],
    }
    made: Workflow | None = None
    try:
        made = workflows.create(definition, by=who.who)
        activation.activate(made.id, by=who.who)
    except Exception:  # nothing half done: what it was is told on
        if made is not None:
            workflows.delete(made.id)
        connection.delete()
        raise
    audit.note(who.who, "hook.create", made.id, event=body.event)
    return Status(201, {**_shown(workflows.get(made.id)), "secret": secret})


@router.delete("/{hook_id}", auth=WRITE, response={204: None})
def delete_hook(request: HttpRequest, hook_id: str) -> Any:
    """Unsubscribe: nothing is delivered from now on."""
    workflow = workflows.get(hook_id)
    if not _is_hook(workflow):
        raise NotFound(f"There is no subscription {hook_id!r:.60}.")
    connection = _step(workflow).get("connection")
    if workflow.state == Workflow.State.ON:
        activation.pause(hook_id, reason="The subscriber has unsubscribed.")
    workflows.delete(hook_id)
    Connection.objects.filter(pk=connection, app="hook").delete()
    audit.note(caller(request).who, "hook.delete", hook_id)
    return Status(204, None)


def _url(text: str) -> str:
    try:
        parts = urlsplit(text)
        fits = bool(parts.hostname) and len(text) <= LONGEST_URL
    except ValueError:
        fits, parts = False, urlsplit("")
    schemes = ("https", "http") if config.current().allow_private_networks else ("https",)
    if not fits or parts.scheme not in schemes or parts.username is not None:
        raise Invalid(f"It must be an address that begins with {' or '.join(schemes)}://.", path="target_url")
    return text


def _step(workflow: Workflow) -> dict[str, Any]:
    steps = (workflow.version.definition if workflow.version else {}).get("steps") or [{}]
    return dict(steps[0])


def _is_hook(workflow: Workflow) -> bool:
    return _step(workflow).get("app") == "hook"


def _shown(workflow: Workflow) -> dict[str, Any]:
    trigger = workflow.version.definition["trigger"] if workflow.version else {}
    return {
        "id": workflow.id,
        "name": workflow.name,
        "event": trigger.get("kind"),
        "report": workflow.report_id,
        "survey": trigger.get("survey"),
        "state": workflow.state,
        "reason": workflow.reason,
    }
