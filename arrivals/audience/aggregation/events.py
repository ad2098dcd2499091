"""Sources of events: counted by visitor, account, object and day or hour, or one row each.

Rows come from the table of events. Where identities were linked, rows are first counted by the id they came with and
then by the visitor that the id belongs to now, so that a link costs a join of small tables.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from arrivals.audience.aggregation import limits
from arrivals.audience.aggregation.building import Builder, Path
from arrivals.audience.aggregation.relations import Count, Hints, Needed, Relation, from_table, listed
from arrivals.audience.aggregation.timeseries import Span
from arrivals.audience.aggregation.values import Kind
from arrivals.collect import sources
from arrivals.errors import InvalidPipeline

LINKS = "(SELECT alias, visitor, visitor_id FROM links FINAL)"
APP = "toInt64(reinterpretAsUInt64(reverse(substring(SHA256(source_id), 1, 8))) % 9007199254740991 + 1)"
FLAGGED = "SELECT visitor FROM visitor_fields FINAL WHERE grp = 'pendo' AND field = 'donotprocess' AND value = 'true'"
BLACKLIST = ("apply", "ignore", "only")


@dataclass(frozen=True)
class Object:
    """What the events of a source are about: kinds of our events, the field of its id, and how ids are derived."""

    kinds: tuple[str, ...]
    field: str
    prefix: str


OBJECTS = {
    "pageEvents": Object(("page", "screen"), "pageId", "page"),
    "featureEvents": Object(("click",), "featureId", "feature"),
    "trackEvents": Object(("track",), "trackTypeId", "tracktype"),
}


def derived(prefix: str, name: str = "name") -> str:
    """``ids.derived`` in SQL."""
    return f"base64URLEncode(substring(SHA256(concat('{prefix}:', {name})), 1, 20))"


def parameters(value: Any, path: str) -> Mapping[str, Any]:
    """The parameters of a source: an object, or null for none."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise InvalidPipeline("It must be an object or null.", path=path)
    return value


def conditions(builder: Builder, given: Mapping[str, Any], span: Span | None, path: str) -> list[str]:
    """What the events of a source have to be: of the key's source, of the apps, in the span, not blacklisted."""
    found = []
    if builder.source_id:
        found.append(f"source_id = {builder.text(builder.source_id)}")
    apps = app_ids(builder, given.get("appId"), f"{path}.appId")
    if apps is not None:
        found.append(f"{APP} IN {builder.bind.add(apps, 'Array(Int64)')}")
    if span is not None:
        found.append(f"ts >= {builder.bind.time(span.start)}")
        found.append(f"ts < {builder.bind.time(span.end)}")
    blacklist = given.get("blacklist")
    if blacklist is not None and blacklist not in BLACKLIST:
        raise InvalidPipeline(f"It must be one of {', '.join(BLACKLIST)}.", path=f"{path}.blacklist")
    if blacklist in {"apply", "only"}:
        found.append(f"visitor {'NOT IN' if blacklist == 'apply' else 'IN'} ({flagged(builder)})")
    return found


def flagged(builder: Builder) -> str:
    """A SELECT of the visitors that are not to be processed, by any of their ids."""
    if not builder.linked:
        return FLAGGED
    return f"{FLAGGED} UNION ALL SELECT alias FROM links FINAL WHERE visitor IN ({FLAGGED})"


def app_ids(builder: Builder, value: Any, path: str) -> list[int] | None:
    """The apps that are asked for; None for all: nothing, or ``expandAppIds("*")``."""
    if value is None:
        return None
    listed_ = value if isinstance(value, list) else [value]
    if len(listed_) > limits.MOST_FIELDS:
        raise InvalidPipeline(f"There may be {limits.MOST_FIELDS} apps.", path=path)
    numbers = []
    for one in listed_:
        text = str(one).replace(" ", "").replace("`", '"') if isinstance(one, str) else one
        if text in {'expandAppIds("*")', "*"}:
            return None
        try:
            number = int(text)
        except (ValueError, TypeError, OverflowError):
            number = 0
        if isinstance(one, bool) or not 0 < abs(number) < 2**63:
            raise InvalidPipeline('An app is a number, or expandAppIds("*") for all of them.', path=path)
        if number == sources.FIRST_APP:
            # all_sources is the newest first; an app that is not there has no events.
            number = sources.app_id(builder.sources[-1].id) if builder.sources else 0
        numbers.append(number)
    return numbers


def among(builder: Builder, sql: str, value: Any, path: str) -> list[str]:
    """The condition that an id is the one that is asked for, or among the list of them."""
    if value is None:
        return []
    wanted = value if isinstance(value, list) else [value]
    if not all(isinstance(one, str) for one in wanted):
        raise InvalidPipeline("It must be an id, a text, or a list of them.", path=path)
    return [f"{sql} IN {builder.bind.add(wanted, 'Array(String)')}"]


def where(found: list[str]) -> str:
    return " AND ".join(found) or "1"


def resolved(inner: str, *, linked: bool) -> str:
    """What stands behind FROM: the rows of ``inner`` as ``e``, each with ``whose`` it is now and ``who``, the id."""
    if not linked:
        return f"(SELECT *, visitor AS whose, visitor_id AS who FROM ({inner})) AS e"
    return (
        "(SELECT r.*, coalesce(l.visitor, r.visitor) AS whose, coalesce(l.visitor_id, r.visitor_id) AS who "
        f"FROM ({inner}) AS r LEFT JOIN {LINKS} AS l ON r.visitor = l.alias) AS e"
    )


def counted(builder: Builder, name: str, value: Any, span: Span | None, path: str) -> Relation:
    """``events``, ``pageEvents``, ``featureEvents`` or ``trackEvents``: one row per visitor, account, app, object (not
    for ``events``) and day or hour, with ``numEvents`` and ``numMinutes``, the distinct minutes with an event.

    The address and the agent of a browser are not kept, so rows are not split by them.
    """
    given = parameters(value, path)
    about = OBJECTS.get(name)
    found = conditions(builder, given, span, path)
    if about is not None:
        kinds = ", ".join(f"'{kind}'" for kind in about.kinds)
        found += [f"kind IN ({kinds})", "name != ''"]
        found += among(builder, derived(about.prefix), given.get(about.field), f"{path}.{about.field}")
    hourly = span is not None and span.unit == "hour"
    time = "toStartOfHour(ts)" if hourly else "toDate(ts)"
    keys = {"whose": "visitor", "account": "account_id", "source": "source_id", "t": time}
    columns: dict[Path, tuple[Kind, str]] = {
        ("visitorId",): ("text", "{id}"),
        ("accountId",): ("text", "{account}"),
        ("appId",): ("int", APP.replace("source_id", "{source}")),
    }
    if about is not None:
        keys["object"] = "name"
        columns[(about.field,)] = ("text", derived(about.prefix, "{object}"))
    columns[("day",)] = ("int", "toInt64(toUnixTimestamp(toDateTime(toDate({t}), 'UTC'))) * 1000")
    if hourly:
        columns[("hour",)] = ("int", "toInt64(toUnixTimestamp({t})) * 1000")
    columns[("numEvents",)] = ("int", "{number}")
    columns[("numMinutes",)] = ("int", "{minutes}")
    columns |= {("remoteIp",): ("text", "''"), ("server",): ("text", "{server}"), ("userAgent",): ("text", "''")}
    columns[("parameters",)] = ("json", "CAST(NULL AS Nullable(String))")
    fields = builder.columns({one: kind for one, (kind, _) in columns.items()})
    computed = {fields[one]: sql for one, (_, sql) in columns.items()}
    whose = builder.column("int")
    computed[whose] = "{whose}"
    condition = where(found)

    def render(needed: Needed, hints: Hints) -> str:
        wanted = {column.alias: sql for column, sql in computed.items() if column in needed}
        if hints.coarse:
            used = {name: sql for name, sql in keys.items() if any(f"{{{name}}}" in one for one in wanted.values())}
            if "{id}" in "".join(wanted.values()):
                used["whose"] = keys["whose"]
            write = _merged if builder.linked and "whose" in used else _each
            return write(wanted, used, condition)
        write = _merged if builder.linked else _direct
        return write(wanted, keys, condition)

    unique = [("visitorId",), ("accountId",), ("appId",), ("hour",) if hourly else ("day",)]
    unique += [(about.field,)] if about is not None else []
    number = fields[("numEvents",)]
    others = frozenset(fields[(one,)] for one in ("numMinutes", "server"))
    count = Count(number, others, {fields[("visitorId",)]: whose})
    return Relation(fields, render, unique=tuple(fields[one] for one in unique), count=count)


# What is counted: at once; as a state; and how states are put together.
MEASURES = {
    "id": ("any(visitor_id)", "any(visitor_id)", "any(coalesce(l.visitor_id, s.m_id))"),
    "number": ("toInt64(count())", "count()", "toInt64(sum(s.m_number))"),
    "minutes": (
        "toInt64(uniqExact(intDiv(toUnixTimestamp(ts), 60)))",
        "uniqExactState(intDiv(toUnixTimestamp(ts), 60))",
        "toInt64(uniqExactMerge(s.m_minutes))",
    ),
    "server": (
        "argMax(domain(url), (url != '', ts))",
        "argMaxState(domain(url), (url != '', ts))",
        "argMaxMerge(s.m_server)",
    ),
}


def _direct(wanted: Mapping[str, str], keys: Mapping[str, str], condition: str) -> str:
    given = {**keys, **{name: direct for name, (direct, _, _) in MEASURES.items()}}
    more = [f"{sql.format(**given)} AS {alias}" for alias, sql in wanted.items()]
    return f"SELECT {listed([], more)} FROM events WHERE {condition} GROUP BY {', '.join(keys.values())}"


def _each(wanted: Mapping[str, str], keys: Mapping[str, str], condition: str) -> str:
    """One row per event, without counting; for sums of them."""
    given = {**keys, "id": "visitor_id", "number": "toInt64(1)"}
    more = [f"{sql.format(**given)} AS {alias}" for alias, sql in wanted.items()]
    return f"SELECT {listed([], more)} FROM events WHERE {condition}"


def _merged(wanted: Mapping[str, str], keys: Mapping[str, str], condition: str) -> str:
    """First by the id that events came with, then by the visitor."""
    measures = [name for name in MEASURES if any(f"{{{name}}}" in sql for sql in wanted.values())]
    states = [f"{sql} AS k_{name}" for name, sql in keys.items()]
    states += [f"{MEASURES[name][1]} AS m_{name}" for name in measures]
    inner = f"SELECT {', '.join(states)} FROM events WHERE {condition} GROUP BY {', '.join(keys.values())}"
    outer = {name: f"s.k_{name}" for name in keys}
    outer["whose"] = "coalesce(l.visitor, s.k_whose)"
    given = {**outer, **{name: merge for name, (_, _, merge) in MEASURES.items()}}
    more = [f"{sql.format(**given)} AS {alias}" for alias, sql in wanted.items()]
    return (
        f"SELECT {listed([], more)} FROM ({inner}) AS s LEFT JOIN {LINKS} AS l ON s.k_whose = l.alias "
        f"GROUP BY {', '.join(outer.values())}"
    )


# Our kinds of events -> the types of Pendo's agent.
TYPE = (
    "transform(kind, ['page', 'screen', 'group', 'survey_shown', 'survey_answered'], "
    "['load', 'load', 'meta', 'guideSeen', 'pollResponse'], kind)"
)
MS = "toUnixTimestamp64Milli(ts)"
COMMON: dict[Path, tuple[Kind, str]] = {
    ("visitorId",): ("text", "who"),
    ("accountId",): ("text", "account_id"),
    ("accountIds",): ("json", "toJSONString(arrayFilter(x -> x != '', [account_id]))"),
    ("appId",): ("int", APP),
    ("browserTime",): ("int", MS),
    ("url",): ("text", "url"),
    ("serverName",): ("text", "domain(url)"),
    ("remoteIp",): ("text", "''"),
    ("userAgent",): ("text", "''"),
    ("country",): ("text", "''"),
    ("region",): ("text", "''"),
    ("latitude",): ("float", "CAST(NULL AS Nullable(Float64))"),
    ("longitude",): ("float", "CAST(NULL AS Nullable(Float64))"),
    ("loadTime",): ("int", "CAST(NULL AS Nullable(Int64))"),
}
RAW = "source_id, message_id, kind, name, visitor_id, visitor, account_id, ts, url, properties"


def single(builder: Builder, name: str, value: Any, span: Span | None, path: str) -> Relation:
    """``singleEvents`` and ``rawEvents``: one row per event, with its id and its properties."""
    found = conditions(builder, parameters(value, path), span, path)
    columns: dict[Path, tuple[Kind, str]] = {
        ("eventId",): ("text", "message_id"),
        ("type",): ("text", TYPE),
        ("name",): ("text", "name"),
        **COMMON,
    }
    for about in OBJECTS.values():
        kinds = ", ".join(f"'{kind}'" for kind in about.kinds)
        sql = f"if(kind IN ({kinds}) AND name != '', {derived(about.prefix)}, NULL)"
        columns[(about.field,)] = ("text", sql)
    columns[("properties",)] = ("json", "JSONExtractRaw(properties)")
    rows = resolved(f"SELECT {RAW} FROM events WHERE {where(found)}", linked=builder.linked)
    return from_table(builder, columns, rows, [("browserTime",), ("eventId",), ("appId",)])


def timespan(builder: Builder, name: str, value: Any, span: Span | None, path: str) -> Relation:
    """``timespan``: when each visitor (or account, by ``kind``) was first and last active in each app, and on how many
    days."""
    given = parameters(value, path)
    kind = given.get("kind", "visitor")
    if kind not in {"visitor", "account"}:
        raise InvalidPipeline("It must be visitor or account.", path=f"{path}.kind")
    found = conditions(builder, given, span, path)
    owner, shown = ("whose", "any(who)") if kind == "visitor" else ("account_id", "account_id")
    found += ["account_id != ''"] if kind == "account" else []
    columns: dict[Path, tuple[Kind, str]] = {
        (f"{kind}Id",): ("text", shown),
        ("appId",): ("int", APP),
        ("firstTime",): ("int", "toUnixTimestamp64Milli(min(ts))"),
        ("lastTime",): ("int", "toUnixTimestamp64Milli(max(ts))"),
        ("activeDays",): ("int", "toInt64(uniqExact(toDate(ts)))"),
    }
    rows = resolved(f"SELECT {RAW} FROM events WHERE {where(found)}", linked=builder.linked)
    return from_table(builder, columns, f"{rows} GROUP BY {owner}, source_id", [(f"{kind}Id",), ("appId",)])
