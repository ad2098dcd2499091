"""Drawings of charts as SVG text. No script and no style in them: colours are classes, lengths are percent of the width
and pixels of the height, so that a drawing fits a phone and its letters stay as large as the page's.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe

HEIGHT, TOP, BOTTOM = 250, 18, 26
PLOT = HEIGHT - TOP - BOTTOM
EDGE = 1.5  # percent free on both sides, so that a point at the edge is whole
COLOURS = 10
MOST_DOTS = 45
FEW = 3  # with more lines, dots are shown only under a pointer
Number = float | int | None


@dataclass(frozen=True)
class Line:
    """``links``: an address for each value, empty where there is none. ``before``: the values of the span before."""

    name: str
    values: Sequence[Number]
    links: Sequence[str] = ()
    before: Sequence[Number] = ()
    colour: int = 0


def figure(title: str, about: str, body: str, *, height: int = HEIGHT, classes: str = "") -> SafeString:
    """An SVG of the page's width with its name and a sentence for those who do not see it."""
    return mark_safe(  # noqa: S308 (every text in it is escaped where it is put in)
        f'<svg class="drawing {classes}" role="img" aria-label="{escape(title)}. {escape(about)}" width="100%" height="{height}">'
        f"<title>{escape(title)}</title><desc>{escape(about)}</desc>{body}</svg>"
    )


def lines(
    title: str,
    labels: Sequence[str],
    drawn: Sequence[Line],
    *,
    ends: tuple[float, float] | None = None,
    unit: str = "",
    open_: bool = False,
) -> SafeString:
    """Lines over periods. ``ends``: of the axis, where they are fixed (else from 0 up); ``open_``: the last period is
    not over, so its piece of the lines is broken."""
    given = [v for one in drawn for v in (*one.values, *one.before) if v is not None]
    low, high, ticks = axis([*given, *(ends or ())])
    many = max([1, len(labels), *(len(one.before) for one in drawn)])

    def x(place: int) -> float:
        return 50.0 if many == 1 else EDGE + place * (100 - 2 * EDGE) / (many - 1)

    def y(value: float) -> float:
        return TOP + PLOT * (1 - (value - low) / (high - low))

    parts = [_grid(ticks, y, unit), _labels(labels, x)]
    for one in drawn:
        colour = f"c{one.colour % COLOURS}"
        parts.append(_polyline(one.before, x, y, f"line before {colour}"))
        solid = list(one.values)
        if open_ and len(solid) > 1:
            parts.append(_polyline([*[None] * (len(solid) - 2), *solid[-2:]], x, y, f"line open {colour}"))
            solid[-1] = None
        parts.append(_polyline(solid, x, y, f"line {colour}"))
    parts.append(_slots(labels, drawn, x, many, unit))
    for one in drawn if many <= MOST_DOTS or many == 1 else ():
        for place, value in enumerate(one.values):
            if value is not None:
                faint = " faint" if len(drawn) > FEW else ""
                dot = f'<circle class="dot{faint} c{one.colour % COLOURS}" cx="{x(place):.2f}%" cy="{y(value):.1f}" r="3.5"><title>{escape(labels[place])}: {escape(one.name)} {text(value)}{unit}</title></circle>'
                parts.append(_linked(one.links[place] if place < len(one.links) else "", dot))
    about = (
        f"{len(drawn)} line{'s' if len(drawn) != 1 else ''} from {labels[0]} to {labels[-1]}" if labels else "Nothing"
    )
    return figure(title, f"{about}. The table below has the same numbers.", "".join(parts))


def stacks(title: str, labels: Sequence[str], drawn: Sequence[Line]) -> SafeString:
    """Bars of parts on one another, one bar for each period."""
    sums = [sum(one.values[place] or 0 for one in drawn) for place in range(len(labels))]
    _low, high, ticks = axis(sums)
    many = max(1, len(labels))

    def y(value: float) -> float:
        return TOP + PLOT * (1 - value / high)

    def x(place: int) -> float:
        return (place + 0.5) * 100 / many

    parts = [_grid(ticks, y, ""), _labels(labels, x)]
    width = 70 / many
    for place, label in enumerate(labels):
        below = 0.0
        for one in drawn:
            value = one.values[place] or 0
            if value:
                bar = f'<rect class="bar c{one.colour % COLOURS}" x="{x(place) - width / 2:.2f}%" width="{width:.2f}%" y="{y(below + value):.1f}" height="{max(y(below) - y(below + value), 1):.1f}"><title>{escape(label)}: {escape(one.name)} {text(value)}</title></rect>'
                parts.append(_linked(one.links[place] if place < len(one.links) else "", bar))
            below += value
    return figure(title, f"{len(labels)} bars. The table below has the same numbers.", "".join(parts))


def bar(part: float | None, label: str) -> SafeString:
    """One bar, full at the part 1."""
    width = 100 * min(max(part or 0, 0), 1)
    return mark_safe(  # noqa: S308
        f'<svg class="meter" aria-hidden="true" width="100%" height="26"><title>{escape(label)}</title>'
        f'<rect class="track" width="100%" height="26" rx="4"/><rect class="bar c0" width="{width:.2f}%" height="26" rx="4"/></svg>'
    )


def swatch(colour: int) -> SafeString:
    return mark_safe(  # noqa: S308
        f'<svg class="swatch" aria-hidden="true" width="10" height="10"><rect class="bar c{colour % COLOURS}" width="10" height="10" rx="3"/></svg>'
    )


def axis(values: Sequence[float | int]) -> tuple[float, float, list[float]]:
    """Lowest and highest of an axis that holds 0 and ``values``, and three to six round numbers on it."""
    low = min([0, *values])
    high = max([0, *values])
    if high == low:
        high = low + 1
    step = _round((high - low) / 4)
    if all(float(one).is_integer() for one in values):
        step = max(step, 1)
    first, last = math.floor(low / step), math.ceil(high / step)
    ticks = [number * step for number in range(first, last + 1)]
    return ticks[0], ticks[-1], ticks


def text(value: Number) -> str:
    """A number for reading: 1,234 or 12.5."""
    if value is None:
        return "–"
    return f"{value:,}" if isinstance(value, int) else f"{value:,.2f}".rstrip("0").rstrip(".")


def _round(step: float) -> float:
    """The next of 1, 2, 2.5 and 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(step))
    return next(one * power for one in (1, 2, 2.5, 5, 10) if one * power >= step * 0.999)


def _grid(ticks: Sequence[float], y: "object", unit: str) -> str:
    assert callable(y)
    return "".join(
        f'<line class="grid" x1="0" x2="100%" y1="{y(tick):.1f}" y2="{y(tick):.1f}"/>'
        f'<text class="tick" x="0" y="{y(tick) - 4:.1f}">{text(round(tick, 6))}{unit}</text>'
        for tick in ticks
    )


def _labels(labels: Sequence[str], x: "object") -> str:
    """The first, the last and three between, as evenly as it goes so that none covers another; fewer on a phone."""
    assert callable(x)
    last = len(labels) - 1
    places = sorted({round(last * quarter / 4) for quarter in range(5)}) if labels else []
    shown = []
    for number, place in enumerate(places):
        anchor = "start" if x(place) < 10 else "end" if x(place) > 90 else "middle"
        between = " between" if number % 2 else ""
        shown.append(
            f'<text class="tick{between}" x="{x(place):.2f}%" y="{HEIGHT - 6}" text-anchor="{anchor}">{escape(labels[place])}</text>'
        )
    return "".join(shown)


def _polyline(values: Sequence[Number], x: "object", y: "object", classes: str) -> str:
    """A line through the values; it is broken where one is missing."""
    assert callable(x)
    assert callable(y)
    pieces: list[list[str]] = [[]]
    for place, value in enumerate(values):
        if value is None:
            pieces.append([])
        else:
            pieces[-1].append(f"{10 * x(place):.1f},{y(value):.1f}")
    drawn = "".join(f'<polyline class="{classes}" points="{" ".join(piece)}"/>' for piece in pieces if len(piece) > 1)
    if not drawn:
        return ""
    return f'<svg class="over" width="100%" height="{HEIGHT}" viewBox="0 0 1000 {HEIGHT}" preserveAspectRatio="none">{drawn}</svg>'


def _slots(labels: Sequence[str], drawn: Sequence[Line], x: "object", many: int, unit: str) -> str:
    """For each period a field that shows all its numbers while a pointer is over it."""
    assert callable(x)
    width = 100 if many == 1 else (100 - 2 * EDGE) / (many - 1)
    slots = []
    for place, label in enumerate(labels):
        told = [label]
        for one in drawn:
            before = f" (before: {text(one.before[place])}{unit})" if place < len(one.before) else ""
            told.append(f"{one.name}: {text(one.values[place])}{unit}{before}")
        left = max(x(place) - width / 2, 0)
        slots.append(
            f'<g class="slot"><rect x="{left:.2f}%" width="{width:.2f}%" y="{TOP}" height="{PLOT}"/>'
            f'<line x1="{x(place):.2f}%" x2="{x(place):.2f}%" y1="{TOP}" y2="{TOP + PLOT}"/><title>{escape(chr(10).join(told))}</title></g>'
        )
    return "".join(slots)


def _linked(href: str, drawn: str) -> str:
    # Not a stop of the keyboard: the table below has the same links.
    return f'<a href="{escape(href)}" tabindex="-1">{drawn}</a>' if href else drawn
