"""Addresses at which workflows are called, and what was delivered there. Blocks."""

import secrets
from datetime import datetime
from typing import Any

from django.db import transaction

from arrivals import clock, config, ids
from arrivals.errors import Conflict, NotFound, TooMany
from arrivals.workflows import workflows
from arrivals.workflows.models import Address, Delivery, Workflow

KIND = "webhook"
SAMPLES = 3
MOST_KEPT = 10_000  # deliveries of one paused workflow
LATER = 3600.0  # seconds after which to try again when there are too many
LONGEST_KEY = 255


def address(workflow_id: str) -> Address:
    """The address of a workflow, made when it has none yet. Raises NotFound; Conflict: it is not called at an address."""
    workflow = workflows.get(workflow_id)
    if not is_called(workflow) and not is_called(workflow, draft=True):
        raise Conflict("The workflow's trigger is no webhook, so it has no address.")
    return Address.objects.get_or_create(workflow=workflow, defaults={"token": _token()})[0]


def rotate(workflow_id: str) -> Address:
    """Give a workflow another address; the one before leads nowhere from now on. Raises as ``address``."""
    found = address(workflow_id)
    found.token, found.made_at = _token(), clock.now()
    found.save(update_fields=["token", "made_at"])
    return found


def find(token: str) -> Address:
    """The address with this token. Raises NotFound, also where the workflow has another trigger by now."""
    found = Address.objects.select_related("workflow", "workflow__version").filter(token=token).first()
    if found is None or not (is_called(found.workflow) or is_called(found.workflow, draft=True)):
        raise NotFound("There is no such address.")
    return found


def url(address: Address) -> str:
    return f"{config.current().public_url}/hooks/{address.token}"


def is_called(workflow: Workflow, *, draft: bool = False) -> bool:
    """Whether what runs (or the draft) is started by deliveries."""
    return _trigger(workflow, draft=draft).get("kind") == KIND


def trigger(workflow: Workflow) -> dict[str, Any]:
    """The trigger that deliveries are for: that of the version that runs, or else of the draft."""
    return _trigger(workflow, draft=not is_called(workflow))


def _trigger(workflow: Workflow, *, draft: bool) -> dict[str, Any]:
    definition: Any = workflow.draft if draft else workflow.version.definition if workflow.version else None
    found = definition.get("trigger") if definition else None
    return found if isinstance(found, dict) else {}  # a draft may be unfinished


def keep(workflow: Workflow, content: dict[str, Any], key: str) -> tuple[Delivery, bool]:
    """Store a delivery: to be run where the workflow is on, to be asked about where it is paused, else as a sample.

    With the ``key`` of one that waits, it is that one; whether it is new is told beside it.

    Raises:
        TooMany: 10,000 wait for the paused workflow.
    """
    with transaction.atomic():
        locked = Workflow.objects.select_for_update().select_related(None).get(pk=workflow.pk)
        if locked.state == Workflow.State.OFF or not is_called(locked):
            return _sample(locked, content), True
        state = Delivery.State.NEW if locked.state == Workflow.State.ON else Delivery.State.KEPT
        if state == Delivery.State.KEPT and Delivery.objects.filter(workflow=locked, state=state).count() >= MOST_KEPT:
            raise TooMany(f"The workflow is paused, and {MOST_KEPT:,} deliveries wait.", retry_after=LATER)
        named = key or ids.delivery()
        values = {"version_id": locked.version_id, "state": state, "run": ids.run(), "content": content}
        return Delivery.objects.get_or_create(workflow=locked, key=named[:LONGEST_KEY], defaults=values)


def samples(workflow: Workflow) -> list[dict[str, Any]]:
    """The newest deliveries to a workflow that was off, the newest first, at most three: ``at`` and ``webhook``."""
    found = Delivery.objects.filter(workflow=workflow, state=Delivery.State.SAMPLE).order_by("-id")[:SAMPLES]
    return [{"at": clock.iso(one.at), "webhook": one.content} for one in found]


def waiting(workflow: Workflow, since: datetime | None = None) -> int:
    """How many deliveries came while it was paused (and since a time)."""
    found = Delivery.objects.filter(workflow=workflow, state=Delivery.State.KEPT)
    return (found.filter(at__gte=since) if since else found).count()


def resume(workflow: Workflow, existing: Any, since: datetime | None) -> int:
    """Let those run that were kept, or drop them, as the choice says; return how many run. Inside the transaction that turns it on."""
    kept = Delivery.objects.filter(workflow=workflow, state=Delivery.State.KEPT)
    running = kept.none() if existing == "skip" else kept.filter(at__gte=since) if since else kept
    will_run = running.update(state=Delivery.State.NEW)
    Delivery.objects.filter(workflow=workflow, state=Delivery.State.KEPT).delete()
    return will_run


def as_dict(workflow: Workflow) -> dict[str, Any]:
    """url, made_at, signature (the header, or None), signed (whether there is a secret), samples, waiting."""
    found = address(workflow.id)
    return {
        "url": url(found),
        "made_at": clock.iso(found.made_at),
        "signature": trigger(workflow).get("signature"),
        "signed": found.secret is not None,
        "samples": samples(workflow),
        "waiting": waiting(workflow),
    }


def _sample(workflow: Workflow, content: dict[str, Any]) -> Delivery:
    made = Delivery.objects.create(workflow=workflow, state=Delivery.State.SAMPLE, content=content)
    mine = Delivery.objects.filter(workflow=workflow, state=Delivery.State.SAMPLE)
    newest = list(mine.order_by("-id").values_list("id", flat=True)[:SAMPLES])
    mine.exclude(id__in=newest).delete()
    return made


def _token() -> str:
    return secrets.token_urlsafe(32)
