"""A delay: when the run goes on."""

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from arrivals import clock
from arrivals.accounts import workspace
from arrivals.engine.steps.contract import Call, Done, Later, Outcome, Refused
from arrivals.errors import Permanent
from arrivals.workflows import templates
from arrivals.workflows.schedules import TIME
from arrivals.workflows.steps.delay import LONGEST


async def execute(call: Call, shown: dict[str, Any]) -> Outcome:
    """Outputs: ``until``. A moment that is past goes on at once, or ends the block, as ``past`` says."""
    now = clock.now()
    if "for" in call.step:
        shown["for"] = call.step["for"]
        due = now + clock.duration(call.step["for"])
    else:
        text = templates.render(call.step["until"], call.context).strip()
        shown["until"] = text
        due = moment(text, now)
        if due - now > LONGEST:
            raise Permanent(f"It must be at most 31 days from now; it is {clock.iso(due)}.", path="until")
    told = {"until": clock.iso(due)}
    if due <= now:
        return Refused({**told, "past": True}, shown) if call.step.get("past") == "stop" else Done(told, shown)
    return Later(due, told, shown)


def moment(text: str, now: datetime) -> datetime:
    """A time as in definitions: ISO 8601, where one without a zone is in the workspace's, or the next "HH:MM" there.

    Raises:
        Permanent: it is anything else.
    """
    if TIME.fullmatch(text):
        zone = ZoneInfo(workspace.time_zone())
        hour, minute = map(int, text.split(":"))
        local = now.astimezone(zone).replace(hour=hour, minute=minute, second=0, microsecond=0)
        due = clock.utc(local)
        return (
            due if due > now else clock.utc(local.replace(tzinfo=None).__add__(timedelta(days=1)).replace(tzinfo=zone))
        )
    try:
        return workspace.parse(text)
    except ValueError as error:
        raise Permanent(f"It must be a time in ISO 8601; it became {text!r:.60}.", path="until") from error
