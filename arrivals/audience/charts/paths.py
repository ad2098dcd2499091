"""Paths: what visitors do next after a page or an event, or did before it. One pass over the events. Blocks.

Of each visitor one path counts: from the first event in the range that is the anchor (or back from it), over the next
events of the chosen kinds, each at most the gap after the one before. The same thing directly again is one step.
"""

from dataclasses import dataclass
from typing import Any

from arrivals.audience.charts.definitions import Chart, Paths
from arrivals.audience.charts.questions import Question, comparable
from arrivals.audience.compiler import Compiler
from arrivals.warehouse import client

SEPARATOR = ": "


@dataclass(frozen=True)
class Node:
    """What is at a step: ``name``; or the end of the path (``end``); or anything but ``without``."""

    name: str | None = None
    end: bool = False
    without: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Cell:
    """Those whose path has ``node`` at ``step`` (0: all, the anchor), and ``before`` at the step before it if given."""

    step: int
    node: Node | None = None
    before: Node | None = None
    previous: bool = False


def answer(chart: Chart, paths: Paths, query: Compiler) -> dict[str, Any]:
    """``{"label", "backwards", "visitors", "cell", "levels": [[{"name", "kind", "visitors", "part", "cell", "previous"}]], "links": [...]}``.

    ``levels[n]`` are the nodes at step n + 1, the most visited first: at most ``top`` by name, then ``kind`` "other"
    and "end" (the path was over before). ``links``: ``{"step", "from", "to", "visitors", "cell"}`` between the nodes'
    places in their levels; ``from`` is null at the first step, whose nodes all follow the anchor.
    """
    levels, links = _asked(Question(chart, query, whole=True), paths)
    nodes = [_nodes(level, number + 1) for number, level in enumerate(levels)]
    visitors = sum(levels[0].values()) if levels else 0
    before: list[dict[tuple[str, str], int]] = []
    told: dict[str, Any] = {
        "label": paths.anchor.label,
        "backwards": paths.backwards,
        "visitors": visitors,
        "cell": {"step": 0},
    }
    if comparable(chart):
        before, _ = _asked(Question(chart, query, previous=True), paths, shown=levels)
        told["previous"] = {"visitors": sum(before[0].values()), "cell": {"step": 0, "previous": True}}
    for number, level in enumerate(nodes):
        for node in level:
            node["part"] = node["visitors"] / visitors if visitors else None
            if before:
                count = before[number].get((node["kind"], node["name"] or ""), 0)
                node["previous"] = {"visitors": count, "cell": {**node["cell"], "previous": True}}
    places = [{(one["kind"], one["name"] or ""): place for place, one in enumerate(level)} for level in nodes]
    joined = []
    for (step, from_, to), count in sorted(links.items(), key=lambda one: (one[0][0], -one[1], one[0])):
        start = None if step == 1 else places[step - 2][from_]
        cell = dict(nodes[step - 1][places[step - 1][to]]["cell"])
        if start is not None:
            cell["from"] = {name: v for name, v in nodes[step - 2][start]["cell"].items() if name != "step"}
        joined.append({"step": step, "from": start, "to": places[step - 1][to], "visitors": count, "cell": cell})
    return {**told, "levels": nodes, "links": joined}


def select(chart: Chart, paths: Paths, cell: Cell, query: Compiler) -> str:
    """A SELECT of ``visitor`` and ``amount`` (the number of steps of their path)."""
    asked = Question(chart, query, previous=cell.previous)
    tests = []
    if cell.node is not None:
        tests.append(_test(asked, cell.step, cell.node))
    if cell.before is not None:
        tests.append(_test(asked, cell.step - 1, cell.before))
    where = f" WHERE {' AND '.join(tests)}" if tests else ""
    return f"SELECT visitor, length(path) AS amount FROM ({_people(asked, paths)}){where}"


def _test(asked: Question, step: int, node: Node) -> str:
    if node.end:
        # The path was over: one step shorter, so that who ended long ago ends once.
        return f"length(path) = {step - 1}"
    if node.without is not None:
        return (
            f"length(path) >= {step} AND NOT has({asked.bind.add(list(node.without), 'Array(String)')}, path[{step}])"
        )
    return f"length(path) >= {step} AND path[{step}] = {asked.bind.add(node.name or '', 'String')}"


Level = dict[tuple[str, str], int]
Links = dict[tuple[int, tuple[str, str], tuple[str, str]], int]


def _asked(asked: Question, paths: Paths, shown: list[Level] | None = None) -> tuple[list[Level], Links]:
    """Visitors by node (kind, name) of each level, and by link. ``shown``: the names to keep, else the top ones."""
    depth = paths.depth
    # Each step with the one before it; what comes after the last step is the end, unless the path is as deep as asked.
    steps = f"arraySlice(arrayEnumerate(arrayPushBack(path, '')), 1, {depth})"
    pairs = (
        f"SELECT step, if(step = 1, '', path[step - 1]) AS came, step > length(path) AS ended, if(ended, '', path[step]) AS name, count() AS n "
        f"FROM ({_people(asked, paths)}) ARRAY JOIN {steps} AS step GROUP BY step, came, ended, name"
    )
    if shown is None:
        kept, before = _most(paths.top)
    else:
        names = [[name for kind, name in level if kind == "name"] for level in shown]
        listed = asked.bind.add(names or [[]], "Array(Array(String))")
        kept, before = f"has({listed}[step], name)", f"has({listed}[step - 1], came)"
    sql = (
        f"SELECT step, if(step = 1, 'start', if(came_kept, 'name', 'other')) AS came_kind, if(came_kind = 'name', came, '') AS came_name, "
        f"if(ended, 'end', if(kept, 'name', 'other')) AS node_kind, if(node_kind = 'name', name, '') AS node_name, sum(n) AS visitors "
        f"FROM (SELECT *, {kept} AS kept, {before} AS came_kept FROM ({_totals(pairs)})) "
        "GROUP BY step, came_kind, came_name, node_kind, node_name"
    )
    levels: list[Level] = [{} for _ in range(depth)]
    links: Links = {}
    for step, came_kind, came, kind, name, visitors in client.warehouse().query(sql, asked.bind.parameters):
        level = levels[step - 1]
        level[kind, name] = level.get((kind, name), 0) + int(visitors)
        links[step, (came_kind, came), (kind, name)] = int(visitors)
    while shown is None and len(levels) > 1 and not levels[-1]:
        levels.pop()
    return levels, links


def _totals(pairs: str) -> str:
    """``pairs`` with the visitors of each node, and of the node before."""
    return (
        "SELECT *, sum(if(ended, 0, n)) OVER (PARTITION BY step, name) AS total, "
        f"sum(n) OVER (PARTITION BY step, came) AS came_total FROM ({pairs})"
    )


def _most(top: int) -> tuple[str, str]:
    """Whether a name is among the ``top`` of its step, and the one before among those of its own; of equals the first
    in the alphabet. The total of the one before is what follows it, the end included: the same number."""
    place = "dense_rank() OVER (PARTITION BY step, ended ORDER BY total DESC, name)"
    before = "dense_rank() OVER (PARTITION BY step ORDER BY came_total DESC, came)"
    return f"{place} <= {top}", f"{before} <= {top}"


def _nodes(level: Level, step: int) -> list[dict[str, Any]]:
    named = sorted((one for one in level.items() if one[0][0] == "name"), key=lambda one: (-one[1], one[0][1]))
    names = [name for (_, name), _ in named]
    nodes = [
        {"name": name, "kind": "name", "visitors": visitors, "cell": {"step": step, "name": name}}
        for (_, name), visitors in named
    ]
    if visitors := level.get(("other", "")):
        nodes.append({"name": None, "kind": "other", "visitors": visitors, "cell": {"step": step, "not": names}})
    if visitors := level.get(("end", "")):
        nodes.append({"name": None, "kind": "end", "visitors": visitors, "cell": {"step": step, "end": True}})
    return nodes


def _people(asked: Question, paths: Paths) -> str:
    """A SELECT of ``visitor`` and ``path``: the names of the steps after the anchor, at most ``depth``."""
    query, bind = asked.query, asked.bind
    anchor = paths.anchor.sql(query)
    shown = " OR ".join(f"({query.matching(kind, None, ())})" for kind in paths.kinds)
    times = asked.times(asked.span.first, asked.span.last)
    name = f"concat(if(kind = 'screen', 'page', kind), '{SEPARATOR}', if(name = '', path(url), name))"
    events = (
        f"SELECT visitor, groupArray((toUnixTimestamp64Milli(ts), toUInt8({anchor}), {name})) AS e, max({anchor}) AS there "
        f"FROM events WHERE {times} AND ({shown} OR {anchor}){asked.theirs()} GROUP BY visitor"
    )
    if query.linked:
        events = f"SELECT {asked.owner} AS visitor, groupArrayArray(s.e) AS e, max(s.there) AS there FROM {asked.owned(events)} GROUP BY visitor"
    gap = bind.add(round(paths.gap.total_seconds() * 1000), "Int64")
    # Backwards is forwards with the signs of the times turned; the anchor is then still the first in time.
    turned = "arraySlice(sorted, 1, place)" if paths.backwards else "arraySlice(sorted, place)"
    cut = f"arrayReverse({turned})" if paths.backwards else turned
    far = f"arrayFirstIndex((x, b) -> abs(x.1 - b.1) > {gap}, cut, arrayShiftRight(cut, 1, cut[1]))"
    return (
        "SELECT visitor, arraySort(e) AS sorted, arrayFirstIndex(x -> x.2 = 1, sorted) AS place, "
        f"{cut} AS cut, {far} AS far, "
        "arrayCompact(arrayMap(x -> x.3, if(far = 0, cut, arraySlice(cut, 1, far - 1)))) AS names, "
        f"arraySlice(names, 2, {paths.depth}) AS path FROM ({events}) WHERE there"
    )
