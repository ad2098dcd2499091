"""Who is on a report and who left it, newest first, as programs outside ask for it. Blocks.

Such a program remembers what it has seen by ``id``, so an id must never change: it is the one under which a member
first stood in the ledger, also after it was linked to another. Their list of what they have seen is filled by one
answer, so that answer can hold everybody.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from arrivals import clock
from arrivals.audience import cursors, members, naming, reports, rows
from arrivals.audience.members import Members
from arrivals.audience.models import Report
from arrivals.errors import Conflict, Invalid
from arrivals.warehouse import client
from arrivals.watch import batches, checks, watches
from arrivals.watch.models import Arrival, Watch

MOST = 105_000  # as many as Zapier remembers
WAIT_SECONDS = 10.0  # for a check that is under way: who asks gives up after 30 s
# Of these the columns are computed: those who came since yesterday may be new to who asks, all others are old.
WITH_ROWS = 5_000
WITH_ROWS_AT_LEAST = 100
RECENT = timedelta(days=1)
BATCH = 1000


@dataclass(frozen=True)
class Entry:
    """One membership: ``member`` as it stands in the ledger, the ``entry``th time on the report, in (or out) at ``at``."""

    member: str
    entry: int
    at: Any


def look(report_id: str, *, snapshot: bool = False) -> Report:
    """Look at the report now, as somebody outside polls it, and keep it watched for a while.

    A check that is under way is waited for a little; after that the ledger is good enough: who is not in it yet comes
    with the next poll. A remote report is asked for no more often than at its interval, but for a ``snapshot``.

    Raises:
        NotFound. CheckTimeout: it takes longer than 30 s. Conflict: it was never looked at and is just now.
    """
    report = reports.get(report_id)
    watches.polled(report_id)
    known = Watch.objects.filter(report_id=report_id, baseline_at__isnull=False)
    seen = dict(known.values_list("report_id", "seen_at"))
    if report.origin and not snapshot and known.filter(next_due__gt=clock.now()).exists():
        return report
    why = batches.check([report_id]).get(report_id, "")
    if not why and known.exclude(seen_at=seen.get(report_id)).exists():
        return report
    try:
        checks.check(report_id, wait_seconds=WAIT_SECONDS, why=why or "asked")
    except Conflict:
        if not known.exists():
            raise
    return report


def present(report: Report, *, limit: int = MOST, cursor: str = "") -> tuple[list[Entry], str | None]:
    """Who is on the report by the ledger, the newest entry first, and the cursor of the next page or None.

    Raises:
        Invalid: a cursor that is not ours, or a limit outside 1..105,000. CheckTimeout.
    """
    _checked(limit)
    before = _cursor(cursor, parts=2)
    after = "AND (at, visitor) < (fromUnixTimestamp64Milli({at:Int64}, 'UTC'), {key:UInt64})" if before else ""
    found = client.warehouse().query(
        "SELECT visitor, argMin(m.member_id, (m.version, m.at, m.member)) AS id, maxIf(m.at, m.version % 2 = 1) AS at, "
        "intDiv(maxIf(m.version, m.version % 2 = 1) + 1, 2) AS entry FROM "
        "(SELECT coalesce(l.visitor, s.member) AS visitor, s.member AS member, s.member_id AS member_id, "
        "s.version AS version, s.at AS at FROM (SELECT member, member_id, version, at FROM memberships FINAL "
        f"WHERE report_id = {{report:String}}) AS s LEFT JOIN ({members.of(report).links}) AS l ON s.member = l.alias) AS m "
        f"GROUP BY visitor HAVING entry > 0 {after} ORDER BY at DESC, visitor DESC LIMIT {{most:UInt32}}",
        {"report": report.id, "most": limit + 1, **dict(zip(("at", "key"), before, strict=False))},
    )
    shown = found[:limit]
    next_ = f"{round(shown[-1][2].timestamp() * 1000)}-{shown[-1][0]}" if len(found) > limit else None
    return [Entry(str(id_), int(entry), at) for _, id_, at, entry in shown], next_


def departed(report: Report, *, limit: int = MOST, cursor: str = "") -> tuple[list[Entry], str | None]:
    """Who left the report, the last departure first, each time that somebody left; and the cursor of the next page.

    Raises:
        Invalid: a cursor that is not ours, or a limit outside 1..105,000.
    """
    _checked(limit)
    before = _cursor(cursor, parts=1)
    left = Arrival.objects.filter(report=report, kind=Arrival.Kind.OUT).order_by("-id")
    found = list((left.filter(id__lt=before[0]) if before else left)[: limit + 1])
    next_ = str(found[limit - 1].id) if len(found) > limit else None
    return [Entry(one.member, one.entry, one.at) for one in found[:limit]], next_


def described(report: Report, entries: Sequence[Entry]) -> list[dict[str, Any] | None]:
    """For each of ``entries`` what a run would see (visitor, account, row), in the same order, the row's columns by
    names that other products take.

    None for those far down the list: all but the first hundred, and those of the past day up to 5,000.
    """
    recent = sum(one.at >= clock.now() - RECENT for one in entries)
    told = entries[: min(max(recent, WITH_ROWS_AT_LEAST), WITH_ROWS)]
    found: dict[str, dict[str, Any]] = {}
    for start in range(0, len(told), BATCH):
        names = _names(members.of(report), sorted({one.member for one in told[start : start + BATCH]}))
        contexts = rows.context(report, sorted(set(names.values())))
        found |= {
            member: {**contexts[name], "row": naming.nested(contexts[name]["row"])}
            for member, name in names.items()
            if name in contexts
        }
    return [found.get(one.member) for one in told] + [None] * (len(entries) - len(told))


def _names(on_it: Members, ids: list[str]) -> dict[str, str]:
    """The id that each of ``ids`` goes by now; itself, where nothing else is known."""
    found = client.warehouse().query(
        "SELECT s.id, v.id FROM (SELECT id, cityHash64(id) AS key FROM (SELECT arrayJoin({roster:Array(String)}) AS id)) AS s "
        f"LEFT JOIN ({on_it.links}) AS l ON s.key = l.alias "
        f"LEFT JOIN ({on_it.names}) AS v ON v.visitor = coalesce(l.visitor, s.key)",
        {**on_it.ids.parameters, "roster": ids},
    )
    return {str(id_): str(name or id_) for id_, name in found}


def _checked(limit: int) -> None:
    if not 1 <= limit <= MOST:
        raise Invalid(f"The limit must be from 1 to {MOST:,}.", path="limit")


def _cursor(text: str, *, parts: int) -> list[int]:
    if not text:
        return []
    read = text.split("-")
    if len(read) != parts or not all(one.isascii() and one.isdigit() and len(one) <= 20 for one in read):
        raise Invalid(cursors.WRONG, path="cursor")
    numbers = [int(one) for one in read]
    if numbers[0] >= 2**62 or numbers[-1] >= 2**64:
        raise Invalid(cursors.WRONG, path="cursor")
    return numbers
