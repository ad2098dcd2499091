"""Times as cron writes them: minute, hour, day of the month, month, day of the week. Pure."""

import re
from dataclasses import dataclass
from datetime import date

from arrivals.errors import InvalidDefinition

MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")  # as cron counts: Sunday is 0, and 7 as well
FIELDS = (
    ("minute", 0, 59, ()),
    ("hour", 0, 23, ()),
    ("day of the month", 1, 31, ()),
    ("month", 1, 12, MONTHS),
    ("day of the week", 0, 7, DAYS),
)
PART = re.compile(r"(\*|[0-9a-z]+)(?:-([0-9a-z]+))?(?:/([0-9]+))?")
LONGEST = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


@dataclass(frozen=True)
class Cron:
    """The minutes, hours, days, months and days of the week (Sunday is 0) that it names."""

    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    either: bool  # both kinds of days are said, and one of them is enough

    def on(self, day: date) -> bool:
        """Whether it has moments on a day."""
        if day.month not in self.months:
            return False
        of_month, of_week = day.day in self.days, day.isoweekday() % 7 in self.weekdays
        return of_month or of_week if self.either else of_month and of_week


def parse(text: str, path: str) -> Cron:
    """Read the five fields: ``*``, numbers, ranges ``1-5``, steps ``*/15``, lists ``1,15``, and names of months and days.

    With both kinds of days said, a day of either kind will do, as cron has always done it.

    Raises:
        InvalidDefinition: it is anything else, or a time that never is.
    """
    written = text.lower().split()
    if len(written) != len(FIELDS):
        raise InvalidDefinition(
            'It must have five fields, minute, hour, day of the month, month, day of the week, such as "0 9 * * 1".',
            path=path,
        )
    minutes, hours, days, months, weekdays = (
        _field(one, *field, path) for one, field in zip(written, FIELDS, strict=True)
    )
    weekdays = frozenset(day % 7 for day in weekdays)
    either = not written[2].startswith("*") and not written[4].startswith("*")
    if not either and not any(min(days) <= LONGEST[month - 1] for month in months):
        raise InvalidDefinition("No month that it names has such a day.", path=path)
    return Cron(tuple(sorted(minutes)), tuple(sorted(hours)), days, months, weekdays, either)


def _field(text: str, name: str, lowest: int, highest: int, names: tuple[str, ...], path: str) -> frozenset[int]:
    found: set[int] = set()
    for part in text.split(","):
        read = PART.fullmatch(part)
        if read is None or (read[1] == "*" and read[2]):
            raise InvalidDefinition(f"{part!r:.40} is not a {name}.", path=path)
        first, last, step = read.groups()
        begin = lowest if first == "*" else _number(first, name, lowest, highest, names, path)
        otherwise = highest if first == "*" or step else begin
        end = _number(last, name, lowest, highest, names, path) if last else otherwise
        every = int(step) if step else 1
        if end < begin or every < 1:
            raise InvalidDefinition(f"{part!r:.40} names no {name}.", path=path)
        found.update(range(begin, end + 1, every))
    return frozenset(found)


def _number(text: str, name: str, lowest: int, highest: int, names: tuple[str, ...], path: str) -> int:
    if text in names:
        return names.index(text) + (1 if lowest else 0)
    if not text.isdigit() or not lowest <= int(text) <= highest:
        raise InvalidDefinition(f"A {name} is from {lowest} to {highest}; got {text!r:.20}.", path=path)
    return int(text)
