"""What is new since reports were checked last: what came in, and what time moved over. Blocks."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from arrivals.audience.candidates import Plan
from arrivals.warehouse import client
from arrivals.warehouse.near import Copy, matching
from arrivals.watch.models import Watch

Pair = tuple[str, str]  # kind and name of events, group and name of fields; "" in a kind or name wanted: any
Watched = tuple[Watch, Plan]


@dataclass(frozen=True)
class News:
    """``came``: kind and name of what came in since the oldest mark, by its sort. ``passed``: kind and name of events in
    each span of milliseconds that time moved over."""

    before: datetime
    now: datetime
    came: dict[str, set[Pair]]
    passed: dict[tuple[int, int], set[Pair]]

    def concerns(self, watched: Watched) -> bool:
        """Whether anything of it may change who is on a report."""
        _, plan = watched
        return (
            "link" in self.came
            or _meet(plan.events, self.came.get("event", set()))
            or _meet(plan.fields, self.came.get("field", set()))
            or _meet(plan.account_fields, self.came.get("account", set()))
            or any(_meet({pair}, self.passed[first, last]) for pair, first, last in plan.crossed(self.before, self.now))
        )


def since(all_watched: Sequence[Watched], now: datetime) -> News:
    """The news for these reports, each with the plan that it had at its last check too."""
    came: dict[str, set[Pair]] = {}
    rows = client.warehouse().query(
        "SELECT DISTINCT sort, kind, name FROM recent WHERE seq >= {seq:UInt64}",
        {"seq": min(watch.seq for watch, _ in all_watched)},
    )
    for sort, kind, name in rows:
        came.setdefault(str(sort), set()).add((str(kind), str(name)))
    # From the oldest of the last checks for all, so that they share the questions.
    before = min(watch.seen_at for watch, _ in all_watched if watch.seen_at)
    spans = {(first, last) for _, plan in all_watched for _, first, last in plan.crossed(before, now)}
    passed: dict[tuple[int, int], set[Pair]] = {span: set() for span in spans}
    for first, last in sorted(spans):
        rows = client.warehouse().query(f"SELECT DISTINCT kind, name FROM events WHERE {_SPAN}", _span(first, last))
        passed[first, last] = {(str(kind), str(name)) for kind, name in rows}
    return News(before, now, came, passed)


def gather(copy: Copy, all_watched: Sequence[Watched], news: News) -> int:
    """Put the people whom the news is about, for these reports, into a copy; returns how many ids they have."""
    plans = [plan for _, plan in all_watched]
    events, given = matching({pair for plan in plans for pair in plan.events}, "e_")
    fields, own = matching({pair for plan in plans for pair in plan.fields}, "f_")
    since = {"seq": min(watch.seq for watch, _ in all_watched)}
    copy.add(
        "SELECT DISTINCT visitor FROM {main}.recent WHERE seq >= {seq:UInt64} AND "
        f"(sort = 'link' OR (sort = 'event' AND {events}) OR (sort = 'field' AND {fields}))",
        since | given | own,
    )
    accounts = {pair for plan in plans for pair in plan.account_fields}
    if accounts and "account" in news.came:
        condition, own = matching(accounts, "a_")
        copy.add(
            "SELECT DISTINCT visitor FROM {main}.account_visitors WHERE account IN "
            f"(SELECT visitor FROM {{main}}.recent WHERE seq >= {{seq:UInt64}} AND sort = 'account' AND {condition})",
            since | own,
        )
    spans: dict[tuple[int, int], set[Pair]] = {}
    for plan in plans:
        for pair, first, last in plan.crossed(news.before, news.now):
            if news.passed[first, last]:
                spans.setdefault((first, last), set()).add(pair)
    for (first, last), pairs in spans.items():
        condition, own = matching(pairs, "p_")
        copy.add(
            f"SELECT DISTINCT visitor FROM {{main}}.events WHERE {_SPAN} AND {condition}", _span(first, last) | own
        )
    return copy.close_over_links()


_SPAN = "ts >= fromUnixTimestamp64Milli({first:Int64}, 'UTC') AND ts <= fromUnixTimestamp64Milli({last:Int64}, 'UTC')"


def _span(first: int, last: int) -> dict[str, object]:
    return {"first": first, "last": last}


def _meet(wanted: Iterable[Pair], there: set[Pair]) -> bool:
    """Whether any of ``there`` is wanted."""
    return any(
        (kind, name) in there
        if kind and name
        else any((not kind or kind == its) and (not name or name == called) for its, called in there)
        for kind, name in wanted
    )
