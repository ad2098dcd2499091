"""A wait: for an event of the visitor, or until it has left the report. Between, there is a row and nothing else."""

import asyncio
import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import orjson
from django.db import close_old_connections

from arrivals import clock
from arrivals.engine import program, waits
from arrivals.engine.models import Wait
from arrivals.engine.steps.contract import Call, Done, Later, Outcome
from arrivals.errors import Busy, Permanent
from arrivals.warehouse import client

ELSEWHERE_SECONDS = 1


async def execute(call: Call, shown: dict[str, Any]) -> Outcome:
    """Outputs: ``happened``, ``event`` (or the departure) and ``waited_seconds``; while it waits ``since`` and ``until``.

    1. The first time: note, in the transaction that records that the run waits, what it waits for. It is due at its end.
    2. What happens makes it due at once (``waits``). Then, or at its end, this is done again: it looks whether anything was
       noted. At the end it asks once more, of what was received in the span, whether anything happened. A runner that has no
       events to ask leaves that to one that has.
    3. The row goes in the transaction that records how it ended.
    """
    shown["for"], shown["timeout"] = call.step["for"], call.step["timeout"]
    if call.test:
        return Done({"happened": False, "event": None, "waited_seconds": 0}, shown)
    wanted, now = call.step["for"], clock.now()
    turn = program.written(call.place.turn)
    if call.waited is None:
        row = _row(call, turn, now)
        row.until = now + clock.duration(call.step["timeout"])
        return Later(row.until, _span(row), shown, again=True, also=lambda: _insert(row))
    since, until = clock.parse(str(call.waited["since"])), clock.parse(str(call.waited["until"]))
    event = await call.db(_noted, call.run, call.place.number, turn)
    if event is None and now < until:
        return Later(until, dict(call.waited), shown, again=True)
    if event is None and "event" in wanted and not client.warehouse().here:
        raise Busy("The events are in another process, whose runner asks for them.", retry_after=ELSEWHERE_SECONDS)
    if event is None:
        event = await asyncio.to_thread(_asked, call.context, wanted, since, until)
    told = {"happened": event is not None, "event": event, "waited_seconds": round((now - since).total_seconds())}
    return Done(told, shown, also=lambda: _delete(call.run, call.place.number, turn))


def _row(call: Call, turn: str, now: datetime) -> Wait:
    # In whole milliseconds, as the times of events are.
    since = now.replace(microsecond=now.microsecond // 1000 * 1000)
    row = Wait(run_id=call.run, number=call.place.number, turn=turn, since=since)
    if "event" in call.step["for"]:
        row.data = call.step["for"]["event"]
        row.rule = hashlib.sha256(orjson.dumps(row.data, option=orjson.OPT_SORT_KEYS)).hexdigest()
        row.visitor = _visitor(call.context)
    else:
        row.report_id, row.visitor, row.entry = _membership(call.context)
    return row


def _span(row: Wait) -> dict[str, Any]:
    return {"since": clock.iso(row.since), "until": clock.iso(row.until)}


def _visitor(context: Mapping[str, Any]) -> str:
    visitor = (context.get("visitor") or {}).get("id")
    if not isinstance(visitor, str) or not visitor:
        raise Permanent("It is about no visitor, so there are no events to wait for.", path="for.event")
    return visitor


def _membership(context: Mapping[str, Any]) -> tuple[str, str, int]:
    """The report, the member and the entry number that the run is for."""
    arrival = context.get("arrival") or {}
    if not all(arrival.get(name) for name in ("report", "member", "entry")):
        raise Permanent("It was not started by a report, so there is none to leave.", path="for.left_report")
    return str(arrival["report"]), str(arrival["member"]), int(arrival["entry"])


def _asked(context: Mapping[str, Any], wanted: Mapping[str, Any], since: datetime, until: datetime) -> Any:
    close_old_connections()
    try:
        if "event" in wanted:
            return waits.happened(wanted["event"], _visitor(context), since, until)
        return waits.departure(*_membership(context))
    finally:
        close_old_connections()


def _insert(row: Wait) -> None:
    """Once: after a crash between, the step begins anew with the same row."""
    Wait.objects.bulk_create([row], ignore_conflicts=True)


def _noted(run: str, number: int, turn: str) -> Any:
    return Wait.objects.filter(run_id=run, number=number, turn=turn).values_list("event", flat=True).first()


def _delete(run: str, number: int, turn: str) -> None:
    Wait.objects.filter(run_id=run, number=number, turn=turn).delete()
