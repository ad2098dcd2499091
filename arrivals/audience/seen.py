"""What was seen in events and metadata, to be suggested in forms: names of properties, and frequent values. Blocks.

Only the newest of many events and values are looked at: a suggestion is a help, and no list of all there is.
"""

from arrivals.audience import rules
from arrivals.audience.compiler import Compiler
from arrivals.warehouse import client

MOST = 100
LOOKED_AT = 20_000
LONGEST = 100
DAYS = 90


def properties(kind: str, name: str | None, *, seconds: float = 2) -> list[str]:
    """The properties of a kind of rule's events of a name, the most frequent first; of objects the names inside them."""
    query, events = _newest(kind, name)
    keys = "JSONExtractKeys(properties)"
    inner = "arrayMap(y -> concat(x, '.', y), JSONExtractKeys(properties, x))"
    each = f"arrayFlatten(arrayMap(x -> if(JSONType(properties, x) = 'Object', {inner}, [x]), {keys}))"
    found = client.warehouse().query(
        f"SELECT arrayJoin({each}) AS property FROM ({events}) GROUP BY property ORDER BY count() DESC, property "
        f"LIMIT {MOST}",
        query.bind.parameters,
        seconds=seconds,
    )
    return [one for (one,) in found]


def values(kind: str, name: str | None, property_: str, *, seconds: float = 2) -> list[str]:
    """The values of a property of these events, the most frequent first."""
    query, events = _newest(kind, name)
    found = client.warehouse().query(
        f"SELECT {query.property(property_)} AS value FROM ({events}) WHERE value IS NOT NULL AND value != '' "
        f"AND lengthUTF8(value) <= {LONGEST} GROUP BY value ORDER BY count() DESC, value LIMIT {MOST}",
        query.bind.parameters,
        seconds=seconds,
    )
    return [one for (one,) in found]


def of_field(owner: str, field: str, *, seconds: float = 2) -> list[str]:
    """The values of a metadata field (``agent.plan``) of visitors or accounts, the most frequent first; ids of accounts
    for ``account.id``."""
    store = client.warehouse()
    if owner == "account" and field in {"id", "account.id"}:
        ids = f"SELECT account_id FROM account_visitors GROUP BY account_id ORDER BY count() DESC, account_id LIMIT {MOST}"
        return [one for (one,) in store.query(ids, seconds=seconds)]
    group, _, name = field.removeprefix(f"{owner}.").partition(".")
    found = store.query(
        f"SELECT value FROM (SELECT value FROM {'account' if owner == 'account' else 'visitor'}_fields "
        f"WHERE grp = {{group:String}} AND field = {{name:String}} AND value != '' LIMIT {LOOKED_AT}) "
        f"WHERE lengthUTF8(value) <= {LONGEST} GROUP BY value ORDER BY count() DESC, value LIMIT {MOST}",
        {"group": group, "name": name},
        seconds=seconds,
    )
    return [str(one) for (one,) in found]


def _newest(kind: str, name: str | None) -> tuple[Compiler, str]:
    query = Compiler(None, "y_", links=False)
    matching = query.matching(kind if kind in rules.EVENT_KINDS else "event", name, ())
    recent = f"ts > now() - INTERVAL {DAYS} DAY"
    return query, f"SELECT * FROM events WHERE {matching} AND {recent} LIMIT {LOOKED_AT}"
