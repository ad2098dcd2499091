"""Sources of definitions: pages, features, track types, guides, apps; and ``const``, rows that the body brings.

A page, feature, track type or guide is known by the name in its events; its id is derived from that. It was last
updated when we first heard of it: a client that asks for what changed since then hears of it once.
"""

from typing import Any

import orjson

from arrivals.audience.aggregation import limits
from arrivals.audience.aggregation.building import Builder, Path
from arrivals.audience.aggregation.events import APP, OBJECTS, app_ids, conditions, derived, parameters, where
from arrivals.audience.aggregation.relations import Relation, from_table
from arrivals.audience.aggregation.surveys import GUIDE, answers
from arrivals.audience.aggregation.timeseries import Span
from arrivals.audience.aggregation.values import Kind
from arrivals.collect import sources
from arrivals.errors import InvalidPipeline

EMPTY: tuple[Kind, str] = ("json", "'[]'")
NOTHING: tuple[Kind, str] = ("text", "CAST(NULL AS Nullable(String))")
FALSE: tuple[Kind, str] = ("bool", "false")
CREATED = "toUnixTimestamp64Milli(min(ts))"
HEARD = "toUnixTimestamp64Milli(min(received_at))"
DAY = "toInt64(toUnixTimestamp(toStartOfDay(min(ts)))) * 1000"
SYSTEM = """'{"id":"arrivals","username":"arrivals","first":"Arrivals","last":"","role":0,"userType":"system"}'"""
GROUP = """'{"id":"","name":"","color":"","description":""}'"""
# What each kind of definition has beside the common fields. Rules are written when they exist; events have names.
OWN: dict[str, dict[Path, tuple[Kind, str]]] = {
    "pages": {("rules",): EMPTY, ("rulesjson",): ("text", "''"), ("isCoreEvent",): FALSE},
    "features": {
        ("pageId",): NOTHING,
        ("elementPathRules",): EMPTY,
        ("isCoreEvent",): FALSE,
        ("appWide",): ("bool", "true"),
    },
    "trackTypes": {
        ("isCoreEvent",): FALSE,
        ("trackTypeName",): ("text", "name"),
        ("trackTypeRules",): ("json", "toJSONString([toString(name)])"),
    },
}
# In this order: the ratings first, as an NPS survey has them.
POLL_TYPES = ("NPSRating", "NumberScale", "NPSReason", "FreeForm")
NAMES = {
    "pages": ("pageEvents", "Page"),
    "features": ("featureEvents", "Feature"),
    "trackTypes": ("trackEvents", "TrackType"),
}


def _common(id_: str, name: str, kind: str) -> dict[Path, tuple[Kind, str]]:
    return {
        ("id",): ("text", id_),
        ("name",): ("text", name),
        ("kind",): ("text", f"'{kind}'"),
        ("appId",): ("int", APP.replace("source_id", "argMin(source_id, (ts, source_id))")),
        ("appIds",): ("json", f"toJSONString(arraySort(groupUniqArray({APP})))"),
        ("createdAt",): ("int", CREATED),
        ("lastUpdatedAt",): ("int", HEARD),
        ("createdByUser",): ("json", SYSTEM),
        ("lastUpdatedByUser",): ("json", SYSTEM),
        ("rootVersionId",): ("text", id_),
        ("stableVersionId",): ("text", id_),
        ("group",): ("json", GROUP),
        ("color",): ("text", "''"),
        ("dirty",): ("bool", "false"),
        ("dailyMergeFirst",): ("int", DAY),
        ("dailyRollupFirst",): ("int", DAY),
        ("validThrough",): ("int", "toUnixTimestamp64Milli(max(last))"),
    }


def named(builder: Builder, name: str, value: Any, span: Span | None, path: str) -> Relation:
    """``pages``, ``features`` or ``trackTypes``."""
    source, kind = NAMES[name]
    about = OBJECTS[source]
    kinds = ", ".join(f"'{one}'" for one in about.kinds)
    found = [*conditions(builder, parameters(value, path), None, path), f"kind IN ({kinds})", "name != ''"]
    columns = {**_common(derived(about.prefix), "toString(name)", kind), **OWN[name]}
    inner = "SELECT name, source_id, min(ts) AS a, max(ts) AS z, min(received_at) AS heard FROM events"
    each = f"SELECT name, source_id, a AS ts, z AS last, heard AS received_at FROM ({inner} WHERE {where(found)} GROUP BY name, source_id)"
    table = f"({each}) GROUP BY name"
    return from_table(builder, columns, table, [("id",)])


def guides(builder: Builder, name: str, value: Any, span: Span | None, path: str) -> Relation:
    """``guides``: our surveys, each with its questions as ``polls``, the rating first."""
    given = parameters(value, path)
    found = [*conditions(builder, given, None, path), "kind IN ('survey_shown', 'survey_answered')"]
    kept = f"SELECT {GUIDE} AS guide, name, source_id, message_id, ts, ts AS last, received_at FROM events WHERE {where(found)}"
    polls = _polls(kept, answers(builder, given, None, path))
    columns: dict[Path, tuple[Kind, str]] = {
        **_common("e.guide", "toString(argMax(name, (ts, message_id)))", "Guide"),
        ("lastUpdatedAt",): ("int", f"greatest({HEARD}, ifNull(toUnixTimestamp64Milli(any(p.heard)), 0))"),
        ("state",): ("text", "'public'"),
        ("launchMethod",): ("text", "'auto'"),
        ("isMultiStep",): ("bool", "false"),
        ("steps",): ("json", "'[]'"),
        ("attributes",): ("json", """'{"type":"survey"}'"""),
        ("audience",): ("json", "'[]'"),
        ("publishedAt",): ("int", CREATED),
        ("resetAt",): ("int", "CAST(NULL AS Nullable(Int64))"),
        ("polls",): ("json", "ifNull(any(p.polls), '[]')"),
    }
    table = f"({kept}) AS e LEFT JOIN ({polls}) AS p ON e.guide = p.guide GROUP BY e.guide"
    return from_table(builder, columns, table, [("id",)])


def _polls(surveys: str, answers_: str) -> str:
    """A SELECT of ``guide``, its ``polls`` as JSON, and when we ``heard`` of the newest.

    They are those that answers name. A survey of which no answer names one has two, the score and the reason.
    """
    parts = {part: derived("poll", f"name, ':{part}'") for part in ("score", "reason")}
    both = ", ".join(f"({id_}, '{part}')" for part, id_ in parts.items())
    types = (
        "multiIf(about IN ('score', ''), if(about = 'score' OR JSONHas(properties, 'score'), 1, "
        "if(JSONHas(properties, 'reason'), 3, if(toFloat64OrNull(ifNull(answer, '')) IS NOT NULL, 2, 4))), about = 'reason', 3, 4)"
    )
    each = (
        "SELECT guide, poll, max(about) AS part, min(type) AS kind, max(question) AS asked, any(survey) AS survey, "
        "min(received_at) AS heard FROM ("
        f"SELECT guide, poll, about, {types} AS type, JSONExtractString(properties, 'question') AS question, "
        f"toString(name) AS survey, received_at FROM {answers_} UNION ALL "
        "SELECT guide, both.1, both.2, if(both.2 = 'score', 1, 3), '', toString(name), received_at "
        f"FROM (SELECT guide, name, received_at, arrayJoin([{both}]) AS both FROM ({surveys}))) GROUP BY guide, poll"
    )
    names = ", ".join(f"'{one}'" for one in POLL_TYPES)
    json = (
        """concat('{"id":', toJSONString(poll), ',"question":', toJSONString(if(asked = '', survey, asked)), """
        f"""',"attributes":{{"type":"', [{names}][kind], '"}},"idResponses":{{}},"numericResponses":', """
        """toJSONString(if(kind <= 2, range(0, 11), [])), ',"resetAt":0}')"""
    )
    ordered = f"arraySort(groupArray((kind, poll, {json}, part)))"
    shown = f"arrayMap(x -> x.3, arrayFilter(x -> x.4 = '' OR max(part = '') = 0, {ordered}))"
    return f"SELECT guide, concat('[', arrayStringConcat({shown}, ','), ']') AS polls, max(heard) AS heard FROM ({each}) GROUP BY guide"


def apps(builder: Builder, name: str, value: Any, span: Span | None, path: str) -> Relation:
    """``apps``: our sources, by their numbers."""
    wanted = app_ids(builder, parameters(value, path).get("appId"), f"{path}.appId")
    rows = []
    for source in sorted(builder.sources, key=lambda one: one.id):
        number, made = sources.app_id(source.id), round(source.created_at.timestamp() * 1000)
        if wanted is None or number in wanted:
            row = {"id": number, "appId": number, "name": source.name, "kind": "App", "platform": "web"}
            rows.append({**row, "createdAt": made, "lastUpdatedAt": made})
    kinds: dict[str, Kind] = {
        "id": "int", "appId": "int", "name": "text", "kind": "text", "platform": "text", "createdAt": "int",
        "lastUpdatedAt": "int",
    }  # fmt: skip
    given = builder.text(orjson.dumps(rows).decode())
    of = {"int": "JSONExtractInt", "text": "JSONExtractString"}
    columns: dict[Path, tuple[Kind, str]] = {(one,): (kind, f"{of[kind]}(r, '{one}')") for one, kind in kinds.items()}
    return from_table(builder, columns, f"(SELECT arrayJoin(JSONExtractArrayRaw({given})) AS r)", [("id",)])


def const(builder: Builder, name: str, value: Any, span: Span | None, path: str) -> Relation:
    """``const``: an object or a list of objects as rows."""
    rows = value if isinstance(value, list) else [value]
    if not all(isinstance(row, dict) for row in rows):
        raise InvalidPipeline("It must be a list of objects, the rows.", path=path)
    names = list(dict.fromkeys(str(one) for row in rows for one in row))
    if len(names) > limits.MOST_FIELDS:
        raise InvalidPipeline(f"A row may have {limits.MOST_FIELDS} fields.", path=path)
    numbered = [{**row, "": number} for number, row in enumerate(rows)]
    try:
        given = builder.text(orjson.dumps(numbered).decode())
    except TypeError as error:
        raise InvalidPipeline("It holds a number that is too large.", path=path) from error
    columns: dict[Path, tuple[Kind, str]] = {
        (one,): ("json", f"nullIf(nullIf(JSONExtractRaw(r, {builder.text(one)}), ''), 'null')") for one in names
    }
    columns[("",)] = ("int", "JSONExtractInt(r, '')")
    made = from_table(builder, columns, f"(SELECT arrayJoin(JSONExtractArrayRaw({given})) AS r)")
    order = made.fields[("",)]
    shown = {one: column for one, column in made.fields.items() if one != ("",)}
    return Relation(shown, made.render, unique=(order,))
