"""A report over 20 million events, beside SQL written by hand: ``python -m benchmarks.report [EVENTS]``.

The report: visitors on the plan "pro" who did name_7 at least 3 times in 30 days, active in the last 30 days; columns id, plan,
account, days active, a count and a sum. Measured: the first page of 50 rows, and the ids-only query of a check. The SQL beside it
is what somebody who knows the tables would write for the same question; the answers are compared. Best of 7, one at a time.
"""

from typing import Any

from benchmarks.beside import best, loaded

RULES = {
    "all": [
        {"any": [{"kind": "visitor", "field": "agent.plan", "op": "is", "value": "pro"}]},
        {"any": [{"kind": "track", "name": "name_7", "times": {"at_least": 3}, "when": {"within": "30d"}}]},
    ]
}
COLUMNS = [
    "visitor.id",
    "visitor.agent.plan",
    "account.id",
    "metric.days_active",
    {"count": "track", "name": "name_7", "as": "times"},
    {"sum": "track", "name": "name_7", "property": "revenue", "as": "revenue"},
]
IDS = (
    "SELECT visitor FROM events WHERE kind = 'track' AND name = 'name_7' AND ts > {after:DateTime64(3, 'UTC')} AND visitor IN "
    "(SELECT visitor FROM visitor_fields FINAL WHERE grp = 'agent' AND field = 'plan' AND value = 'pro') "
    "GROUP BY visitor HAVING count() >= 3"
)
PAGE = (
    "SELECT any(e.visitor_id) AS id, any(f.value), argMax(e.account_id, e.ts), uniqExact(toDate(e.ts)), countIf(e.name = 'name_7'), "
    "sumIf(toDecimal64(JSONExtractFloat(e.properties, 'revenue'), 2), e.name = 'name_7') FROM events AS e "
    "LEFT JOIN (SELECT visitor, value FROM visitor_fields FINAL WHERE grp = 'agent' AND field = 'plan') AS f ON e.visitor = f.visitor "
    "WHERE e.ts > {after:DateTime64(3, 'UTC')} AND e.visitor IN (SELECT visitor FROM (SELECT visitor, any(visitor_id) AS id FROM visitors "
    f"WHERE visitor IN ({IDS}) GROUP BY visitor ORDER BY id LIMIT 50)) GROUP BY e.visitor ORDER BY id"
)


def main() -> None:
    with loaded() as store:
        from arrivals import clock
        from arrivals.audience import compiler, reports, rows, segments

        segment = segments.create("Busy pros", RULES)
        report = reports.create(
            {"name": "Busy pros", "segment": segment.id, "range": {"within": "30d"}, "columns": COLUMNS}
        )
        after = {"after": clock.now() - clock.duration("30d")}

        def ids() -> Any:
            query = compiler.report_ids(report)
            return store.query(f"SELECT count(), sum(visitor) FROM ({query.sql})", query.parameters)

        ours, by_hand = best(ids), best(lambda: store.query(f"SELECT count(), sum(visitor) FROM ({IDS})", after))
        print(
            f"ids only    {ours[0]:>7.0f} ms   by hand {by_hand[0]:>7.0f} ms   ratio {ours[0] / by_hand[0]:.2f}   ({ours[1][0][0]:,} visitors)"
        )
        page, hand_page = best(lambda: rows.page(report, limit=50)), best(lambda: store.query(PAGE, after))
        print(f"first page  {page[0]:>7.0f} ms   by hand {hand_page[0]:>7.0f} ms   ratio {page[0] / hand_page[0]:.2f}")
        assert abs(ours[1][0][0] - by_hand[1][0][0]) <= 2, "the window moves while it is measured, by milliseconds only"
        got = [
            (r["visitor.id"], r["visitor.agent.plan"], r["account.id"], r["metric.days_active"], r["times"])
            for r in page[1].items
        ]
        assert sum(a == b[:5] for a, b in zip(got, hand_page[1], strict=True)) >= 48


if __name__ == "__main__":
    main()
