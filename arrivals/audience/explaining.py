"""Why one visitor is, or is not, in a segment: each rule alone, with what it looks at. Blocks."""

from typing import Any

from arrivals.audience import belonging, metrics, person, phrases, rules
from arrivals.audience.compiler import Compiler
from arrivals.audience.rules import EventRule, FieldRule, Rule, Rules, SegmentRule
from arrivals.warehouse import client


def explain(data: Any, visitor_id: str, *, inside: tuple[str, ...] = ()) -> dict[str, Any]:
    """``{"visitor", "in", "groups": [{"holds", "rules": [{"path", "text", "holds", "value"}]}]}``.

    ``value`` is how often the visitor did it, or what the field or metric is as text; null for none. A rule about a segment
    has its ``groups`` as well. The visitor may be named by any of its ids; ``visitor`` is its own. ``inside``: as
    for ``rules.parse``.

    Raises:
        InvalidRules. NotFound: no such visitor. CheckTimeout.
    """
    parsed = rules.parse(data, inside=inside)
    who = person.find(visitor_id)
    query = Compiler(None, "x_", only=who.keys)
    key = query.bind.add(who.key, "UInt64")
    whole = f"{key} IN ({query.query(parsed, within=None).sql})"
    # For each rule, in order: whether it holds, and what it looks at.
    parts: list[str] = []
    for rule in _all(parsed):
        side = query.side(rule)
        parts += [f"{key} {'NOT IN' if side.negated else 'IN'} ({side.select})", _value(query, rule)]
    [(found, *answers)] = client.warehouse().query(
        f"SELECT {', '.join(f'{part} AS p{number}' for number, part in enumerate([whole, *parts]))}",
        query.bind.parameters,
    )
    given = iter(zip(answers[::2], answers[1::2], strict=True))
    groups = _groups(parsed, data, "rules", given, phrases.Names())
    return {"visitor": who.id, "in": bool(found), "groups": groups}


def _groups(parsed: Rules, data: Any, path: str, given: Any, names: phrases.Names) -> list[dict[str, Any]]:
    groups = []
    for number, group in enumerate(parsed.groups):
        told = []
        for index, rule in enumerate(group):
            here, written = f"{path}.all[{number}].any[{index}]", data["all"][number]["any"][index]
            holds, value = next(given)
            told.append(
                {"path": here, "text": phrases.rule(written, names), "holds": bool(holds), "value": _told(rule, value)}
            )
            if isinstance(rule, SegmentRule):
                told[-1]["groups"] = _groups(rule.rules, rule.written, f"{here}.segment.rules", given, names)
        groups.append({"holds": any(one["holds"] for one in told), "rules": told})
    return groups


def _all(parsed: Rules) -> list[Rule]:
    """Every rule, and after one about a segment those in it."""
    found: list[Rule] = []
    for group in parsed.groups:
        for rule in group:
            found.append(rule)
            if isinstance(rule, SegmentRule):
                found += _all(rule.rules)
    return found


def _value(query: Compiler, rule: Rule) -> str:
    """A scalar: what the rule looks at, as text."""
    match rule:
        case EventRule():
            matching = query.matching(rule.kind, rule.name, rule.where)
            where = f"{query.own()} AND {matching} AND {query.times(rule.window)}"
            return f"(SELECT toString(count()) FROM events WHERE {where})"
        case FieldRule(group="metric", owner="account"):
            own = f"account IN (SELECT account FROM ({belonging.newest(query)}))"
            return f"(SELECT toString(any(m)) FROM ({query.measured(rule)}) WHERE {own} HAVING count() > 0)"
        case FieldRule(group="metric"):
            return f"(SELECT toString(any(m)) FROM ({query.measured(rule)}) HAVING count() > 0)"
        case FieldRule(group="account", owner="account"):
            return f"(SELECT any(account) FROM ({belonging.newest(query)}) HAVING count() > 0)"
        case FieldRule(group="visitor", owner="visitor"):
            return "NULL"
        case FieldRule(owner="account"):
            where = f"grp = {query.bind.add(rule.group, 'String')} AND field = {query.bind.add(rule.field, 'String')}"
            own = f"account_id IN (SELECT account FROM ({belonging.newest(query)}))"
            return f"(SELECT anyOrNull(value) FROM account_fields FINAL WHERE {where} AND {own})"
        case FieldRule():
            return f"(SELECT anyOrNull(value) FROM ({query.values(rule)}))"
    return "NULL"


def _told(rule: Rule, value: Any) -> Any:
    if isinstance(rule, EventRule):
        return int(value)
    counts = isinstance(rule, FieldRule) and rule.group == "metric"
    if not counts or not isinstance(rule, FieldRule):
        return value
    if rule.field in metrics.TIMES:
        return f"{value.replace(' ', 'T')}Z" if value else None
    number = int(value or 0)
    return metrics.frequency(number) if rule.field == metrics.FREQUENCY else number
