"""The people behind one number of a chart: read from data, and compiled to a SELECT of visitors.

A number is named by the chart's definition and a cell, which the chart's answer tells beside the number. Both together
are a kind of rule of segments: with a range that reaches back from now it is asked anew each time.
"""

from dataclasses import dataclass
from typing import Any

from arrivals.audience import windows
from arrivals.audience.charts import definitions, funnels, nps, paths, periods, retention, trends
from arrivals.audience.charts.definitions import Chart, Funnel, Nps, Paths, Retention, Trend
from arrivals.audience.compiler import Compiler
from arrivals.errors import InvalidChart

Cell = trends.Cell | funnels.Cell | retention.Cell | paths.Cell | nps.Cell
KEYS = {
    "trend": ("series", "bucket", "value", "not"),
    "funnel": ("step", "dropped"),
    "retention": ("cohort", "period", "returned"),
    "paths": ("step", "name", "not", "end", "from"),
    "nps": ("bucket", "class"),
}


@dataclass(frozen=True)
class Number:
    """One number of a chart."""

    chart: Chart
    cell: Cell


def parse(definition: Any, cell: Any, *, path: str = "", inside: tuple[str, ...] = ()) -> Number:
    """Read a chart and which of its numbers is meant. ``inside``: the ids of the segments that it is nested in.

    Raises:
        InvalidChart: with the path of the wrong part, from ``chart`` or ``cell`` on.
    """
    dot = f"{path}." if path else ""
    chart = definitions.parse(definition, f"{dot}chart", inside)
    at = f"{dot}cell"
    allowed = (*KEYS[chart.kind], "previous")
    if not isinstance(cell, dict):
        raise InvalidChart(f"It must be an object with {', '.join(allowed)}.", path=at)
    for name in cell:
        if name not in allowed:
            raise InvalidChart(
                f"{name!r:.60} is not known in a cell of a {chart.kind} chart; allowed are {', '.join(allowed)}.",
                path=f"{at}.{name:.60}",
            )
    previous = definitions.flag(cell.get("previous", False), f"{at}.previous")
    if previous and chart.window == windows.EVER:
        raise InvalidChart("Nothing is before ever; choose another range.", path=f"{at}.previous")
    return Number(chart, _read(chart, cell, at, previous))


def select(number: Number, query: Compiler) -> str:
    """A SELECT of ``visitor`` (UInt64, each once) and ``amount``: what of the number is theirs."""
    match number.chart.what, number.cell:
        case (Trend() as what, trends.Cell() as cell):
            return trends.select(number.chart, what, cell, query)
        case (Funnel() as what, funnels.Cell() as cell):
            return funnels.select(number.chart, what, cell, query)
        case (Retention() as what, retention.Cell() as cell):
            return retention.select(number.chart, what, cell, query)
        case (Paths() as what, paths.Cell() as cell):
            return paths.select(number.chart, what, cell, query)
        case (Nps() as what, nps.Cell() as cell):
            return nps.select(number.chart, what, cell, query)
    raise AssertionError(number)  # parse makes no other pair


def _read(chart: Chart, cell: dict[str, Any], at: str, previous: bool) -> Cell:
    what = chart.what
    match what:
        case Trend():
            series = definitions.whole(cell, "series", f"{at}.", 0, len(what.series) - 1, 0)
            if what.breakdown is None and ("value" in cell or "not" in cell):
                raise InvalidChart("The chart has no breakdown.", path=f"{at}.{'value' if 'value' in cell else 'not'}")
            value = (_value(cell["value"], f"{at}.value"),) if "value" in cell else None
            without = None
            if "not" in cell:
                without = tuple(_value(one, f"{at}.not") for one in _list(cell["not"], f"{at}.not", trends.TOP))
            return trends.Cell(series, _period(chart, cell, "bucket", at), value, without, previous)
        case Funnel():
            step, dropped = (
                definitions.whole(cell, "step", f"{at}.", 1, len(what.steps)),
                definitions.flag(cell.get("dropped", False), f"{at}.dropped"),
            )
            if dropped and step == len(what.steps):
                raise InvalidChart("After the last step nobody drops off.", path=f"{at}.dropped")
            return funnels.Cell(step, dropped, previous)
        case Retention():
            cohort = _period(chart, cell, "cohort", at)
            if cohort is None:
                raise InvalidChart("It is missing.", path=f"{at}.cohort")
            period = definitions.whole(cell, "period", f"{at}.", 0, what.periods, 0)
            returned = cell.get("returned", True)
            if not isinstance(returned, bool) or not (returned or period):
                raise InvalidChart("It must be true or, of a period from 1, false.", path=f"{at}.returned")
            return retention.Cell(cohort, period, returned, previous)
        case Paths():
            step = definitions.whole(cell, "step", f"{at}.", 0, what.depth)
            node = _node(cell, at) if set(cell) & {"name", "not", "end"} else None
            if (node is None) != (step == 0):
                raise InvalidChart("A step from 1 needs name, not or end; the step 0 has none.", path=f"{at}.step")
            before = _node(cell["from"], f"{at}.from") if "from" in cell else None
            if before is not None and step < 2:
                raise InvalidChart("Only a step from 2 has another before it.", path=f"{at}.from")
            return paths.Cell(step, node, before, previous)
        case Nps():
            class_ = cell.get("class", "")
            if class_ not in ("", *nps.CLASSES):
                raise InvalidChart(f"It must be one of {', '.join(nps.CLASSES)}.", path=f"{at}.class")
            return nps.Cell(_period(chart, cell, "bucket", at), class_, previous)


def _node(data: Any, at: str) -> paths.Node:
    given = {name: data[name] for name in ("name", "not", "end") if name in data} if isinstance(data, dict) else {}
    if len(given) != 1:
        raise InvalidChart("It needs one of name, not and end.", path=at)
    if "end" in given:
        if given["end"] is not True:
            raise InvalidChart("It must be true.", path=f"{at}.end")
        return paths.Node(end=True)
    if "not" in given:
        names = _list(given["not"], f"{at}.not", 20)
        return paths.Node(without=tuple(_text(one, f"{at}.not") for one in names))
    return paths.Node(name=_text(given["name"], f"{at}.name"))


def _period(chart: Chart, cell: dict[str, Any], name: str, at: str) -> int | None:
    if name not in cell:
        return None
    try:
        return periods.of(chart.by).read(cell[name])
    except (ValueError, TypeError, OverflowError) as error:
        raise InvalidChart(
            f"It must be the {chart.by} as the chart calls it; got {cell[name]!r:.60}.", path=f"{at}.{name}"
        ) from error


def _list(given: Any, at: str, most: int) -> list[Any]:
    if not isinstance(given, list) or len(given) > most:
        raise InvalidChart(f"It must be a list of at most {most}.", path=at)
    return given


def _value(given: Any, at: str) -> str | None:
    if given is not None and not isinstance(given, str):
        raise InvalidChart("It must be a text or null.", path=at)
    return given


def _text(given: Any, at: str) -> str:
    if not isinstance(given, str):
        raise InvalidChart("It must be a text.", path=at)
    return given
