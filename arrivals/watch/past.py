"""Who would have entered a report, or left it, on each of some past days: asked of the events, in one question. Blocks.

Who was on it at the end of a day is what the report's own question says with that moment for now. As with any question about
the past, metadata and lists are those of the present.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from arrivals.audience import members
from arrivals.audience.models import Report
from arrivals.warehouse import client

MOST = 60  # days in one question
SAMPLE = 5  # of each day


@dataclass(frozen=True)
class Starts:
    """How many started on a day (the number of its end in ``moments``), and the ids of some of them."""

    day: int
    number: int
    sample: list[str]


def starts(
    report: Report, moments: Sequence[datetime], *, direction: str, reentry: Any = "never", seconds: float = 30
) -> list[Starts]:
    """The starts of days 1 to n, where ``moments`` are the end of day 0 (the snapshot) and those of the others.

    Somebody enters (direction "in") on the day at whose end they are on it and at whose beginning they were not; "out" the
    other way round. ``reentry`` decides as in ``workflows.reentry``: "never": the first time, and nobody who was in the
    snapshot; "each_return": each time; {"every_days": n}: each time that is n days after the last.

    Raises:
        CheckTimeout: it takes longer than ``seconds``. InvalidReport.
    """
    found = [members.of(report, now=moment, prefix=f"d{day}_") for day, moment in enumerate(moments)]
    parameters = {name: value for one in found for name, value in one.ids.parameters.items()}
    days = " UNION ALL ".join(
        f"SELECT visitor, toUInt8({day}) AS day FROM ({one.ids.sql})" for day, one in enumerate(found)
    )
    last = len(moments) - 1
    moved = (
        "arrayFilter(d -> d > 0 AND NOT has(here, toUInt8(d - 1)), here)"
        if direction == "in"
        else f"arrayMap(d -> toUInt8(d + 1), arrayFilter(d -> d < {last} AND NOT has(here, toUInt8(d + 1)), here))"
    )
    sql = (
        f"SELECT day, count(), groupArray({SAMPLE})(visitor) FROM (SELECT visitor, arrayJoin({_policy(reentry, direction)}) AS day FROM "
        f"(SELECT visitor, here, {moved} AS moves FROM "
        f"(SELECT visitor, arraySort(groupUniqArray(day)) AS here FROM ({days}) GROUP BY visitor))) GROUP BY day ORDER BY day"
    )
    rows = client.warehouse().query(sql, parameters, seconds=seconds)
    names = _names(found[-1], [key for _, _, some in rows for key in some], parameters)
    return [Starts(int(day), int(number), [names[key] for key in some if key in names]) for day, number, some in rows]


def _policy(reentry: Any, direction: str) -> str:
    """An expression: those of ``moves`` that start a run."""
    if reentry == "each_return":
        return "moves"
    if isinstance(reentry, dict):
        return (
            f"arrayFold((kept, d) -> if(empty(kept) OR d - kept[-1] >= {int(reentry['every_days'])}, arrayPushBack(kept, d), kept), "
            "moves, emptyArrayUInt8())"
        )
    first = "arraySlice(moves, 1, 1)"
    return first if direction == "out" else f"if(has(here, 0), emptyArrayUInt8(), {first})"


def _names(of: members.Members, keys: Sequence[int], parameters: dict[str, Any]) -> dict[int, str]:
    if not keys:
        return {}
    sql = f"SELECT visitor, id FROM ({of.names}) WHERE visitor IN {{chosen:Array(UInt64)}}"
    return {
        int(key): str(name) for key, name in client.warehouse().query(sql, {**parameters, "chosen": sorted(set(keys))})
    }
