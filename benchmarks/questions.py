"""Questions of product analytics: ours, SQL by hand over the same tables, DuckDB, PostgreSQL.

``python -m benchmarks.questions [EVENTS] [alone]``: 20 million events by default; with ``alone`` DuckDB and PostgreSQL are left
out, whose loading takes long with 100 million. One question at a time, best of 7 (PostgreSQL: best of 2). The answers are
compared: all are the same numbers. The last column is the most memory that the process had while ours was asked (with
``alone``; else DuckDB is in it).
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks import others, report
from benchmarks.beside import best, forget_peak, loaded, resident

Rows = list[tuple[Any, ...]]
STEPS = ("name_3", "name_7", "name_12")
VISITOR = "visitor-4711"
MONTH, EIGHT_WEEKS, WEEK = timedelta(days=30), timedelta(weeks=8), timedelta(days=7)


@dataclass(frozen=True)
class Question:
    """``ours`` gives rows as the SQL does. ``hand``: ClickHouse; ``others``: DuckDB and PostgreSQL; ``compared``: whether
    these tell the same columns."""

    name: str
    ours: Callable[[], Rows]
    hand: str
    others: str
    compared: bool = True


def questions(now: datetime) -> list[Question]:
    from arrivals.audience import person, persons, reports, rows, segments
    from arrivals.audience.charts import results

    segment = segments.create("Busy pros", report.RULES)
    busy = reports.create(
        {"name": "Busy pros", "segment": segment.id, "range": {"within": "30d"}, "columns": report.COLUMNS}
    )

    def page() -> Rows:
        keys = ("visitor.id", "visitor.agent.plan", "account.id", "metric.days_active", "times")
        return [tuple(row[key] for key in keys) for row in rows.page(busy, limit=50).items]

    def chart(**definition: Any) -> dict[str, Any]:
        told: dict[str, Any] = results.of(definition, now=now)
        return told

    def trend() -> Rows:
        track = {"kind": "track", "name": "name_7"}
        told = chart(kind="trend", series=[{**track, "measure": "visitors"}], by="day", range={"within": "30d"})
        return list(zip(told["buckets"], told["series"][0]["values"], strict=True))

    def funnel() -> Rows:
        steps = [{"kind": "track", "name": name} for name in STEPS]
        told = chart(kind="funnel", steps=steps, window="7d", range={"within": "30d"})
        return [tuple(step["visitors"] for step in told["steps"])]

    def retention() -> Rows:
        anything = {"kind": "event"}
        told = chart(
            kind="retention",
            first=anything,
            returning=anything,
            by="week",
            periods=8,
            range={"since": iso(now - EIGHT_WEEKS)},
        )
        return [
            (cohort["cohort"], later, many)
            for cohort in told["cohorts"]
            for later, many in enumerate([cohort["visitors"], *cohort["returned"]])
            if many
        ]

    def timeline() -> Rows:
        return [(entry["event"],) for entry in persons.timeline(person.find(VISITOR), limit=50)[0]]

    return [
        Question("report, first 50 rows", page, hand_page(now), others_page(now)),
        Question("trend, visitors a day, 30 days", trend, hand_trend(now), others_trend(now)),
        Question("funnel, 3 steps in 7 days", funnel, hand_funnel(now), others_funnel(now)),
        Question("retention, 8 weeks", retention, hand_retention(now), others_retention(now)),
        Question("a visitor's newest 50 events", timeline, HAND_TIMELINE, OTHERS_TIMELINE, compared=False),
    ]


def iso(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def spans(now: datetime) -> dict[str, str]:
    """Conditions on ``ts`` for both dialects: the last 30 days from the begin of the first, exactly 30 days, 8 weeks."""
    day = (now - MONTH + timedelta(milliseconds=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    told = {}
    for name, first in (
        ("days", day),
        ("month", now - MONTH + timedelta(milliseconds=1)),
        ("weeks", now - EIGHT_WEEKS),
    ):
        told[name] = f"ts >= toDateTime64('{plain(first)}', 3, 'UTC') AND ts <= toDateTime64('{plain(now)}', 3, 'UTC')"
        told[f"{name}_others"] = f"ts >= '{iso(first)}' AND ts <= '{iso(now)}'"
    return told


def plain(at: datetime) -> str:
    return at.strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]


def hand_page(now: datetime) -> str:
    first = f"toDateTime64('{plain(now - MONTH)}', 3, 'UTC')"
    return report.PAGE.replace("{after:DateTime64(3, 'UTC')}", first)


def others_page(now: datetime) -> str:
    month = spans(now)["month_others"]
    ids = (
        f"SELECT visitor_id FROM events JOIN plans USING (visitor_id) WHERE name = 'name_7' AND {month} AND plan = 'pro' "
        "GROUP BY visitor_id HAVING count(*) >= 3 ORDER BY visitor_id LIMIT 50"
    )
    return (
        "SELECT e.visitor_id, 'pro', (array_agg(account_id ORDER BY ts DESC))[1], count(DISTINCT date_trunc('day', ts)), "
        f"count(*) FILTER (name = 'name_7') FROM events e WHERE {month} AND visitor_id IN ({ids}) GROUP BY e.visitor_id ORDER BY e.visitor_id"
    ).replace("FILTER (name", "FILTER (WHERE name")


def hand_trend(now: datetime) -> str:
    return (
        "SELECT toString(toDate(ts)) AS d, uniqExact(visitor) FROM events "
        f"WHERE kind = 'track' AND name = 'name_7' AND {spans(now)['days']} GROUP BY GROUPING SETS ((d), ()) ORDER BY d"
    )


def others_trend(now: datetime) -> str:
    return (
        "SELECT cast(cast(date_trunc('day', ts) AS date) AS varchar) AS d, count(DISTINCT visitor_id) FROM events "
        f"WHERE name = 'name_7' AND {spans(now)['days_others']} GROUP BY d ORDER BY d"
    )


def hand_funnel(now: datetime) -> str:
    names = ", ".join(f"name = '{one}'" for one in STEPS)
    listed = ", ".join(f"'{one}'" for one in STEPS)
    return (
        "SELECT countIf(level >= 1), countIf(level >= 2), countIf(level >= 3) FROM (SELECT "
        f"windowFunnel({round(WEEK.total_seconds() * 1000)}, 'strict_increase')(toUInt64(toUnixTimestamp64Milli(ts)), {names}) AS level "
        f"FROM events WHERE kind = 'track' AND name IN ({listed}) AND {spans(now)['month']} GROUP BY visitor)"
    )


def others_funnel(now: datetime) -> str:
    """For each first step the next second step, and the third step next after that: in two passes of a window."""
    a, b, c = STEPS
    later = "PARTITION BY visitor_id ORDER BY ts ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING"
    return (
        f"WITH e AS (SELECT visitor_id, name, ts, min(CASE WHEN name = '{c}' THEN ts END) OVER w AS third FROM events "
        f"WHERE name IN ('{a}', '{b}', '{c}') AND {spans(now)['month_others']} WINDOW w AS ({later})), "
        f"f AS (SELECT visitor_id, name, ts, min(CASE WHEN name = '{b}' THEN ts END) OVER w AS second, "
        f"min(CASE WHEN name = '{b}' THEN third END) OVER w AS third FROM e WINDOW w AS ({later})) "
        "SELECT count(DISTINCT visitor_id), count(DISTINCT CASE WHEN second <= ts + INTERVAL '7 days' THEN visitor_id END), "
        f"count(DISTINCT CASE WHEN third <= ts + INTERVAL '7 days' THEN visitor_id END) FROM f WHERE name = '{a}'"
    )


def hand_retention(now: datetime) -> str:
    return (
        "SELECT toString(cohort), intDiv(w - cohort, 7) AS later, count() FROM (SELECT groupUniqArray(toStartOfWeek(ts, 1)) AS weeks, "
        f"toStartOfWeek(min(ts), 1) AS cohort FROM events WHERE {spans(now)['weeks']} GROUP BY visitor) ARRAY JOIN weeks AS w "
        "GROUP BY cohort, later ORDER BY cohort, later"
    )


def others_retention(now: datetime) -> str:
    return (
        "WITH w AS (SELECT DISTINCT visitor_id, cast(date_trunc('week', ts) AS date) AS week FROM events "
        f"WHERE {spans(now)['weeks_others']}), c AS (SELECT visitor_id, week, min(week) OVER (PARTITION BY visitor_id) AS cohort FROM w) "
        "SELECT cast(cohort AS varchar), (week - cohort) / 7 AS later, count(*) FROM c GROUP BY cohort, later ORDER BY cohort, later"
    )


HAND_TIMELINE = (
    f"SELECT message_id FROM events WHERE visitor = cityHash64('{VISITOR}') ORDER BY ts DESC, message_id DESC LIMIT 50"
)
OTHERS_TIMELINE = f"SELECT name, ts FROM events WHERE visitor_id = '{VISITOR}' ORDER BY ts DESC LIMIT 50"


def main() -> None:
    with loaded() as store, TemporaryDirectory(prefix="arrivals-benchmark-", ignore_cleanup_errors=True) as name:
        from arrivals import clock

        now = clock.now().replace(microsecond=0)
        asked: dict[str, others.Ask | None] = {}
        if "alone" not in sys.argv:
            asked = {"DuckDB": others.duckdb(store, Path(name)), "PostgreSQL": others.postgres(store, Path(name))}
        print(f"{'':<34}{'ours, ms':>10}{'by hand':>10}{'ratio':>8}{'DuckDB':>10}{'PostgreSQL':>12}{'peak, MB':>10}")
        for one in questions(now):
            forget_peak()
            ours, peak = best(one.ours), resident("VmHWM")
            hand = best(lambda sql=one.hand: store.query(sql))
            cut = len(ours[1][0])
            # The total of a trend, which the others are not asked for, comes without a day.
            same = [row[:cut] for row in hand[1] if row[0] != ""]
            assert ours[1] == same, f"{one.name}: the answers differ: {ours[1][:3]}, {same[:3]}"
            told = f"{one.name:<34}{ours[0]:>10.0f}{hand[0]:>10.0f}{ours[0] / hand[0]:>8.2f}"
            for name, width in (("DuckDB", 10), ("PostgreSQL", 12)):
                ask = asked.get(name)
                if ask is None:
                    told += f"{'-':>{width}}"
                    continue
                least, answer = best(lambda ask=ask, sql=one.others: ask(sql), rounds=7 if name == "DuckDB" else 2)
                assert len(answer) == len(same), f"{one.name}: {name} has another answer"
                if one.compared:
                    assert [tuple(row) for row in answer] == ours[1], (
                        f"{one.name}: {name} has another answer: {answer[:3]}"
                    )
                told += f"{least:>{width}.0f}"
            print(f"{told}{peak:>10}", flush=True)


if __name__ == "__main__":
    main()
