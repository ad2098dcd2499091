"""A digest: the run's entry joins the others, and the keeper waits for the release."""

import functools
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
from django.db import Error as DatabaseError

from arrivals import clock
from arrivals.accounts import workspace
from arrivals.engine import digests
from arrivals.engine.steps.contract import Call, Done, Ended, Later, Outcome
from arrivals.errors import Permanent, Retryable
from arrivals.workflows import templates
from arrivals.workflows.schedules import DAYS
from arrivals.workflows.steps.delay import LONGEST

MOST_ENTRY = 8 * 1024
MOST_KEY = 200


async def execute(call: Call, shown: dict[str, Any]) -> Outcome:
    """Outputs of the keeper: entries, count, left_out, first_at, last_at; of the others: ``digest`` and ``sent_by``, the keeper.

    1. Join (a transaction of its own, the same however often it is repeated).
    2. The keeper waits until the release: that is recorded, and what came in between wakes it. The others are at their end.
    3. When it is due, the keeper releases the digest and goes on with its entries. Repeated, they are the same.
    """
    if call.waited is not None and "digest" in call.waited:
        shown |= dict(call.waited.get("shown") or {})
        return await _released(call, call.waited["digest"], shown)
    entry = templates.values_of(call.step["entry"], call.context)
    key = templates.render(call.step["key"], call.context).strip()
    shown |= {"entry": entry, "key": key}
    if len(orjson.dumps(entry, default=str)) > MOST_ENTRY:
        raise Permanent(f"An entry has at most {MOST_ENTRY:,} bytes.", path="entry")
    if len(key) > MOST_KEY:
        raise Permanent(f"It has at most {MOST_KEY} characters.", path="key")
    now = clock.now()
    if call.test:
        told = {"count": 1, "left_out": 0, "first_at": clock.iso(now), "last_at": clock.iso(now)}
        return Done({"entries": [entry], **told}, shown)
    release = call.step["release"]
    joining = digests.Joining(
        call.run, call.workflow, call.place.number, call.step["id"], key, entry, due(release, now), release.get("count")
    )
    digest = await _asked(call, digests.join, joining)
    if digest.keeper != call.run:
        kept = functools.partial(digests.kept, digest.id, call.run, call.place.number)
        return Ended({"digest": digest.id, "sent_by": digest.keeper}, shown, also=kept)
    if not digest.open:
        return await _released(call, digest.id, shown)
    return _waits(call, digest.id, digest.due, shown)


def due(release: Mapping[str, Any], now: datetime) -> datetime:
    """The next moment of a release after ``now``; one by count alone is released after 31 days anyway."""
    if "every" not in release:
        return now + LONGEST
    zone = workspace.zone()
    local = now.astimezone(zone)
    hour, minute = map(int, release["at"].split(":"))
    for days in range(9):
        day = local.date() + timedelta(days=days)
        if release["every"] == "week" and DAYS[day.weekday()] != release["on"]:
            continue
        moment = datetime(day.year, day.month, day.day, hour, minute, tzinfo=zone).astimezone(UTC)
        if moment > now:
            return moment
    raise AssertionError("A week has every day.")


def _waits(call: Call, digest: str, until: datetime, shown: dict[str, Any]) -> Later:
    def recorded() -> None:
        digests.woken_if_ready(digest, call.run)

    told = {"digest": digest, "until": clock.iso(until), "shown": shown}
    return Later(until, told, shown, again=True, also=recorded)


async def _released(call: Call, digest_id: str, shown: dict[str, Any]) -> Outcome:
    digest = await _asked(call, digests.take, digest_id, call.run)
    if digest is None:
        return Ended({"digest": digest_id, "sent_by": None}, shown)
    if digest.open:  # it was woken before its time
        return _waits(call, digest.id, digest.due, shown)
    return Done({"digest": digest.id, **await _asked(call, digests.outputs, digest)}, shown)


async def _asked(call: Call, question: Callable[..., Any], *given: Any) -> Any:
    """Do it in the runner's thread; it may be repeated, so that a database that is away is nothing worse than a try."""
    try:
        return await call.db(question, *given)
    except DatabaseError as error:
        raise Retryable("The database could not be asked.") from error
