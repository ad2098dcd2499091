"""Functions of the group number, in decimals: 0.1 and 0.2 make 0.3."""

import decimal
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from arrivals.engine.formatting import reading
from arrivals.errors import Permanent

Options = Mapping[str, Any]
MODES = {
    "half_up": decimal.ROUND_HALF_UP,
    "half_even": decimal.ROUND_HALF_EVEN,
    "up": decimal.ROUND_UP,
    "down": decimal.ROUND_DOWN,
    "floor": decimal.ROUND_FLOOR,
    "ceiling": decimal.ROUND_CEILING,
}
_exact = decimal.Context(prec=60)


def parsed(text: str, options: Options) -> Any:
    """The digits, sign and decimal mark of a text; other marks, such as those of thousands, are left out."""
    written = "".join(one for one in text if (one.isascii() and one.isdigit()) or one in "-" or one == options["point"])
    negative = written.startswith("-") or (text.strip().startswith("(") and text.strip().endswith(")"))
    digits = written.replace("-", "").replace(options["point"], ".")
    if not digits.strip(".") or digits.count(".") > 1:
        raise Permanent(f"There is no number in {text!r:.60}.", path="input")
    value = reading.number(digits)
    return reading.plain(-value if negative else value)


def rounded(value: Decimal, decimals: int, how: str = "half_up") -> Decimal:
    return (
        _exact.quantize(value, Decimal(1).scaleb(-decimals)) if how == "half_even" else _rounded(value, decimals, how)
    )


def written(value: Decimal, options: Options) -> str:
    """A number with its marks; a result of 0 has no sign."""
    decimals = options["decimals"]
    value = value if decimals is None else rounded(value, decimals)
    text = f"{value.normalize() if decimals is None else value:,f}"
    text = text[1:] if value == 0 and text.startswith("-") else text
    return text.translate({ord(","): options["thousands"], ord("."): options["point"]})


def money(value: Decimal, options: Options) -> str:
    text, currency = written(abs(value), options), options["currency"].strip()
    sign = "-" if rounded(value, options["decimals"]) < 0 else ""
    if options["place"] == "after":
        return f"{sign}{text} {currency}"
    return f"{sign}{currency}{' ' if currency[-1:].isalpha() else ''}{text}"


def divided(value: Decimal, by: Decimal) -> Decimal:
    if by == 0:
        raise Permanent("A number cannot be divided by 0.", path="number")
    return _exact.divide(value, by)


def _rounded(value: Decimal, decimals: int, how: str) -> Decimal:
    context = decimal.Context(prec=60, rounding=MODES[how])
    return context.quantize(value, Decimal(1).scaleb(-decimals))


def _of_two(make: Callable[[Decimal, Decimal], Decimal]) -> Callable[[Decimal, Options], Any]:
    def calculated(value: Decimal, options: Options) -> Any:
        return reading.plain(make(value, reading.number(options["number"], "number")))

    return calculated


def _remainder(value: Decimal, by: Decimal) -> Decimal:
    """It has the sign of the second number."""
    divided(value, by)
    left = _exact.remainder(value, by)
    return left + by if left and (left < 0) != (by < 0) else left


FUNCTIONS: dict[str, Callable[[Any, Options], Any]] = {
    "number.parse": parsed,
    "number.format": written,
    "number.currency": money,
    "number.round": lambda value, options: reading.plain(_rounded(value, options["decimals"], options["how"])),
    "number.add": _of_two(_exact.add),
    "number.subtract": _of_two(_exact.subtract),
    "number.multiply": _of_two(_exact.multiply),
    "number.divide": _of_two(divided),
    "number.remainder": _of_two(_remainder),
    "number.percent": _of_two(lambda value, of: divided(value * 100, of)),
    "number.absolute": lambda value, _: reading.plain(abs(value)),
}
