"""When events happened that match a rule, without its times and span: counted by day, and the newest of one visitor. Blocks."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from arrivals.audience import rules
from arrivals.audience.compiler import Compiler
from arrivals.audience.rules import EventRule
from arrivals.warehouse import client

SAMPLE = 5  # of each day


def by_day(rule: Any, ends: Sequence[datetime], *, seconds: float) -> tuple[list[int], list[str]]:
    """How many events match on each day from ``ends[0]`` (not included) to ``ends[-1]``, where the others are the last
    milliseconds of the days between; and the ids of some visitors, those of the newest day first.

    Raises:
        InvalidRules: the rule is no longer allowed. CheckTimeout: it takes longer than ``seconds``.
    """
    query = Compiler(ends[-1], "e_")
    bounds = query.bind.add([round(one.timestamp() * 1000) for one in ends], "Array(Int64)")
    at = "toUnixTimestamp64Milli(ts)"
    sql = (
        f"SELECT arrayFirstIndex(b -> {at} <= b, {bounds}) - 1 AS day, count(), groupUniqArray({SAMPLE})(visitor_id) FROM events "
        f"WHERE {_matching(query, rule)} AND {query.times()} AND {at} > {bounds}[1] GROUP BY day ORDER BY day"
    )
    found = client.warehouse().query(sql, query.bind.parameters, seconds=seconds)
    numbers = {int(day): int(number) for day, number, _ in found}
    sample = [str(name) for _, _, some in reversed(found) for name in some]
    return [numbers.get(day, 0) for day in range(1, len(ends))], sample


def newest(rule: Any, keys: Sequence[int]) -> datetime | None:
    """When the newest matching event of one visitor happened; None: there is none. ``keys``: of all its ids."""
    query = Compiler(None, "e_", only=keys)
    sql = f"SELECT maxOrNull(ts) FROM events WHERE {query.own()} AND {_matching(query, rule)} AND {query.times()}"
    [(at,)] = client.warehouse().query(sql, query.bind.parameters)
    return at if isinstance(at, datetime) else None


def _matching(query: Compiler, rule: Any) -> str:
    [[parsed]] = rules.parse({"all": [{"any": [rule]}]}).groups
    assert isinstance(parsed, EventRule)
    return query.matching(parsed.kind, parsed.name, parsed.where)
