"""The drawing of paths: columns of bars, and bands between them as thick as the visitors that go along."""

from collections.abc import Callable
from typing import Any

from django.utils.html import escape
from django.utils.safestring import SafeString

from arrivals.audience.charts import tables
from arrivals.web.charts_svg import figure, text

HEIGHT, GAP, TOP = 330, 14, 10
BAR = 1.2  # percent


def draw(title: str, answer: dict[str, Any], link: Callable[[dict[str, Any]], str]) -> SafeString:
    """The paths of an answer; backwards ones run from right to left."""
    start = {"name": answer["label"], "kind": "name", "visitors": answer["visitors"], "cell": answer["cell"]}
    columns: list[list[dict[str, Any]]] = [[start], *answer["levels"]]
    backwards = answer["backwards"]
    width = 100 / len(columns)
    room = HEIGHT - TOP - GAP * max(len(column) for column in columns)
    scale = room / max(1, answer["visitors"])
    tops = [_tops(column, scale) for column in columns]

    def x(column: int) -> float:
        return (len(columns) - 1 - column) * width if backwards else column * width

    bands, bars = [], []
    leaving: dict[tuple[int, int], float] = {}
    coming: dict[tuple[int, int], float] = {}
    for one in answer["links"]:
        step, from_, to = one["step"], one["from"] or 0, one["to"]
        thick = one["visitors"] * scale
        a = tops[step - 1][from_] + leaving.get((step - 1, from_), 0.0)
        b = tops[step][to] + coming.get((step, to), 0.0)
        leaving[step - 1, from_] = leaving.get((step - 1, from_), 0.0) + thick
        coming[step, to] = coming.get((step, to), 0.0) + thick
        left, right = (x(step), x(step - 1)) if backwards else (x(step - 1), x(step))
        y0, y1 = (b, a) if backwards else (a, b)
        x0, x1 = 10 * (left + BAR), 10 * right
        middle = (x0 + x1) / 2
        shape = (
            f"M{x0:.1f},{y0:.1f} C{middle:.1f},{y0:.1f} {middle:.1f},{y1:.1f} {x1:.1f},{y1:.1f} "
            f"V{y1 + thick:.1f} C{middle:.1f},{y1 + thick:.1f} {middle:.1f},{y0 + thick:.1f} {x0:.1f},{y0 + thick:.1f} Z"
        )
        names = [tables.node(columns[step - 1][from_]), tables.node(columns[step][to])]
        told = " → ".join(reversed(names) if backwards else names)
        kind = columns[step][to]["kind"]
        bands.append(
            f'<a href="{escape(link(one["cell"]))}" tabindex="-1"><path class="band of-{kind}" d="{shape}"><title>{escape(told)}: {text(one["visitors"])}</title></path></a>'
        )
    for number, column in enumerate(columns):
        for place, node in enumerate(column):
            top, thick = tops[number][place], max(node["visitors"] * scale, 1)
            name = tables.node(node)
            short = name if len(name) <= 24 else f"{name[:23]}…"
            bars.append(
                f'<a href="{escape(link(node["cell"]))}" tabindex="-1"><rect class="node of-{node["kind"]}" x="{x(number):.2f}%" width="{BAR}%" y="{top:.1f}" height="{thick:.1f}"/>'
                f'<text class="said-at" x="{x(number) + BAR + 0.5:.2f}%" y="{top + min(thick / 2, 12) + 4:.1f}">{escape(short)} <tspan class="many">{text(node["visitors"])}</tspan></text>'
                f"<title>{escape(name)}: {text(node['visitors'])} visitors</title></a>"
            )
    flow = f'<svg class="over" width="100%" height="{HEIGHT}" viewBox="0 0 1000 {HEIGHT}" preserveAspectRatio="none">{"".join(bands)}</svg>'
    about = f"Paths of {answer['visitors']} visitors over {len(answer['levels'])} steps. The table below has the same numbers."
    return figure(title, about, flow + "".join(bars), height=HEIGHT, classes=f"flow n{min(len(columns), 11)}")


def _tops(column: list[dict[str, Any]], scale: float) -> list[float]:
    tops, y = [], float(TOP)
    for node in column:
        tops.append(y)
        y += node["visitors"] * scale + GAP
    return tops
