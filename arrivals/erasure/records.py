"""What the control database holds of visitors and accounts: deleted, or emptied where the number must stay. Blocks."""

import json
import secrets
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Q, QuerySet, TextField, Value
from django.db.models.functions import Cast, StrIndex
from django.db.models.lookups import GreaterThan

from arrivals import clock
from arrivals.apps.models import InboxMessage
from arrivals.audience.models import Report, VisitorList
from arrivals.engine import digests, notices
from arrivals.engine.models import ENDED, Run, Started, StepRun, Wait
from arrivals.warehouse import erasing
from arrivals.watch.models import Arrival
from arrivals.workflows.models import Activation, Delivery

CHUNK = 500
TOLD = ("web", "sub", "err")  # kinds of runs whose input is what somebody sent, so that it may tell of anybody
ERASED = "erased "  # and some random letters: what stands for the member of an emptied run


def reports_of(kind: str) -> tuple[list[str], list[str]]:
    """The reports whose members are visitors, accounts or responses: our own, and those of another product."""
    own: list[str] = []
    remote: list[str] = []
    for id_, origin in Report.objects.filter(kind=kind).values_list("id", "origin"):
        (remote if origin else own).append(id_)
    return own, remote


def activations_of(kind: str) -> list[str]:
    """The activations of workflows on such reports."""
    found = Activation.objects.filter(workflow__report__kind=kind)
    return list(found.values_list("id", flat=True))


def erase(kind: str, members: Sequence[str], *, until: datetime | None = None) -> None:
    """Delete arrivals and messages, empty runs of members: visitors, accounts or responses (``kind``).

    ``until``: only those that an arrival, or an event that was received, up to then made.
    """
    for start in range(0, len(members), CHUNK):
        chunk = list(members[start : start + CHUNK])
        with transaction.atomic():
            arrivals = Arrival.objects.filter(report__kind=kind, member__in=chunk)
            (arrivals.filter(at__lte=until) if until else arrivals).delete()
            deliveries = Delivery.objects.filter(_mentioned("content", chunk))
            (deliveries.filter(at__lte=until) if until else deliveries).delete()
            for run in _runs(kind, chunk):
                if until is None or _arrived(run) is None or str(_arrived(run)) <= clock.iso(until):
                    _empty(run, whole=kind != "account" or run.member in chunk)
            if kind == "visitor":
                started = Started.objects.filter(visitor__in=chunk)
                (started.filter(at__lte=until) if until else started).delete()
            if kind == "visitor" and until is None:
                InboxMessage.objects.filter(visitor__in=chunk).delete()
            elif kind == "visitor":  # those of a visitor who came back stay
                gone = Run.objects.filter(member__startswith=ERASED).values("id")
                InboxMessage.objects.filter(visitor__in=chunk, run_id__in=gone).delete()


def recount() -> None:
    """Write anew how many ids each list has."""
    lists = list(VisitorList.objects.values_list("id", "version"))
    for list_id, size in erasing.left_of(lists).items() if lists else ():
        VisitorList.objects.filter(pk=list_id).exclude(size=size).update(size=size)


def _runs(kind: str, members: list[str]) -> Iterator[Run]:
    """The runs for these members, and those whose input tells of them."""
    about: Any = {f"input__{kind}__id__in": members}
    told = Q(kind__in=TOLD) & _mentioned("input", members)
    found: QuerySet[Run] = Run.objects.filter(Q(member__in=members, workflow__report__kind=kind) | Q(**about) | told)
    yield from found.select_for_update(of=("self",)) if _locks() else found


def _mentioned(field: str, members: list[str]) -> Q:
    """The condition that JSON holds one of these ids as a text of its own, wherever: what is sent to us says not whose it is."""
    from django.db import connection

    plain = connection.vendor == "postgresql"  # SQLite keeps the text as it was written, in ASCII
    found = Q()
    for one in members:
        written = Value(json.dumps(one, ensure_ascii=not plain))
        found |= Q(GreaterThan(StrIndex(Cast(field, TextField()), written), 0))
    return found


def _locks() -> bool:
    from django.db import connection

    return bool(connection.features.has_select_for_update_of)


def _arrived(run: Run) -> str | None:
    for name, moment in (("arrival", "at"), ("event", "received_at")):
        told = run.input.get(name) if isinstance(run.input, dict) else None
        at = told.get(moment) if isinstance(told, dict) else None
        if isinstance(at, str):
            return at
    return None


def _empty(run: Run, *, whole: bool) -> None:
    """Keep that there was a run and how it ended. One that has not ended is cancelled: its input is gone."""
    InboxMessage.objects.filter(run_id=run.id).delete()
    Wait.objects.filter(run=run).delete()
    for step in StepRun.objects.filter(run=run):
        step.inputs, step.outputs, step.error = {}, None, _told(step.error)
        step.log = [{**one, "message": "Erased."} for one in step.log] if step.log else None
        step.save(update_fields=["inputs", "outputs", "error", "log"])
    notices.erase(run.id)
    run.input, run.about, run.error = {}, "", _told(run.error)
    if whole:
        run.member = ERASED + secrets.token_hex(12)
    if run.state not in ENDED:
        run.state, run.due, run.owner, run.ended_at = Run.State.CANCELLED, None, "", clock.now()
    run.save()
    for keeper in digests.forget(run.id):
        _without_entries(keeper)


def _without_entries(keeper: str) -> None:
    """Empty what a run of somebody else was given of digests, and what it made of that. One under way is cancelled."""
    InboxMessage.objects.filter(run_id=keeper).delete()
    StepRun.objects.filter(run_id=keeper).update(inputs={}, outputs=None)
    Run.objects.filter(pk=keeper).exclude(state__in=ENDED).update(
        state=Run.State.CANCELLED, due=None, owner="", ended_at=clock.now()
    )


def _told(error: Any) -> Any:
    """An error without its words, which may quote what was sent."""
    return {"code": error.get("code", ""), "message": "Erased."} if isinstance(error, dict) else None
