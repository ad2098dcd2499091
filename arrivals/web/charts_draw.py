"""A chart's answer as what a page shows: drawings, a legend, and the table with its links."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from django.utils.safestring import SafeString

from arrivals.audience.charts import tables
from arrivals.audience.charts.tables import Entry
from arrivals.web import charts_flow, charts_svg
from arrivals.web.charts_svg import Line

Link = Callable[[dict[str, Any]], str]
OTHER_COLOUR = 9
SPANS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


@dataclass
class Drawn:
    """``legend``: swatch, name, number, link, number before. ``steps``: of a funnel. ``caption``: what all
    numbers of the legend are. ``head`` and ``rows``: the table,
    each cell with text, href, note (its part, in percent) and heat (0 to 10, where cells are coloured by it)."""

    drawings: list[SafeString]
    legend: list[dict[str, Any]] = field(default_factory=list)
    steps: list[dict[str, Any]] = field(default_factory=list)
    empty: bool = False
    caption: str = ""
    head: list[str] = field(default_factory=list)
    rows: list[list[dict[str, Any]]] = field(default_factory=list)


def of(title: str, answer: dict[str, Any], link: Link) -> Drawn:
    """``link`` makes the address of the people behind a cell."""
    drawn = _KINDS[answer["kind"]](title, answer, link)
    table = tables.of(answer)
    drawn.head = table.head
    drawn.rows = [[_cell(one, link) for one in row] for row in table.rows]
    return drawn


def _cell(entry: Entry, link: Link) -> dict[str, Any]:
    heat = None
    if entry.note is not None or (entry.form == "part" and entry.value is not None):
        heat = round(10 * min(1.0, entry.value if entry.note is None else entry.note))
    return {
        "text": _FORMS[entry.form](entry.value),
        "href": link(entry.cell) if entry.cell is not None and entry.value else "",
        "note": "" if entry.note is None else percent(entry.note),
        "heat": heat,
        "name": entry.form == "text",
    }


def _trend(title: str, answer: dict[str, Any], link: Link) -> Drawn:
    lines, legend = [], []
    for number, (one, name) in enumerate(zip(answer["series"], tables.titles(answer), strict=True)):
        before = one.get("previous")
        colour = OTHER_COLOUR if one.get("other") else number % OTHER_COLOUR
        links = [link({**one["cell"], "bucket": bucket}) for bucket in answer["buckets"]]
        lines.append(Line(name, one["values"], links, before["values"] if before else (), colour))
        legend.append(
            {
                "swatch": charts_svg.swatch(colour),
                "name": name,
                "measure": "" if "value" in one else _measure(one),
                "number": charts_svg.text(one["total"]),
                "href": link(one["cell"]),
                "before": charts_svg.text(before["total"]) if before else "",
                "change": _change(one["total"], before["total"]) if before else "",
            }
        )
    drawing = charts_svg.lines(title, answer["buckets"], lines, open_=answer["open"])
    measured = _measure(answer["series"][0]) if answer["series"] and "value" in answer["series"][0] else ""
    return Drawn([drawing], legend, caption=measured, empty=not any(one["total"] for one in answer["series"]))


def _funnel(title: str, answer: dict[str, Any], link: Link) -> Drawn:
    steps = []
    for number, step in enumerate(answer["steps"]):
        steps.append(
            {
                **step,
                "number": number + 1,
                "bar": charts_svg.bar(step["of_first"], f"{step['label']}: {step['visitors']:,} visitors"),
                "href": link(step["cell"]),
                "part": percent(step["of_first"]),
                "part_before": percent(step["of_previous"]) if number else "",
                "took": span(step["seconds"]) if number else "",
                "dropped_href": link({**step["cell"], "dropped": True}) if step["dropped"] else "",
                "earlier": percent(step["previous"]["of_first"]) if "previous" in step else "",
            }
        )
    return Drawn([], steps=steps, empty=not answer["steps"][0]["visitors"])


def _retention(title: str, answer: dict[str, Any], link: Link) -> Drawn:
    labels = [str(number) for number in range(len(answer["average"]) + 1)]
    before = answer.get("previous")
    line = Line(
        "came back",
        [100.0, *(None if part is None else round(100 * part, 1) for part in answer["average"])],
        before=[100.0, *(None if part is None else round(100 * part, 1) for part in before["average"])]
        if before
        else (),
    )
    names = [f"{answer['by']} {label}" for label in labels]
    empty = not any(one["visitors"] for one in answer["cohorts"])
    return Drawn([charts_svg.lines(title, names, [line], ends=(0, 100), unit=" %")], empty=empty)


def _paths(title: str, answer: dict[str, Any], link: Link) -> Drawn:
    return Drawn([charts_flow.draw(title, answer, link)], empty=not answer["visitors"])


def _nps(title: str, answer: dict[str, Any], link: Link) -> Drawn:
    labels = [one["bucket"] for one in answer["buckets"]]
    before = answer.get("previous")
    links = [link(one["cell"]) for one in answer["buckets"]]
    score = Line(
        "score",
        [one["score"] for one in answer["buckets"]],
        links,
        [one["score"] for one in before["buckets"]] if before else (),
    )
    classes, legend = [], []
    total = answer["total"]
    for name, colour in (("detractor", 3), ("passive", OTHER_COLOUR), ("promoter", 2)):
        cells = [link({**one["cell"], "class": name}) for one in answer["buckets"]]
        classes.append(Line(f"{name}s", [one[name] for one in answer["buckets"]], cells, colour=colour))
        legend.append(
            {
                "swatch": charts_svg.swatch(colour),
                "name": f"{name}s",
                "measure": "",
                "number": charts_svg.text(total[name]),
                "href": link({**total["cell"], "class": name}),
                "before": charts_svg.text(before["total"][name]) if before else "",
                "change": "",
            }
        )
    head = {
        "swatch": charts_svg.swatch(0),
        "name": "score",
        "measure": "",
        "number": charts_svg.text(total["score"]),
        "href": link(total["cell"]),
        "before": charts_svg.text(before["total"]["score"]) if before else "",
        "change": "",
    }
    drawings = [
        charts_svg.lines(f"{title}: score", labels, [score], ends=(-100, 100)),
        charts_svg.stacks(f"{title}: responses", labels, classes),
    ]
    return Drawn(drawings, [head, *legend], empty=not total["responses"])


def percent(part: float | None) -> str:
    return "–" if part is None else f"{100 * part:.1f} %".replace(".0 %", " %")


def span(seconds: float | None) -> str:
    """Seconds in the two largest units: 3 d 4 h."""
    if seconds is None:
        return "–"
    if seconds < 1:
        return "under 1 s" if seconds else "0 s"
    left, told = round(seconds), []
    for length, name in SPANS:
        if left >= length:
            told.append(f"{left // length} {name}")
            left %= length
    return " ".join(told[:2])


def _measure(one: dict[str, Any]) -> str:
    if one["measure"] == "sum":
        return f"sum of {one['property']}"
    return {"events": "events", "visitors": "unique visitors", "accounts": "unique accounts"}[one["measure"]]


def _change(now: float, before: float) -> str:
    return f"{100 * (now - before) / before:+.0f} %" if before else ""


_FORMS: dict[str, Callable[[Any], str]] = {
    "number": charts_svg.text,
    "part": percent,
    "seconds": span,
    "text": str,
}
_KINDS: dict[str, Callable[[str, dict[str, Any], Link], Drawn]] = {
    "trend": _trend,
    "funnel": _funnel,
    "retention": _retention,
    "paths": _paths,
    "nps": _nps,
}
