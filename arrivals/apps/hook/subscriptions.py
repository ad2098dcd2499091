"""Subscriptions: workflows with one step that posts each arrival to whoever subscribed. Blocks.

Being a workflow, a subscription has its snapshot, exactly one run for an arrival, tries, pause and history from there.
Its address and secret are a connection, encrypted like all others.
"""

import secrets
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from arrivals import clock, config
from arrivals.apps import addresses, connections
from arrivals.apps.hook import ending
from arrivals.apps.hook.ending import APP
from arrivals.apps.models import Connection
from arrivals.audience import reports
from arrivals.engine.models import Run
from arrivals.errors import Invalid, InvalidDefinition, NotFound
from arrivals.workflows import activation, triggers, workflows
from arrivals.workflows.models import Workflow

STEP = "deliver"
NAMED = "Subscription"
SURVEY = "nps"  # the one that is meant where none is named
LONGEST_URL = 2000


@dataclass(frozen=True)
class Wanted:
    """What somebody subscribes to. ``event`` is a kind of trigger, with its ``report`` or ``survey``. ``reentry`` is that
    of a workflow: where left out, never, and each time for those who leave. ``name`` is that of the subscriber; ``key``
    the id of the integration key."""

    target_url: str
    event: str
    report: str | None = None
    survey: str | None = None
    reentry: Any = None
    name: str = NAMED
    key: str = ""


def subscribe(wanted: Wanted, *, by: str) -> tuple[Workflow, str]:
    """Make a subscription and return it with its signing secret, which is shown this once.

    Those on the report now are the snapshot: they are not posted. Nothing is left of one that cannot be activated.

    Raises:
        Invalid: the address, the event, or what it is about. NotFound: no such report. CheckTimeout.
    """
    address(wanted.target_url)
    events = {one.id: one for one in triggers.KINDS.values() if one.report_kind}
    kind = events.get(wanted.event)
    if kind is None:
        raise Invalid(f"It must be one of {', '.join(events)}.", path="event")
    trigger, about = _trigger(kind, wanted)
    reentry = wanted.reentry or ("never" if kind.direction == "in" else "each_return")
    secret = secrets.token_hex(32)
    host = urlsplit(wanted.target_url).hostname or ""
    name = f"{wanted.name.strip() or NAMED}: {about}"[:200]
    fields = {"target_url": wanted.target_url, "secret": secret, "host": host, "key": wanted.key}
    connection = connections.create(APP, name, fields)
    made: Workflow | None = None
    try:
        inputs = {"event": wanted.event, "numbered": kind.direction == "out" or reentry != "never"}
        step = {"id": STEP, "type": "action", "app": APP, "action": STEP, "inputs": inputs}
        steps = [{**step, "connection": connection.pk}]
        made = workflows.create({"name": name, "trigger": trigger, "reentry": reentry, "steps": steps}, by=by)
        activation.activate(made.pk, "skip", by=by)
    except BaseException as error:
        if made is not None:
            workflows.delete(made.pk)
        connection.delete()
        if isinstance(error, InvalidDefinition):  # told in the words of the one who subscribes
            raise Invalid(error.message, path=error.path.removeprefix("trigger.")) from error
        raise
    return workflows.get(made.pk), secret


def get(hook_id: str) -> Workflow:
    """A subscription that has not ended. Raises NotFound."""
    found = Workflow.objects.select_related("version").filter(pk=hook_id).first()
    if found is None or ending.connection_id(found) is None or found.state == Workflow.State.OFF:
        raise NotFound(f"There is no hook {hook_id!r:.60}.")
    return found


def page(*, limit: int, cursor: str = "") -> tuple[list[dict[str, Any]], str | None]:
    """The subscriptions that have not ended, the newest first, and the cursor of the next page or None."""
    found = Workflow.objects.select_related("version").exclude(state=Workflow.State.OFF).order_by("-id")
    shown = [one for one in (found.filter(id__lt=cursor) if cursor else found) if ending.connection_id(one) is not None]
    following = shown[limit - 1].pk if len(shown) > limit else None
    return [as_dict(one) for one in shown[:limit]], following


def unsubscribe(hook_id: str) -> None:
    """End it. One that never posted anything leaves nothing; else the workflow stays, off, with its runs.

    Raises:
        NotFound.
    """
    get(hook_id)
    ending.end(hook_id, "The subscriber unsubscribed.")
    if not Run.objects.filter(workflow_id=hook_id).exists():
        workflows.delete(hook_id)


def as_dict(hook: Workflow) -> dict[str, Any]:
    """id, event, report, survey (or None), target (the host), name, state, reason, reentry, created_at; not the address."""
    definition = hook.version.definition if hook.version else {}
    connection = Connection.objects.filter(pk=ending.connection_id(hook) or "").first()
    return {
        "id": hook.pk,
        "event": definition.get("trigger", {}).get("kind"),
        "report": hook.report_id,
        "survey": definition.get("trigger", {}).get("survey"),
        "target": connection.public.get("host", "") if connection else "",
        "name": hook.name,
        "state": hook.state,
        "reason": hook.reason,
        "reentry": definition.get("reentry"),
        "created_at": clock.iso(hook.created_at),
    }


def address(url: str) -> None:
    """Refuse an address that must not be posted to: not https, or not on the open internet.

    A name is only looked up when something is posted; the socket is guarded then. Raises Invalid.
    """
    private = config.current().allow_private_networks
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        parts.port  # noqa: B018 - reading it checks it
    except ValueError:
        raise Invalid("It is not a valid address.", path="target_url") from None
    if len(url) > LONGEST_URL or not host or parts.username is not None or any(ord(mark) <= 32 for mark in url):
        raise Invalid(
            f"It must be an address of at most {LONGEST_URL} characters, without user or password.", path="target_url"
        )
    if parts.scheme != "https" and not (private and parts.scheme == "http"):
        raise Invalid("It must begin with https://.", path="target_url")
    try:
        open_ = addresses.allowed(host)
    except ValueError:  # a name
        open_ = private or not (host == "localhost" or host.endswith((".localhost", ".local", ".internal")))
    if not open_:
        raise Invalid(
            "It is not on the open internet; ARRIVALS_ALLOW_PRIVATE_NETWORKS=true allows it.", path="target_url"
        )


def _trigger(kind: triggers.Kind, wanted: Wanted) -> tuple[dict[str, Any], str]:
    """The trigger of the workflow, and what it is about in a word."""
    if kind.report_kind == "response":
        survey = wanted.survey or SURVEY
        return {"kind": kind.id, "survey": survey}, survey
    report = reports.get(wanted.report or "")
    return {"kind": kind.id, "report": report.pk}, report.name
