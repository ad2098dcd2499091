"""Who is on each of many reports of visitors, asked together. Blocks.

A statement takes longer to be understood than to find a few thousand people, and reports share much: the same range, the
same fields, the same event counted by other numbers. So each set of people that their rules name is asked for once, the
counts of all names of an event at once, and the rules put these sets together in memory. What a set is, and how the sets
of a report belong together, is for the compiler to say.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

import numpy as np
import numpy.typing as npt

from arrivals.audience import compiler, tagged
from arrivals.audience.asking import Query
from arrivals.audience.compiler import Compiler, Side
from arrivals.audience.models import Report
from arrivals.audience.rules import EventRule, Rule, SegmentRule
from arrivals.audience.windows import Window
from arrivals.warehouse import client

log = logging.getLogger(__name__)
EVERYBODY = "everybody"
AT_ONCE = 25  # selects of one statement
SECONDS = 30.0

Keys = npt.NDArray[np.uint64]
Mask = npt.NDArray[np.bool_]
Groups = list[list[Side]]  # as the compiler has them, with the name of a set in the place of its SELECT


class Together(Compiler):
    """Reports that are asked about at the present: ``add`` each, then ``ask``. For some hundred thousand people at most."""

    def __init__(self) -> None:
        super().__init__(None, "t_")
        self.selects: dict[str, Query] = {}  # by the names of the sets that they find
        self.sides: dict[str, Side] = {}  # the same sets
        self.counted: dict[str, list[tuple[str, EventRule]]] = {}  # the sets that differ in name and number only
        self.nested: dict[str, Groups] = {}
        self.reports: dict[str, Groups] = {}
        self._select(EVERYBODY, lambda one: Side(one.everybody(), negated=False))

    def add(self, report: Report) -> None:
        """Raises InvalidReport."""
        self.reports[report.id] = self.groups(*compiler.definition(report))

    def side(self, rule: Rule) -> Side:
        """As that of a compiler; what would be its SELECT is the name of the set."""
        match rule:
            case SegmentRule():
                name = repr(rule.rules)
                if name not in self.nested:
                    self.nested[name] = self.groups(rule.rules, None)
                return Side(name, negated=not rule.did)
            case EventRule() if rule.name is not None and rule.kind not in tagged.KINDS:
                name = repr(replace(rule, did=True))
                alike = self.counted.setdefault(repr(replace(rule, did=True, name="", at_least=1, at_most=None)), [])
                if all(name != other for other, _ in alike):
                    alike.append((name, rule))
                return Side(name, negated=not rule.did)
        return self._select(repr(rule), lambda one: one.side(rule))

    def active(self, window: Window) -> str:
        return self._select(f"active {window!r}", lambda one: Side(one.active(window), negated=False)).select

    def _select(self, name: str, find: Callable[[Compiler], Side]) -> Side:
        if name not in self.sides:
            one = Compiler(None, f"t{len(self.sides)}_", links=self.linked)
            side = find(one)
            self.selects[name] = Query(side.select, one.bind.parameters)
            self.sides[name] = replace(side, select=name)
        return self.sides[name]

    def ask(self) -> dict[str, Keys]:
        """The keys of the members of each report, each once, in order; without the reports that cannot be asked."""
        people, sets = self._sets()
        found: dict[str, Keys] = {}
        for id_, groups in self.reports.items():
            try:
                found[id_] = people[self._members(groups, sets)]
            except KeyError:
                log.warning("Report %s has a rule that could not be asked.", id_)
        return found

    def _members(self, groups: Groups, sets: dict[str, Mask]) -> Mask:
        """As ``Compiler.query`` says it in SQL."""
        driver = compiler.leading(groups)
        members = self._set(driver[0].select, sets) if driver else sets[EVERYBODY]
        if driver and driver[0].wide:
            members = members & sets[EVERYBODY]
        for group in groups:
            if group is not driver:
                hold = [self._set(side.select, sets) ^ side.negated for side in group]
                members = members & np.logical_or.reduce(hold)
        return members

    def _set(self, name: str, sets: dict[str, Mask]) -> Mask:
        if name in self.nested and name not in sets:
            sets[name] = self._members(self.nested[name], sets)
        return sets[name]

    def _sets(self) -> tuple[Keys, dict[str, Mask]]:
        """All people in order, and by the name of each set who of them is in it; without the sets that cannot be asked."""
        parts = [Part([[(name, 1, None)]], "0", query, "1") for name, query in self.selects.items()]
        parts += [self._counts(alike, f"t{number}_") for number, alike in enumerate(self.counted.values(), len(parts))]
        firsts = list(accumulate((len(part.columns) for part in parts), initial=0))
        rows, there = _asked(list(zip(firsts, parts, strict=False)))
        people, persons = np.unique(rows[:, 1], return_inverse=True)
        order = np.argsort(rows[:, 0].astype(np.uint32), kind="stable")
        bounds = np.searchsorted(rows[order, 0], np.arange(firsts[-1] + 1, dtype=np.uint64))
        sets: dict[str, Mask] = {}
        for first, part in there:
            for number, column in enumerate(part.columns, first):
                own = order[bounds[number] : bounds[number + 1]]
                whose, times = persons[own], rows[own, 2]
                for name, at_least, at_most in column:
                    enough = (times >= at_least) & (times <= (times if at_most is None else at_most))
                    sets[name] = np.zeros(len(people), np.bool_)
                    sets[name][whose[enough]] = True
        return people, sets

    def _counts(self, alike: list[tuple[str, EventRule]], prefix: str) -> "Part":
        named: dict[str, list[tuple[str, int, int | None]]] = {}
        for its, rule in alike:
            named.setdefault(str(rule.name), []).append((its, rule.at_least, rule.at_most))
        one = Compiler(None, prefix, links=self.linked)
        counts = one.counts(alike[0][1], list(named))
        names = one.bind.add(list(named), "Array(String)")
        least = one.bind.add([min(low for _, low, _ in sets) for sets in named.values()], "Array(UInt64)")
        enough = f"SELECT name, visitor, n FROM ({counts}) WHERE n >= {least}[indexOf({names}, name)]"
        return Part(list(named.values()), f"indexOf({names}, name) - 1", Query(enough, one.bind.parameters), "n")


@dataclass(frozen=True)
class Part:
    """A SELECT of ``visitor``, and by expressions of ``column``, in which of ``columns``, and ``times``, how often. A column
    has the sets of those who did it so often: name, at least, at most."""

    columns: list[list[tuple[str, int, int | None]]]
    column: str
    query: Query
    times: str


def _asked(placed: Sequence[tuple[int, Part]]) -> tuple[Keys, list[tuple[int, Part]]]:
    """Column, visitor and times of what is found; and the parts that could be asked. Each has the number of its first column."""
    if len(placed) > AT_ONCE:
        found, there = zip(*(_asked(placed[n : n + AT_ONCE]) for n in range(0, len(placed), AT_ONCE)), strict=True)
        return np.concatenate(found), [one for some in there for one in some]
    sql = " UNION ALL ".join(
        f"SELECT toUInt64({first} + {part.column}), visitor, toUInt64({part.times}) FROM ({part.query.sql})"
        for first, part in placed
    )
    try:
        given = {name: value for _, part in placed for name, value in part.query.parameters.items()}
        rows = client.warehouse().numbers(sql, given, seconds=SECONDS)
        return rows.astype(np.uint64, copy=False).reshape(-1, 3), list(placed)
    except Exception:
        if len(placed) > 1:  # each by itself, so that one hurts no other
            found, there = zip(*(_asked([one]) for one in placed), strict=True)
            return np.concatenate(found), [one for some in there for one in some]
        log.exception("A rule could not be asked of few people: %.200s", placed[0][1].columns)
        return np.zeros((0, 3), np.uint64), []
