"""Aggregations over 20 million events, beside SQL written by hand: ``python -m benchmarks.aggregation [EVENTS]``.

Each question is a body of Pendo's API, and what somebody who knows the tables would write for the same answer. Ours is
measured from the body to the last byte of the JSON, the other to the last row in Python. The answers are compared.
Best of 5, one after the other.
"""

from typing import Any

from benchmarks.beside import best, loaded

DAYS = {"period": "dayRange", "first": "dateAdd(now(), -29, `days`)", "last": "now()"}
IN_RANGE = "ts >= toStartOfDay(now('UTC')) - INTERVAL 29 DAY"
Rows = list[tuple[Any, ...]]


def group(source: str, by: list[str], fields: dict[str, Any], *more: dict[str, Any]) -> dict[str, Any]:
    pipeline = [{"source": {source: None, "timeSeries": DAYS}}, {"group": {"group": by, "fields": fields}}, *more]
    return {"response": {"mimeType": "application/json"}, "request": {"pipeline": pipeline}}


QUESTIONS: list[tuple[str, dict[str, Any], str]] = [
    (
        "events per visitor, the first 100",
        group("events", ["visitorId"], {"n": {"sum": "numEvents"}}, {"sort": ["-n", "visitorId"]}, {"limit": 100}),
        f"SELECT any(visitor_id) AS id, count() AS n FROM events WHERE {IN_RANGE} GROUP BY visitor ORDER BY n DESC, id LIMIT 100",
    ),
    (
        "events per visitor, all of them",
        group("events", ["visitorId"], {"n": {"sum": "numEvents"}}),
        f"SELECT any(visitor_id), count() FROM events WHERE {IN_RANGE} GROUP BY visitor",
    ),
    (
        "events and days per visitor",
        group("events", ["visitorId"], {"n": {"sum": "numEvents"}, "days": {"count": "day"}}, {"sort": ["-n", "visitorId"]}, {"limit": 100}),
        f"SELECT any(visitor_id) AS id, count() AS n, uniqExact(toDate(ts)) FROM events WHERE {IN_RANGE} GROUP BY visitor ORDER BY n DESC, id LIMIT 100",
    ),
    (
        "visitors and events per track type",
        group("trackEvents", ["trackTypeId"], {"who": {"count": "visitorId"}, "n": {"sum": "numEvents"}}, {"sort": ["trackTypeId"]}),
        "SELECT base64URLEncode(substring(SHA256(concat('tracktype:', name)), 1, 20)) AS id, uniqExact(visitor), count() "
        f"FROM events WHERE kind = 'track' AND name != '' AND {IN_RANGE} GROUP BY name ORDER BY id",
    ),
    (
        "events, minutes per account and day",
        group("events", ["accountId", "day"], {"n": {"sum": "numEvents"}, "m": {"sum": "numMinutes"}}, {"sort": ["-n", "accountId", "day"]}, {"limit": 100}),
        "SELECT account_id, toUnixTimestamp(toDateTime(d, 'UTC')) * 1000 AS day, sum(e) AS n, sum(m) FROM (SELECT account_id, toDate(ts) AS d, "
        f"count() AS e, uniqExact(toStartOfMinute(ts)) AS m FROM events WHERE {IN_RANGE} GROUP BY visitor, account_id, d) "
        "GROUP BY account_id, d ORDER BY n DESC, account_id, day LIMIT 100",
    ),
]  # fmt: skip


def main() -> None:
    with loaded() as store:
        import orjson

        from arrivals.audience import aggregation

        for name, body, by_hand in QUESTIONS:

            def answer(body: dict[str, Any] = body) -> bytes:
                return b"".join(aggregation.run(body).pieces())

            def rows(sql: str = by_hand) -> Rows:
                return [row for block in store.blocks(sql) for row in block]

            ours, hand = best(answer), best(rows)
            found = sorted(tuple(row.values()) for row in orjson.loads(ours[1])["results"])
            assert found == sorted(hand[1]), f"{name}: the answers differ"
            print(
                f"{name:<36} {ours[0]:>7.0f} ms   by hand {hand[0]:>7.0f} ms   ratio {ours[0] / hand[0]:.2f}   ({len(found):,} rows)"
            )


if __name__ == "__main__":
    main()
