"""What all kinds of charts share when they ask the warehouse: whose events, in which span, and who an event belongs to."""

from dataclasses import dataclass

from arrivals.audience import windows
from arrivals.audience.charts import periods
from arrivals.audience.charts.definitions import Chart
from arrivals.audience.charts.periods import Periods
from arrivals.audience.compiler import LINKS, Compiler
from arrivals.errors import InvalidChart
from arrivals.warehouse import client

MOST_PERIODS = 1000


@dataclass(frozen=True)
class Span:
    """First and last millisecond since 1970, both inclusive."""

    first: int
    last: int


class Question:
    """One chart being asked at one moment: that of ``query``, whose parameters it shares.

    ``whole``: all of its numbers are asked for, so that a range without a beginning begins with the first event of all.
    The people behind one number do not need to know when that was.
    """

    def __init__(self, chart: Chart, query: Compiler, *, previous: bool = False, whole: bool = False) -> None:
        self.chart = chart
        self.query = query
        self.bind = query.bind
        self.periods = periods.of(chart.by or "day")
        self.now = round(query.now.timestamp() * 1000)
        self.span = span(chart, query, self.periods, previous=previous, whole=whole)

    def times(self, first: int, last: int) -> str:
        """The condition that an event happened between two milliseconds, both inclusive, and not in the future."""
        return f"ts >= {self.bind.time(first)} AND ts <= {self.bind.time(min(last, self.now))}"

    def theirs(self) -> str:
        """The condition that an event is of somebody in the segment, and of those whom ``query`` is about, with AND in
        front; empty for everybody."""
        own = f" AND {self.query.own()}" if self.query.keys else ""
        if self.chart.segment is None:
            return own
        inside = self.query.query(self.chart.segment, within=None).sql
        if self.query.linked:
            # Each visitor under all ids; the segment is asked for once.
            inside = f"SELECT arrayJoin([s.visitor, ifNull(l.alias, s.visitor)]) FROM ({inside}) AS s LEFT JOIN {LINKS} AS l ON s.visitor = l.visitor"
        return f"{own} AND visitor IN ({inside})"

    def owned(self, select: str) -> str:
        """A source of the rows of ``select`` (which has ``visitor``), to be joined as ``s``, for use with ``owner``."""
        joined = f" LEFT JOIN {LINKS} AS l ON s.visitor = l.alias" if self.query.linked else ""
        return f"({select}) AS s{joined}"

    @property
    def owner(self) -> str:
        """Whom a row of ``owned`` belongs to."""
        return "coalesce(l.visitor, s.visitor)" if self.query.linked else "s.visitor"


def span(chart: Chart, query: Compiler, by: Periods, *, previous: bool = False, whole: bool = True) -> Span:
    """The span of a chart's range, or of the one before it.

    A range that reaches back from now ("within") begins, in a chart with a unit of time, at the begin of the period
    that it reaches into. The span before has the same length: it ends where this one begins; in a chart with a unit of
    time it lies back by the number of periods that this one touches, so that each stands beside one of the same kind.

    Raises:
        InvalidChart: over 1,000 periods; or the span before everything.
    """
    first, last = chart.window.bounds(query.now)
    if first is None:
        if previous:
            raise InvalidChart("Nothing is before ever; choose another range.", path="range")
        if not whole:
            return Span(0, last)
        first = _beginning(last)
    elif chart.by and chart.window.within is not None:
        first = by.start(by.number(first))
    first = min(first, last)
    if not chart.by:
        return Span(*(chart.window.before(query.now) or (first, last))) if previous else Span(first, last)
    begin, end = by.number(first), by.number(last)
    many = end - begin + 1
    if many > MOST_PERIODS:
        raise InvalidChart(
            f"The range has {many:,} {by.unit}s, more than {MOST_PERIODS:,}; choose a shorter one or a longer unit.",
            path="by",
        )
    if not previous:
        return Span(first, last)
    return Span(
        min(by.start(begin - many) + (first - by.start(begin)), by.end(begin - many)),
        min(by.start(end - many) + (last - by.start(end)), by.end(end - many)),
    )


def comparable(chart: Chart) -> bool:
    """Whether the chart is to be compared with the span before it, and there is one."""
    return chart.compare and chart.window != windows.EVER


def _beginning(last: int) -> int:
    """The time of the first event of all, or ``last``."""
    [(first,)] = client.warehouse().query("SELECT toUnixTimestamp64Milli(min(first)) FROM visitors WHERE last >= first")
    return min(int(first), last) if first else last
