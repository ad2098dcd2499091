"""Rules as data -> one SELECT with bound parameters. The only place that knows what a rule means in SQL."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from arrivals.audience.models import Report


@dataclass(frozen=True)
class Query:
    """A SELECT and its bound parameters. Parameter names start with ``prefix`` so that queries can be joined."""

    sql: str
    parameters: dict[str, Any]


def segment_ids(rules: Any, *, now: datetime | None = None) -> Query:
    """A SELECT of one column ``visitor`` (UInt64, each once): who satisfies the rules at ``now``, of all visitors.

    Anonymous ids that were linked count as the visitor they belong to. Events after ``now`` do not exist.
    """
    raise NotImplementedError


def report_ids(report: Report, *, now: datetime | None = None) -> Query:
    """A SELECT of one column ``visitor``: the report's segment, active in its range, at ``now`` (default: the present).

    It is the query that a check runs, alone or as a subquery.
    """
    raise NotImplementedError
