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

EMPTY_OBJECT, EMPTY_LIST = ("json", "'{}'"), ("json", "'[]'")
NOTHING: tuple[Kind, str] = ("text", "CAST(NULL AS Nullable(String))")
FALSE: tuple[Kind, str] = ("bool", "false")
CREATED = "toUnixTimestamp64Milli(min(ts))"
HEARD = "toUnixTimestamp64Milli(min(received_at))"
# What each kind of definition has beside the common fields. Rules are written when they exist; events have names.
OWN: dict[str, dict[Path, tuple[Kind, str]]] = {
    "pages": {("rules",): EMPTY_LIST, ("rulesjson",): ("text", "''"), ("isCoreEvent",): FALSE},
    "features": {("pageId",): NOTHING, ("elementPathRules",): EMPTY_LIST, ("isCoreEvent",): FALSE},
    "trackTypes": {("trackTypeName",): ("text", "name"), ("trackTypeRules",): EMPTY_LIST},
}  # type: ignore[dict-item]
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
        ("appId",): ("int", APP.replace("source_id", "argMin(source_id, (ts, message_id))")),
        ("appIds",): ("json", f"toJSONString(arraySort(groupUniqArray({APP})))"),
        ("createdAt",): ("int", CREATED),
        ("lastUpdatedAt",): ("int", HEARD),
        ("createdByUser",): ("json", "'{}'"),
        ("lastUpdatedByUser",): ("json", "'{}'"),
        ("rootVersionId",): ("text", id_),
        ("stableVersionId",): ("text", id_),
        ("group",): ("json", "'{}'"),
        ("color",): ("text", "''"),
        ("dirty",): ("bool", "false"),
    }


def named(builder: Builder, name: str, value: Any, span: Span | None, path: str) -> Relation:
    """``pages``, ``features`` or ``trackTypes``."""
    source, kind = NAMES[name]
    about = OBJECTS[source]
    kinds = ", ".join(f"'{one}'" for one in about.kinds)
    found = [*conditions(builder, parameters(value, path), None, path), f"kind IN ({kinds})", "name != ''"]
    columns = {**_common(derived(about.prefix), "toString(name)", kind), **OWN[name]}
    return from_table(builder, columns, f"events WHERE {where(found)} GROUP BY name", [("id",)])


def guides(builder: Builder, name: str, value: Any, span: Span | None, path: str) -> Relation:
    """``guides``: our surveys, each with its questions as ``polls``, the rating first."""
    given = parameters(value, path)
    found = [*conditions(builder, given, None, path), "kind IN ('survey_shown', 'survey_answered')"]
    rated = "max(toFloat64OrNull(ifNull(answer, '')) IS NOT NULL)"
    question = "anyIf(JSONExtractString(properties, 'question'), JSONExtractString(properties, 'question') != '')"
    each = (
        f"SELECT guide, poll, {rated} AS rated, any(about) AS about, {question} AS asked, any(name) AS survey, "
        f"min(received_at) AS heard FROM {answers(builder, given, None, path)} GROUP BY guide, poll"
    )
    type_ = "multiIf(about = 'score', 'NPSRating', about = 'reason', 'NPSReason', rated, 'NumberScale', 'FreeForm')"
    scale = "if(rated, range(0, 11), [])"
    poll = (
        "concat('{\"id\":', toJSONString(poll), ',\"question\":', toJSONString(if(asked = '', toString(survey), asked)), "
        f'\',"attributes":{{"type":"\', {type_}, \'"}},"idResponses":[],"numericResponses":\', toJSONString({scale}), '
        "',\"resetAt\":null}')"
    )
    ordered = f"arrayMap(x -> x.4, arraySort(groupArray((NOT rated, about != 'score', poll, {poll}))))"
    polls = (
        f"SELECT guide, concat('[', arrayStringConcat({ordered}, ','), ']') AS polls, max(heard) AS heard "
        f"FROM ({each}) GROUP BY guide"
    )
    kept = f"SELECT {GUIDE} AS guide, name, source_id, message_id, ts, received_at FROM events WHERE {where(found)}"
    columns: dict[Path, tuple[Kind, str]] = {
        **_common("e.guide", "toString(argMax(name, (ts, message_id)))", "Guide"),
        ("lastUpdatedAt",): ("int", f"greatest({HEARD}, ifNull(toUnixTimestamp64Milli(any(p.heard)), 0))"),
        ("state",): ("text", "'public'"),
        ("launchMethod",): ("text", "'auto'"),
        ("isMultiStep",): ("bool", "false"),
        ("steps",): ("json", "'[]'"),
        ("attributes",): ("json", '\'{"type":"survey"}\''),
        ("audience",): ("json", "'[]'"),
        ("publishedAt",): ("int", CREATED),
        ("resetAt",): ("int", "CAST(NULL AS Nullable(Int64))"),
        ("polls",): ("json", "ifNull(any(p.polls), '[]')"),
    }
    table = f"({kept}) AS e LEFT JOIN ({polls}) AS p ON e.guide = p.guide GROUP BY e.guide"
    return from_table(builder, columns, table, [("id",)])


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
