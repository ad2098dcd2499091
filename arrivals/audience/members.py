"""Who is on a report, whatever it lists and wherever it comes from: the one seam between reports and the watcher."""

from dataclasses import dataclass
from datetime import datetime

from arrivals.audience import compiler, remote
from arrivals.audience.compiler import LINKS, Query
from arrivals.audience.models import Report
from arrivals.audience.remote import Fetch

NOBODY = "SELECT alias, visitor FROM links WHERE 0"


@dataclass(frozen=True)
class Members:
    """The members of a report at one moment, as parts of a SELECT.

    ``ids``: one column ``visitor`` (UInt64, each once), the keys of the members. ``names``: a SELECT of ``visitor`` and
    ``id`` for at least those, with parameters among those of ``ids``. ``links``: a SELECT of ``alias`` and ``visitor``
    for members that are known under another key since (none: no rows).
    """

    ids: Query
    names: str = "SELECT visitor, any(visitor_id) AS id FROM visitors GROUP BY visitor"
    links: str = LINKS


def of(report: Report, *, now: datetime | None = None, prefix: str = "r_") -> Members:
    """The members at ``now`` (default: the present). ``prefix`` is that of the parameters' names.

    Of a remote report they are those of its last fetch; its past cannot be asked for.

    Raises:
        InvalidReport: the report's segment has rules that are no longer allowed.
    """
    if report.origin:
        return fetched(remote.current(report.id) or Fetch(report.id, 0), prefix=prefix)
    return Members(compiler.report_ids(report, now=now, prefix=prefix))


def fetched(fetch: Fetch, *, prefix: str = "r_") -> Members:
    """The members that one fetch of a remote report has. Their ids are the other product's: our links do not apply."""
    return Members(remote.ids(fetch, prefix), remote.names(fetch, prefix), NOBODY)
