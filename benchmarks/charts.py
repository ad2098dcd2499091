"""Charts over 20 million events, beside SQL written by hand: ``python -m benchmarks.charts [EVENTS]``.

The same generated events as the report's benchmark, and the SQL that somebody who knows the tables would write for the same
numbers; the answers are compared where both say the same. ``windowFunnel`` beside our funnel answers less: no times. Best of 7, one
at a time; the time is that of the processor in all threads, which others on the machine disturb less.
"""

import time
from typing import Any

from benchmarks.beside import best, loaded

RANGE = {"within": "30d"}
DAYS = "toDate(ts)"
SINCE = "ts >= {after:DateTime64(3, 'UTC')}"
NAMES = ("name_3", "name_7", "name_12")


def track(name: str, **more: Any) -> dict[str, Any]:
    return {"kind": "track", "name": name, **more}


CHARTS: dict[str, tuple[dict[str, Any], str]] = {
    "trend, events by day": (
        {"kind": "trend", "series": [track("name_7")], "range": RANGE},
        f"SELECT {DAYS} AS d, count() FROM events WHERE {SINCE} AND kind = 'track' AND name = 'name_7' GROUP BY d ORDER BY d",
    ),
    "trend, unique visitors by day, and of all days": (
        {"kind": "trend", "series": [{"kind": "event", "measure": "visitors"}], "range": RANGE},
        f"SELECT {DAYS} AS d, uniqExact(visitor) FROM events WHERE {SINCE} GROUP BY GROUPING SETS ((d), ()) ORDER BY d",
    ),
    "trend, events by name, top 10 and other": (
        {"kind": "trend", "series": [{"kind": "event"}], "range": RANGE, "breakdown": {"event": "name"}},
        f"SELECT {DAYS} AS d, if(name IN (SELECT name FROM events WHERE {SINCE} GROUP BY name ORDER BY count() DESC LIMIT 10), name, '') AS n, "
        f"count() FROM events WHERE {SINCE} GROUP BY d, n ORDER BY d, n",
    ),
    "trend, sum of a property by day": (
        {"kind": "trend", "series": [track("name_7", measure={"sum": "revenue"})], "range": RANGE},
        f"SELECT {DAYS} AS d, sum(toDecimal64OrNull(JSONExtractRaw(properties, 'revenue'), 2)) FROM events "
        f"WHERE {SINCE} AND kind = 'track' AND name = 'name_7' GROUP BY d ORDER BY d",
    ),
    "funnel of 3 steps, beside windowFunnel": (
        {"kind": "funnel", "steps": [track(name) for name in NAMES], "window": "7d", "range": RANGE},
        "SELECT countIf(l >= 1), countIf(l >= 2), countIf(l >= 3) FROM (SELECT visitor, windowFunnel(604800000, 'strict_increase')"
        f"(toUInt64(toUnixTimestamp64Milli(ts)), {', '.join(f'name = {name!r}' for name in NAMES)}) AS l FROM events "
        f"WHERE {SINCE} AND kind = 'track' AND name IN {NAMES} GROUP BY visitor)",
    ),
    "retention, 4 weeks": (
        {"kind": "retention", "first": track("name_3"), "returning": track("name_7"), "periods": 4, "range": RANGE},
        "SELECT c, w - c AS o, count() FROM (SELECT visitor, toRelativeWeekNum(minIf(ts, name = 'name_3')) AS c, "
        "groupUniqArrayIf(toRelativeWeekNum(ts), name = 'name_7') AS ws FROM events "
        f"WHERE {SINCE} AND kind = 'track' AND name IN ('name_3', 'name_7') GROUP BY visitor HAVING countIf(name = 'name_3')) "
        "ARRAY JOIN ws AS w WHERE w > c GROUP BY c, o ORDER BY c, o",
    ),
    "paths of 3 steps": (
        {"kind": "paths", "from": track("name_3"), "depth": 3, "top": 5, "gap": "7d", "range": RANGE},
        "SELECT s1, s2, s3, count() FROM (SELECT visitor, arraySort(groupArray((ts, name = 'name_3', concat(kind, ': ', name)))) AS e, "
        "arraySlice(e, arrayFirstIndex(x -> x.2, e)) AS p, "
        "arrayFirstIndex(d -> d > 7 * 86400000, arrayDifference(arrayMap(x -> toUnixTimestamp64Milli(x.1), p))) AS far, "
        "arraySlice(arrayCompact(arrayMap(x -> x.3, if(far = 0, p, arraySlice(p, 1, far - 1)))), 2, 3) AS s, "
        f"s[1] AS s1, s[2] AS s2, s[3] AS s3 FROM events WHERE {SINCE} AND kind IN ('track', 'page', 'screen') GROUP BY visitor "
        "HAVING countIf(name = 'name_3')) GROUP BY s1, s2, s3 ORDER BY count() DESC LIMIT 100",
    ),
}


def main() -> None:
    with loaded() as store:
        from arrivals import clock
        from arrivals.audience.charts import results

        for title, (chart, by_hand) in CHARTS.items():
            now = clock.now()
            # A chart by day begins at midnight, by week on Monday.
            after = {"after": clock.parse(results.of(chart, now=now)["from"])}

            def ours(chart: dict[str, Any] = chart, now: Any = now) -> Any:
                return results.of(chart, now=now)

            def hand(sql: str = by_hand, after: dict[str, Any] = after) -> Any:
                return store.query(sql, after)

            (our_ms, answer), (hand_ms, rows) = (best(one, clock=time.process_time) for one in (ours, hand))
            print(
                f"{title:<50} {our_ms:>7.0f} ms   by hand {hand_ms:>7.0f} ms   ratio {our_ms / hand_ms:.2f}", flush=True
            )
            compared(answer, rows)


def compared(answer: dict[str, Any], rows: list[tuple[Any, ...]]) -> None:
    """Both say the same, where both say it."""
    if answer["kind"] == "funnel":
        assert [step["visitors"] for step in answer["steps"]] == list(rows[0]), (answer["steps"], rows)
    elif answer["kind"] == "trend" and len(answer["series"]) == 1:
        by_day = {str(row[0])[:10]: float(row[1]) for row in rows}
        told = dict(zip(answer["buckets"], answer["series"][0]["values"], strict=True))
        assert all(abs(by_day[day] - value) < 0.01 for day, value in told.items() if value), (told, by_day)


if __name__ == "__main__":
    main()
