"""Functions of the group date. Days and longer are the calendar's in a time zone, so that they are right where clocks change."""

import re
from calendar import monthrange
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from arrivals import clock
from arrivals.accounts import workspace
from arrivals.engine.formatting import reading
from arrivals.errors import Permanent
from arrivals.workflows.schedules import NAMES

Options = Mapping[str, Any]
MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December",
)  # fmt: skip
TOKEN = re.compile(r"\[[^\]]*\]|YYYY|YY|MMMM|MMM|MM|M|DD|D|dddd|ddd|HH|H|hh|h|mm|ss|SSS|ZZ|Z|A|X|x")
LENGTHS = {"seconds": 1, "minutes": 60, "hours": 3600}
READ = {
    "YYYY": r"(?P<year>\d{4})", "YY": r"(?P<short_year>\d{2})", "MMMM": r"(?P<month_name>[A-Za-z]{3,9})",
    "MMM": r"(?P<month_name>[A-Za-z]{3})", "MM": r"(?P<month>\d{2})", "M": r"(?P<month>\d{1,2})", "DD": r"(?P<day>\d{2})",
    "D": r"(?P<day>\d{1,2})", "dddd": r"[A-Za-z]{6,9}", "ddd": r"[A-Za-z]{3}", "HH": r"(?P<hour>\d{2})", "H": r"(?P<hour>\d{1,2})",
    "hh": r"(?P<half>\d{2})", "h": r"(?P<half>\d{1,2})", "mm": r"(?P<minute>\d{2})", "ss": r"(?P<second>\d{2})",
    "SSS": r"(?P<milli>\d{3})", "Z": r"(?P<offset>[+-]\d{2}:\d{2}|Z)", "ZZ": r"(?P<offset>[+-]\d{4}|Z)", "A": r"(?P<noon>[AaPp][Mm])",
    "X": r"(?P<epoch>-?\d{1,11})", "x": r"(?P<millis>-?\d{1,14})",
}  # fmt: skip


def zone_of(options: Options) -> Any:
    return ZoneInfo(options["zone"]) if options["zone"] else workspace.zone()


def parsed(value: Any, options: Options) -> str:
    zone = zone_of(options)
    if not options["format"]:
        return clock.iso(reading.moment(value, zone))
    text, format_ = reading.text(value).strip(), options["format"]
    found = _pattern(format_).fullmatch(text) if len(text) <= 200 else None
    if found is None:
        raise Permanent(f"It must be a time like {format_}; it is {text!r:.60}.", path="input")
    try:
        return clock.iso(_made({name: one for name, one in found.groupdict().items() if one is not None}, zone))
    except (ValueError, OverflowError) as error:
        raise Permanent(f"There is no such time: {text!r:.60}.", path="input") from error


def formatted(moment: datetime, options: Options) -> str:
    local = moment.astimezone(zone_of(options))
    return TOKEN.sub(lambda token: _token(token[0], local), options["format"])


def moved(moment: datetime, options: Options, sign: int = 1) -> str:
    try:
        return clock.iso(shifted(moment, sign * options["amount"], options["unit"], zone_of(options)))
    except (ValueError, OverflowError) as error:
        raise Permanent("What it becomes is not between the years 1 and 9999.", path="amount") from error


def shifted(moment: datetime, amount: int, unit: str, zone: Any) -> datetime:
    """A moment later; a day that the month does not have is its last one. A time that clocks skip is as much later."""
    if unit in LENGTHS:
        return moment + timedelta(seconds=amount * LENGTHS[unit])
    local = moment.astimezone(zone).replace(tzinfo=None)
    if unit in ("days", "weeks"):
        local += timedelta(days=amount * (7 if unit == "weeks" else 1))
    else:
        count = local.year * 12 + local.month - 1 + amount * (12 if unit == "years" else 1)
        year, month = count // 12, count % 12 + 1
        local = local.replace(year=year, month=month, day=min(local.day, monthrange(year, month)[1]))
    return local.replace(tzinfo=zone).astimezone(UTC)


def difference(moment: datetime, options: Options) -> int | float:
    zone, unit = zone_of(options), options["unit"]
    to = reading.moment(options["to"], zone, "to")
    if unit in LENGTHS:
        seconds = round((to - moment).total_seconds(), 3) / LENGTHS[unit]
        return int(seconds) if seconds.is_integer() else seconds
    first, last = moment.astimezone(zone), to.astimezone(zone)
    days = (last.date() - first.date()).days
    if unit == "days":
        return days
    if unit == "weeks":
        return int(days / 7)
    months = (last.year - first.year) * 12 + last.month - first.month
    if months > 0 and shifted(moment, months, "months", zone) > to:
        months -= 1
    elif months < 0 and shifted(moment, months, "months", zone) < to:
        months += 1
    return int(months / 12) if unit == "years" else months


def weekday(moment: datetime, options: Options) -> Any:
    local = moment.astimezone(zone_of(options))
    return {"name": NAMES[local.weekday()], "short": NAMES[local.weekday()][:3], "number": local.isoweekday()}[
        options["as"]
    ]


def start_of(moment: datetime, options: Options) -> str:
    zone, unit = zone_of(options), options["unit"]
    local = moment.astimezone(zone)
    if unit in ("minute", "hour"):
        past = timedelta(minutes=local.minute if unit == "hour" else 0, seconds=local.second)
        return clock.iso(moment - past - timedelta(microseconds=local.microsecond))
    first: date = workspace.first_day(unit, local.date())
    return clock.iso(datetime(first.year, first.month, first.day, tzinfo=zone).astimezone(UTC))


def epoch(moment: datetime, options: Options) -> int:
    length = 1000 if options["unit"] == "milliseconds" else 1
    return int((moment - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(seconds=1) * length)


def _token(token: str, at: datetime) -> str:
    if token.startswith("["):
        return token[1:-1]
    offset = at.strftime("%z")[:5]
    hour = at.hour % 12 or 12
    return {
        "YYYY": f"{at.year:04}", "YY": f"{at.year % 100:02}", "MMMM": MONTHS[at.month - 1], "MMM": MONTHS[at.month - 1][:3],
        "MM": f"{at.month:02}", "M": str(at.month), "DD": f"{at.day:02}", "D": str(at.day), "dddd": NAMES[at.weekday()],
        "ddd": NAMES[at.weekday()][:3], "HH": f"{at.hour:02}", "H": str(at.hour), "hh": f"{hour:02}", "h": str(hour),
        "mm": f"{at.minute:02}", "ss": f"{at.second:02}", "SSS": f"{at.microsecond // 1000:03}", "A": "AM" if at.hour < 12 else "PM",
        "Z": f"{offset[:3]}:{offset[3:]}", "ZZ": offset, "X": str(int(at.timestamp())), "x": str(int(at.timestamp() * 1000)),
    }[token]  # fmt: skip


def _pattern(format_: str) -> re.Pattern[str]:
    """Every token has a fixed or bounded length, and stands at most once."""
    if len(format_) > 100:
        raise Permanent("It has at most 100 characters.", path="format")
    done, at = [], 0
    for token in TOKEN.finditer(format_):
        done.append(re.escape(format_[at : token.start()]))
        done.append(re.escape(token[0][1:-1]) if token[0].startswith("[") else READ[token[0]])
        at = token.end()
    done.append(re.escape(format_[at:]))
    try:
        return re.compile("".join(done), re.ASCII)
    except re.error as error:
        raise Permanent("A token of it stands there twice.", path="format") from error


def _made(found: dict[str, str], zone: Any) -> datetime:
    if "epoch" in found or "millis" in found:
        return reading.moment(int(found["epoch"]) if "epoch" in found else int(found["millis"]) / 1000)
    now = clock.now().astimezone(zone)
    year = int(found["year"]) if "year" in found else now.year
    if "short_year" in found:
        year = 2000 + int(found["short_year"]) - (100 if int(found["short_year"]) > 68 else 0)
    month = int(found.get("month", 1))
    if "month_name" in found:
        short = [name[:3].lower() for name in MONTHS]
        month = short.index(found["month_name"][:3].lower()) + 1
    hour = int(found.get("hour", 0))
    if "half" in found:
        if not 1 <= int(found["half"]) <= 12:
            raise ValueError("The hour is from 1 to 12.")
        hour = int(found["half"]) % 12 + (12 if found.get("noon", "am").lower() == "pm" else 0)
    rest = int(found.get("minute", 0)), int(found.get("second", 0)), int(found.get("milli", 0)) * 1000
    made = datetime(year, month, int(found.get("day", 1)), hour, *rest, tzinfo=zone)
    if "offset" in found:
        sign = found["offset"].replace("Z", "+00:00")
        made = datetime.fromisoformat(made.replace(tzinfo=None).isoformat() + sign)
    return made.astimezone(UTC)


FUNCTIONS: dict[str, Callable[[Any, Options], Any]] = {
    "date.parse": parsed,
    "date.format": formatted,
    "date.add": moved,
    "date.subtract": lambda moment, options: moved(moment, options, -1),
    "date.difference": difference,
    "date.weekday": weekday,
    "date.start_of": start_of,
    "date.epoch": epoch,
}
