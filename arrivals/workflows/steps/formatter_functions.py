"""The functions of a formatter: one table that validation, the engine, the documentation and the editor read.

Names are ``group.function``. What each does is in ``arrivals.engine.formatting``.
"""

from dataclasses import asdict, dataclass
from typing import Any

GROUPS = ("text", "number", "date", "lookup", "json", "list")
INPUTS = ("text", "number", "date", "list", "any")
UNITS = ("seconds", "minutes", "hours", "days", "weeks", "months", "years")


@dataclass(frozen=True)
class Option:
    """``type``: text, number, whole, flag, zone, pairs or any. ``allowed``: the only values, where there are such. ``least`` and
    ``most``: the bounds of a whole number."""

    name: str
    type: str
    help: str
    needed: bool = False
    default: Any = None
    allowed: tuple[str, ...] = ()
    least: int | None = None
    most: int | None = None


@dataclass(frozen=True)
class Function:
    """``input`` is what the input is read as, ``gives`` the type of the value."""

    name: str
    input: str
    gives: str
    help: str
    options: tuple[Option, ...] = ()

    @property
    def group(self) -> str:
        return self.name.partition(".")[0]

    def option(self, name: str) -> Option | None:
        return next((one for one in self.options if one.name == name), None)


def _whole(name: str, help_: str, *, least: int = 0, most: int = 100_000, **more: Any) -> Option:
    return Option(name, "whole", help_, least=least, most=most, **more)


ZONE = Option("zone", "zone", "A time zone such as Europe/Berlin; the workspace's where it is left out.")
BY = Option("by", "text", "For items that are objects: the path of the value, such as price or user.name.")
POINT = Option("point", "text", "The decimal mark.", default=".", allowed=(".", ","))
THOUSANDS = Option(
    "thousands", "text", "Between groups of three digits.", default=",", allowed=(",", ".", " ", "'", "")
)
NUMBER = Option("number", "number", "The second number.", needed=True)
UNIT = Option("unit", "text", "The unit.", needed=True, allowed=UNITS)
AMOUNT = _whole("amount", "How many; may be negative.", needed=True, least=-1_000_000, most=1_000_000)
FORMAT = "Tokens YYYY YY MMMM MMM MM M DD D dddd ddd HH H hh h mm ss SSS A Z ZZ X x, and text as it is in [brackets]"

_ALL = (
    Function("text.upper", "text", "text", "In capital letters."),
    Function("text.lower", "text", "text", "In small letters."),
    Function("text.title", "text", "text", "Each word with a capital letter."),
    Function("text.capitalize", "text", "text", "The first letter a capital one, the rest as it is."),
    Function("text.trim", "text", "text", "Without white space at both ends."),
    Function("text.collapse", "text", "text", "Each stretch of white space becomes one space; none at the ends."),
    Function("text.replace", "text", "text", "Each occurrence of a text replaced by another.", (
        Option("find", "text", "What is replaced, letter by letter.", needed=True),
        Option("with", "text", "What stands there instead; nothing where it is left out.", default=""),
        Option("ignore_case", "flag", "Whether large and small letters are the same.", default=False),
    )),
    Function("text.split", "text", "list", "The pieces between a separator; with take, one of them.", (
        Option("separator", "text", "A comma where it is left out; [space], [tab] and [newline] are known.", default=","),
        Option("take", "text", "Which pieces.", default="all", allowed=("all", "first", "last", "second", "second_last")),
    )),
    Function("text.substring", "text", "text", "A part, by its place.", (
        _whole("start", "The first character, from 0; negative counts from the end.", least=-100_000, default=0),
        _whole("length", "How many characters; all that follow where it is left out."),
    )),
    Function("text.before", "text", "text", "What stands before a text; all of it where that is not in it.", (
        Option("find", "text", "The text.", needed=True),
    )),
    Function("text.after", "text", "text", "What stands after a text; nothing where that is not in it.", (
        Option("find", "text", "The text.", needed=True),
    )),
    Function("text.between", "text", "text", "What stands between two texts; nothing where they are not in it.", (
        Option("start", "text", "The text before it.", needed=True),
        Option("end", "text", "The text after it.", needed=True),
    )),
    Function("text.length", "text", "number", "How many characters it has."),
    Function("text.words", "text", "number", "How many words it has."),
    Function("text.default", "any", "any", "Another value where the input is missing or empty.", (
        Option("value", "any", "The other value.", needed=True),
    )),
    Function("text.truncate", "text", "text", "At most so many characters, with an end that says that something is left out.", (
        _whole("length", "How many characters at most, the end included.", needed=True, least=1),
        Option("end", "text", "What the end is.", default="…"),
        Option("words", "flag", "Whether it is cut between words.", default=False),
    )),
    Function("text.pad", "text", "text", "Filled up in front to a length.", (
        _whole("length", "How many characters at least.", needed=True, least=1, most=1_000),
        Option("with", "text", "The character.", default="0"),
    )),
    Function("text.extract_email", "text", "text", "The first address of mail in it; nothing where there is none."),
    Function("text.extract_url", "text", "text", "The first address that begins with http:// or https://."),
    Function("text.extract_number", "text", "number", "The first number in it, such as -1.5; nothing where there is none."),
    Function("text.extract_phone", "text", "text", "The first phone number in it, as it is written."),
    Function("text.extract_pattern", "text", "text", "The first place that looks like a pattern.", (
        Option("pattern", "text", "# is a digit, @ a letter, ? a letter or digit, all else itself: ORD-#### finds ORD-1234.", needed=True),
    )),
    Function("text.url_encode", "text", "text", "Safe inside of an address."),
    Function("text.url_decode", "text", "text", "The reverse of url_encode."),
    Function("text.html_escape", "text", "text", "Safe inside of HTML."),
    Function("text.strip_html", "text", "text", "HTML without its tags, entities as characters."),
    Function("text.strip_markdown", "text", "text", "Markdown without its marks; links become their text."),
    Function("text.slug", "text", "text", "Small letters, digits and hyphens only."),
    Function("text.hash", "text", "text", "The SHA-256 of it, in hex."),
    Function("number.parse", "text", "number", "A number written as people write it, such as € 1.234,50.", (POINT,)),
    Function("number.format", "number", "text", "Written with marks and a fixed number of decimals.", (
        _whole("decimals", "How many digits after the decimal mark; as many as it has where it is left out.", most=20),
        THOUSANDS,
        POINT,
    )),
    Function("number.currency", "number", "text", "An amount of money with its currency.", (
        Option("currency", "text", "A symbol or code, such as € or EUR.", needed=True),
        Option("place", "text", "Where the currency stands.", default="before", allowed=("before", "after")),
        _whole("decimals", "How many digits after the decimal mark.", default=2, most=20),
        THOUSANDS,
        POINT,
    )),
    Function("number.round", "number", "number", "Rounded.", (
        _whole("decimals", "How many digits after the decimal mark; negative rounds to tens, hundreds.", default=0, least=-15, most=20),
        Option("how", "text", "half_up rounds 2.5 to 3, half_even to 2; up and down go away from and towards 0.", default="half_up",
               allowed=("half_up", "half_even", "up", "down", "floor", "ceiling")),
    )),
    Function("number.add", "number", "number", "The input and a second number added up.", (NUMBER,)),
    Function("number.subtract", "number", "number", "The second number taken from the input.", (NUMBER,)),
    Function("number.multiply", "number", "number", "The input times a second number.", (NUMBER,)),
    Function("number.divide", "number", "number", "The input divided by a second number.", (NUMBER,)),
    Function("number.remainder", "number", "number", "What is left when the input is divided by a second number.", (NUMBER,)),
    Function("number.percent", "number", "number", "How many percent the input is of a second number.", (NUMBER,)),
    Function("number.absolute", "number", "number", "Without its sign."),
    Function("date.parse", "any", "text", "A time that is written in a format of its own, as ISO 8601 in UTC.", (
        Option("format", "text", f"{FORMAT}; ISO 8601 or seconds or milliseconds since 1970 where it is left out."),
        ZONE,
    )),
    Function("date.format", "date", "text", "A time as people read it, in a time zone.", (
        Option("format", "text", f"{FORMAT}.", default="YYYY-MM-DD HH:mm"),
        ZONE,
    )),
    Function("date.add", "date", "text", "Later by a span; days and longer keep the time of the day in the zone.", (AMOUNT, UNIT, ZONE)),
    Function("date.subtract", "date", "text", "Earlier by a span; else as add.", (AMOUNT, UNIT, ZONE)),
    Function("date.difference", "date", "number", "From the input to another time; negative where that is earlier.", (
        Option("to", "any", "The other time.", needed=True),
        Option("unit", "text", "seconds to hours are exact, days and weeks count midnights in the zone, months and years are full ones.",
               default="days", allowed=UNITS),
        ZONE,
    )),
    Function("date.weekday", "date", "any", "The day of the week in the zone.", (
        Option("as", "text", "How: Monday, Mon, or 1 for Monday to 7 for Sunday.", default="name", allowed=("name", "short", "number")),
        ZONE,
    )),
    Function("date.start_of", "date", "text", "The first moment of the period that it is in.", (
        Option("unit", "text", "The period, in the zone; weeks begin as in the workspace.", default="day",
               allowed=("minute", "hour", "day", "week", "month", "quarter", "year")),
        ZONE,
    )),
    Function("date.epoch", "date", "number", "Since 1970.", (
        Option("unit", "text", "In what.", default="seconds", allowed=("seconds", "milliseconds")),
    )),
    Function("lookup.table", "any", "any", "What stands beside the input in a table.", (
        Option("pairs", "pairs", "An object, such as {\"pro\": \"Gold\"}, or a list of {\"from\", \"to\"}.", needed=True),
        Option("default", "any", "The value for an input that is not in the table; without it that is an error."),
        Option("ignore_case", "flag", "Whether large and small letters are the same.", default=True),
    )),
    Function("json.parse", "any", "any", "A text in JSON as the value that it means."),
    Function("json.get", "any", "any", "A part of a value, or of a text in JSON.", (
        Option("path", "text", "Such as items[0].name; [-1] is the last of a list.", needed=True),
        Option("default", "any", "The value where there is no such part."),
    )),
    Function("json.stringify", "any", "text", "A value as JSON.", (
        Option("pretty", "flag", "Whether it is on many lines.", default=False),
    )),
    Function("list.first", "list", "any", "The first item; with count, a list of the first ones.", (_whole("count", "How many.", least=1),)),
    Function("list.last", "list", "any", "The last item; with count, a list of the last ones.", (_whole("count", "How many.", least=1),)),
    Function("list.at", "list", "any", "One item.", (
        _whole("index", "From 0; negative counts from the end.", needed=True, least=-100_000),
    )),
    Function("list.find", "list", "any", "The first item that has a value; nothing where there is none.", (
        BY, Option("value", "any", "The value.", needed=True),
    )),
    Function("list.pick", "list", "list", "One value of each item.", (
        Option("by", "text", "The path of the value in each item.", needed=True),
    )),
    Function("list.count", "list", "number", "How many items there are."),
    Function("list.join", "list", "text", "The items as one text.", (
        Option("separator", "text", "Between them; [newline] and [tab] are known.", default=", "),
        BY,
    )),
    Function("list.sort", "list", "list", "In order: numbers, then texts; what is missing comes last.", (
        BY, Option("descending", "flag", "Whether the largest comes first.", default=False),
    )),
    Function("list.reverse", "list", "list", "The last item first."),
    Function("list.unique", "list", "list", "Each value once, where it stands first.", (BY,)),
    Function("list.compact", "list", "list", "Without what is missing or empty."),
    Function("list.sum", "list", "number", "The numbers added up; what is missing counts 0.", (BY,)),
    Function("list.average", "list", "number", "The mean of the numbers; nothing for an empty list.", (BY,)),
    Function("list.least", "list", "any", "The smallest value; nothing for an empty list.", (BY,)),
    Function("list.largest", "list", "any", "The largest value; nothing for an empty list.", (BY,)),
)  # fmt: skip

FUNCTIONS: dict[str, Function] = {one.name: one for one in _ALL}
OPTIONS: tuple[str, ...] = tuple(dict.fromkeys(option.name for one in _ALL for option in one.options))


def described() -> list[dict[str, Any]]:
    """The table as data: name, group, input, gives, help, options (name, type, help, needed, default, allowed, least, most)."""
    return [{**asdict(one), "group": one.group} for one in _ALL]
