"""Sources of events: counted by visitor, account, object and day or hour, or one row each.

Rows come from the table of events. Where identities were linked, an event belongs to the visitor that its id belongs to
now: a join with the links, which are few beside the events.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from arrivals.audience import tagged
from arrivals.audience.aggregation import limits
from arrivals.audience.aggregation.building import Builder, Path
from arrivals.audience.aggregation.relations import Count, Hints, Needed, Relation, from_table, listed
from arrivals.audience.aggregation.timeseries import Span
from arrivals.audience.aggregation.values import Kind
from arrivals.collect import sources
from arrivals.errors import InvalidPipeline

LINKS = "(SELECT alias, visitor, visitor_id FROM links FINAL)"
LINKED = "(SELECT alias AS l_alias, visitor AS l_visitor, visitor_id AS l_id FROM links FINAL) AS l"
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


def whose_of(builder: Builder) -> str:
    """The key of the visitor that an event belongs to now."""
    return "coalesce(l_visitor, visitor)" if builder.linked else "visitor"


def id_of(builder: Builder) -> str:
    """The id of that visitor."""
    return "coalesce(l_id, visitor_id)" if builder.linked else "visitor_id"


def resolved(inner: str, *, linked: bool) -> str:
    """What stands behind FROM: the rows of ``inner`` as ``e``, each with ``whose`` it is now and ``who``, the id."""
    if not linked:
        return f"(SELECT *, visitor AS whose, visitor_id AS who FROM ({inner})) AS e"
    return (
        "(SELECT *, coalesce(l_visitor, visitor) AS whose, coalesce(l_id, visitor_id) AS who "
        f"FROM ({inner}) AS r LEFT ANY JOIN {LINKED} ON visitor = l_alias) AS e"
    )


def counted(builder: Builder, name: str, value: Any, span: Span | None, path: str) -> Relation:
    """``events``, ``pageEvents``, ``featureEvents`` or ``trackEvents``: one row per visitor, account, app, object (not
    for ``events``) and day or hour, with ``numEvents`` and ``numMinutes``, the distinct minutes with an event.

    The address and the agent of a browser are not kept, so rows are not split by them.
    """
    given = parameters(value, path)
    about = OBJECTS.get(name)
    found = conditions(builder, given, span, path)
    named = ""
    if about is not None:
        kinds = ", ".join(f"'{kind}'" for kind in about.kinds)
        asked = given.get(about.field)
        if isinstance(asked, str) and about.prefix in tagged.KINDS and tagged.ID.fullmatch(asked):
            # One of ours, by rules: its events may have any name, and are no other object here.
            named = builder.text(asked)
            found.append(tagged.condition(about.prefix, asked, builder.bind))
        else:
            found += [f"kind IN ({kinds})", "name != ''"]
            found += among(builder, derived(about.prefix), asked, f"{path}.{about.field}")
    hourly = span is not None and span.unit == "hour"
    time = "toStartOfHour(ts)" if hourly else "toDate(ts)"
    keys = {"whose": whose_of(builder), "account": "account_id", "source": "source_id", "t": time}
    columns: dict[Path, tuple[Kind, str]] = {
        ("visitorId",): ("text", "{id}"),
        ("accountId",): ("text", "{account}"),
        ("appId",): ("int", APP.replace("source_id", "{source}")),
    }
    if about is not None:
        keys["object"] = named or "name"
        columns[(about.field,)] = ("text", "{object}" if named else derived(about.prefix, "{object}"))
    columns[("day",)] = ("int", "toInt64(toUnixTimestamp(toDateTime(toDate({t}), 'UTC'))) * 1000")
    if hourly:
        columns[("hour",)] = ("int", "toInt64(toUnixTimestamp({t})) * 1000")
    columns[("numEvents",)] = ("int", "{number}")
    columns[("numMinutes",)] = ("int", "{minutes}")
    columns |= {("remoteIp",): ("text", "''"), ("server",): ("text", "{server}"), ("userAgent",): ("text", "''")}
    columns[("parameters",)] = ("json", "CAST(NULL AS Nullable(String))")
    fields = builder.columns({one: kind for one, (kind, _) in columns.items()})
    computed = {fields[one]: sql for one, (_, sql) in columns.items()}
    # What tells values apart as well as they do, before it is made into them.
    plain = {
        "visitorId": "whose",
        "appId": "source",
        "day": "t" if not hourly else "",
        about.field if about else "": "object",
    }
    stand_ins = {fields[(one,)]: builder.column("int") for one, key in plain.items() if one and key}
    computed |= {stand_ins[fields[(one,)]]: f"{{{key}}}" for one, key in plain.items() if one and key}

    condition, id_ = where(found), id_of(builder)

    def render(needed: Needed, hints: Hints) -> str:
        wanted = {column.alias: sql for column, sql in computed.items() if column in needed}
        by = keys
        measures = {**MEASURES, "id": f"any({id_})"}
        if hints.events:
            # One row per event: who only adds them up has no use for rows that are counted before.
            by, measures = {}, {"id": id_, "number": "toInt64(1)"}
        elif hints.sums and not any("{source}" in sql for sql in wanted.values()):
            # The apps of a visitor together, their minutes apart.
            by = {name: sql for name, sql in keys.items() if name != "source"}
            measures["minutes"] = f"toInt64(uniqExact(bitXor(cityHash64(source_id), {MINUTE})))"
        more = [f"{sql.format(**{**keys, **measures})} AS {alias}" for alias, sql in wanted.items()]
        grouped = f" GROUP BY {', '.join(by.values())}" if by else ""
        joined = f" LEFT ANY JOIN {LINKED} ON visitor = l_alias" if "l_" in f"{more}{grouped}" else ""
        return f"SELECT {listed([], more)} FROM events{joined} WHERE {condition}{grouped}"

    unique = [("visitorId",), ("accountId",), ("appId",), ("hour",) if hourly else ("day",)]
    unique += [(about.field,)] if about is not None else []
    number = fields[("numEvents",)]
    minutes, others = fields[("numMinutes",)], frozenset([fields[("server",)]])
    count = Count(number, minutes, others, stand_ins)
    return Relation(fields, render, unique=tuple(fields[one] for one in unique), count=count)


MINUTE = "toUnixTimestamp(toStartOfMinute(ts))"
MEASURES = {
    "number": "toInt64(count())",
    "minutes": f"toInt64(uniqExact({MINUTE}))",
    "server": "max(domain(url))",
}


# Our kinds of events -> the types of Pendo's agent.
TYPE = (
    "if(kind = 'guide', toString(name), transform(toString(kind), "
    "['page', 'screen', 'group', 'survey_shown', 'survey_answered'], "
    "['load', 'load', 'meta', 'guideSeen', 'pollResponse'], toString(kind)))"
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
