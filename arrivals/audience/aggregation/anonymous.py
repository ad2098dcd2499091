"""Who counts as anonymous.

An id that Pendo's agent made up begins with ``_PENDO_T_``, one of our agent with ``anon_``; the ids of its sample snippet mean that nobody was named.
An id by which a visitor was known before they signed in is linked to the visitor since, and is not a visitor of its
own. Any other id counts as identified: Segment's calls do not tell an anonymous id from a user's once it is stored.
"""

from arrivals.audience.aggregation import values
from arrivals.audience.aggregation.relations import Relation, filtered
from arrivals.audience.aggregation.values import Column, Value

PREFIXES = ("_PENDO_T_", "anon_")
SAMPLES = ("VISITOR-UNIQUE-ID", "ACCOUNT-UNIQUE-ID")


def test(value: Value) -> Value:
    """Whether an id is that of somebody identified."""
    if value.kind == "null":
        return Value("false", "bool")
    id_ = f"ifNull({values.text(value)}, '')"
    samples = ", ".join(f"'{sample}'" for sample in ("", *SAMPLES))
    made_up = " ".join(f"AND NOT startsWith({id_}, '{prefix}')" for prefix in PREFIXES)
    return values.made(f"({id_} NOT IN ({samples}) {made_up})", "bool", value)


def identified(rows: Relation, column: Column) -> Relation:
    """The rows without those whose id in ``column`` is anonymous or missing."""
    return filtered(rows, test(values.of(column)))
