"""Synthetic events, made inside the warehouse: the same for the same seed.

500,000 visitors of 20,000 accounts do 20 million things of 50 names in 180 days before ``end``; names and visitors are skewed,
as they are in life (a few of each are busy). A third of the visitors is on the plan "pro".
"""

from datetime import datetime

from arrivals.warehouse.client import Warehouse

EVENTS = 20_000_000
VISITORS = 500_000
ACCOUNTS = 20_000
NAMES = 50
DAYS = 180
BLOCK = 2_000_000


def generate(store: Warehouse, end: datetime, *, events: int = EVENTS, visitors: int = VISITORS, seed: int = 7) -> None:
    """Fill the tables events, visitors and visitor_fields of a migrated warehouse."""
    last = round(end.timestamp() * 1000)
    given = {"end": last, "seed": seed, "visitors": visitors}
    for start in range(0, events, BLOCK):
        store.command(
            "INSERT INTO events (source_id, message_hash, message_id, kind, name, visitor_id, account_id, ts, received_at, url, properties) "
            "WITH sipHash64(number, {seed:UInt64}) AS a, sipHash64(a) AS b, sipHash64(b) AS c, "
            "toUInt64({visitors:UInt64} * pow(a / 18446744073709551616., 2)) AS who, "
            f"fromUnixTimestamp64Milli(toInt64({{end:Int64}} - (b / 18446744073709551616.) * {DAYS} * 86400000), 'UTC') AS at "
            "SELECT 'src_bench', a, toString(number), 'track', "
            f"concat('name_', toString(toUInt64({NAMES} * pow(c / 18446744073709551616., 1.5)))), concat('visitor-', toString(who)), "
            f"concat('account-', toString(who % {ACCOUNTS})), at, at, '', concat('{{\"revenue\":', toString((c % 20000) / 100), '}}') "
            f"FROM numbers({start}, {min(BLOCK, events - start)})",
            given,
        )
    store.command(
        "INSERT INTO visitor_fields (grp, field, visitor_id, value, type, at) "
        "SELECT 'agent', 'plan', visitor_id, if(sipHash64(visitor_id) % 3 = 0, 'pro', 'free'), 'string', first "
        "FROM (SELECT any(visitor_id) AS visitor_id, min(first) AS first FROM visitors GROUP BY visitor)"
    )
