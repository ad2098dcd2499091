"""Times in the expression language: milliseconds since 1970, in UTC, weeks from Sunday."""

from arrivals.audience.aggregation import values
from arrivals.audience.aggregation.building import Builder
from arrivals.audience.aggregation.values import Value

SECOND, MINUTE, HOUR, DAY = 1000, 60_000, 3_600_000, 86_400_000
WEEK = 7 * DAY
SUNDAY = 3 * DAY  # 1970-01-04
# Names as they are written -> the unit.
UNITS = {
    name: unit
    for unit in ("second", "minute", "hour", "day", "week", "month", "year")
    for name in (f"{unit}s", unit)
}  # fmt: skip
PERIODS = {
    "hourly": "hour", "hourRange": "hour", "hour": "hour", "daily": "day", "dayRange": "day", "day": "day",
    "weekly": "week", "weekRange": "week", "week": "week", "monthly": "month", "monthRange": "month", "month": "month",
}  # fmt: skip
LENGTHS = {"second": SECOND, "minute": MINUTE, "hour": HOUR, "day": DAY, "week": WEEK}


def date(builder: Builder, *parts: Value) -> Value:
    """``date(year, month, day, hour, minute, second)``, from the left and the rest at their first; or of a text."""
    if len(parts) == 1 and parts[0].kind in {"text", "json"}:
        moment = f"parseDateTime64BestEffortOrNull({values.text(parts[0])}, 3, 'UTC')"
        return values.made(f"toUnixTimestamp64Milli({moment})", "int", *parts)
    year, month, day, hour, minute, second = [_whole(part) for part in parts] + ["1", "1", "0", "0", "0"][
        len(parts) - 1 :
    ]
    first = f"makeDateTime64(toInt32(least(greatest({year}, 1970), 2299)), 1, 1, 0, 0, 0, 0, 3, 'UTC')"
    months = f"addMonths({first}, toInt32(least(greatest({month}, -1200), 1200)) - 1)"
    rest = f"({day} - 1) * {DAY} + {hour} * {HOUR} + {minute} * {MINUTE} + {second} * {SECOND}"
    return values.made(f"CAST(toUnixTimestamp64Milli({months}) + {rest} AS Nullable(Int64))", "int", *parts)


def add(builder: Builder, moment: Value, count: Value, unit: str) -> Value:
    """The moment, ``count`` units later."""
    start, number = _whole(moment), _whole(count)
    if unit in LENGTHS:
        return values.made(f"({start} + {number} * {LENGTHS[unit]})", "int", moment, count)
    months = f"toInt32(least(greatest({number}, -12000), 12000)){' * 12' if unit == 'year' else ''}"
    later = f"addMonths(fromUnixTimestamp64Milli({start}, 'UTC'), {months})"
    return values.made(f"toUnixTimestamp64Milli({later})", "int", moment, count)


def start(builder: Builder, moment: Value, unit: str) -> Value:
    """The beginning of the hour, day, week or month that holds the moment."""
    return values.made(beginning(_whole(moment), unit), "int", moment)


def beginning(sql: str, unit: str) -> str:
    """The same of SQL that is milliseconds."""
    if unit == "month":
        first = f"toStartOfMonth(fromUnixTimestamp64Milli({sql}, 'UTC'))"
        return f"CAST(toInt64(toUnixTimestamp(toDateTime({first}, 'UTC'))) * 1000 AS Nullable(Int64))"
    offset = SUNDAY if unit == "week" else 0
    return f"({sql} - positiveModulo({sql} - {offset}, {LENGTHS[unit]}))"


def _whole(value: Value) -> str:
    """A whole number, so small that what is made of it stays one."""
    if value.kind == "int":
        return f"least(greatest({value.sql}, -100000000000000), 100000000000000)"
    return f"toInt64OrNull(toString(floor({values.number(value)})))"
