"""Who is on a report, whatever it lists and wherever it comes from: the one seam between reports and the watcher.

This module alone looks at a report's kind (and origin) to find who is on it and what is told of each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from arrivals.audience import accounts, cells, compiler, remote, responses
from arrivals.audience.binder import Keys
from arrivals.audience.cells import Cells
from arrivals.audience.compiler import LINKS, Query
from arrivals.audience.models import Report
from arrivals.audience.remote import Fetch

NO_LINKS = "SELECT toUInt64(0) AS alias, toUInt64(0) AS visitor WHERE 0"


@dataclass(frozen=True)
class Members:
    """The members of a report at one moment, as parts of a SELECT.

    ``ids``: one column ``visitor`` (UInt64, each once), the keys of the members. ``names``: a SELECT of ``visitor`` and
    ``id`` for at least those, with parameters among those of ``ids``. ``links``: a SELECT of ``alias`` and ``visitor``
    for members that are known under another key since (none: no rows). ``newest_first``: ``names`` has a third column
    ``at`` as well, and the report's rows are sorted by it and not by ``id``.
    """

    ids: Query
    names: str = "SELECT visitor, any(visitor_id) AS id FROM visitors GROUP BY visitor"
    links: str = LINKS
    newest_first: bool = False


def of(report: Report, *, now: datetime | None = None, prefix: str = "r_") -> Members:
    """The members at ``now`` (default: the present). ``prefix`` is that of the parameters' names.

    Of a remote report they are those of its last fetch; its past cannot be asked for.

    Raises:
        InvalidReport: the report's segment has rules that are no longer allowed.
    """
    if report.origin:
        return fetched(remote.current(report.id) or Fetch(report.id, 0), prefix=prefix)
    if report.kind == "account":
        return Members(accounts.ids(report, now=now, prefix=prefix), accounts.NAMES, NO_LINKS)
    if report.kind == "response":
        ids, names = responses.ids(report, now=now, prefix=prefix)
        return Members(ids, names, NO_LINKS, newest_first=True)
    return Members(compiler.report_ids(report, now=now, prefix=prefix))


def among(report: Report, keys: Sequence[int]) -> Members:
    """As ``of``, of a report of visitors that needs no others to know one (see ``candidates``), those members only who are
    known by these keys: all keys of each."""
    ids = compiler.report_ids(report, only=keys)
    theirs = "IN {o_only:Array(UInt64)}"
    return Members(
        Query(ids.sql, {**ids.parameters, "o_only": Keys(keys)}),
        f"SELECT visitor, any(visitor_id) AS id FROM visitors WHERE visitor {theirs} GROUP BY visitor",
        f"SELECT alias, visitor FROM links FINAL WHERE alias {theirs}",
    )


def fetched(fetch: Fetch, *, prefix: str = "r_") -> Members:
    """The members that one fetch of a remote report has. Their ids are the other product's: our links do not apply."""
    return Members(remote.ids(fetch, prefix), remote.names(fetch, prefix), NO_LINKS)


def cells_of(report: Report, found: Mapping[int, str]) -> dict[int, Cells]:
    """The rows of chosen members (key -> id), whether or not they are on the report. At most a few thousand."""
    if report.kind == "account":
        return accounts.of(report, found)
    if report.kind == "response":
        return responses.of(report, found)
    return cells.of(report, found)
