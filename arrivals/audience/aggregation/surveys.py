"""Sources of what was seen of guides and answered in polls: our surveys.

A guide is a survey; a poll is one of its questions. An answer of Pendo's agent is one event per question and names its
poll; an answer by the tracking API is one event with a score and a reason, which are two polls of derived ids.
"""

from typing import Any

from arrivals.audience.aggregation.building import Builder, Path
from arrivals.audience.aggregation.events import (
    APP,
    COMMON,
    RAW,
    among,
    conditions,
    derived,
    parameters,
    resolved,
    where,
)
from arrivals.audience.aggregation.relations import Relation, from_table
from arrivals.audience.aggregation.timeseries import Span
from arrivals.audience.aggregation.values import Kind

GIVEN = "JSONExtractString(properties, 'guide_id')"
GUIDE = f"if({GIVEN} != '', {GIVEN}, {derived('guide')})"
STEP = "nullIf(JSONExtractString(properties, 'guide_step_id'), '')"
POLL = "JSONExtractString(properties, 'poll_id')"
PARTS = ("score", "reason", "response")


def _raw(name: str) -> str:
    return f"transform(JSONExtractRaw(properties, '{name}'), ['null'], [''])"


def _first(*names: str) -> str:
    pieces = [f"nullIf({_raw(name)}, '')" for name in names]
    return f"coalesce({', '.join(pieces)}, '')"


def _parts() -> str:
    """The answers in one event: (poll, answer as JSON, which part of the survey)."""
    own = f"[({POLL}, {_first('poll_response', 'response', 'score', 'reason')}, '')]"
    ids = {part: derived("poll", f"name, ':{part}'") for part in PARTS}
    each = ", ".join(f"({ids[part]}, {_raw(part)}, '{part}')" for part in PARTS)
    return f"if({POLL} != '', {own}, arrayFilter(x -> x.2 != '', [{each}]))"


def _of_guide(builder: Builder, given: Any, path: str) -> list[str]:
    """The condition that it is of the guide that is asked for, by the id that the agent knew or the derived one."""
    where_ = f"{path}.guideId"
    either = [one for sql in (GUIDE, derived("guide")) for one in among(builder, sql, given.get("guideId"), where_)]
    return [f"({' OR '.join(either)})"] if either else []


def answers(builder: Builder, given: Any, span: Span | None, path: str) -> str:
    """What stands behind FROM: one row per answer to a question, with ``guide``, ``poll``, ``answer``, ``about``."""
    found = [*conditions(builder, given, span, path), "kind = 'survey_answered'"]
    found += _of_guide(builder, given, path)
    wanted = where(among(builder, "poll", given.get("pollId"), f"{path}.pollId"))
    inner = f"SELECT {RAW}, received_at, {GUIDE} AS guide, arrayJoin({_parts()}) AS answered FROM events WHERE {where(found)}"
    split = f"SELECT *, answered.1 AS poll, nullIf(answered.2, '') AS answer, answered.3 AS about FROM ({inner}) WHERE {wanted}"
    return resolved(split, linked=builder.linked)


def poll_events(builder: Builder, name: str, value: Any, span: Span | None, path: str) -> Relation:
    """``pollEvents``: one row per answer to a question."""
    columns: dict[Path, tuple[Kind, str]] = {
        **COMMON,
        ("guideId",): ("text", "guide"),
        ("pollId",): ("text", "poll"),
        ("pollResponse",): ("json", "answer"),
        ("type",): ("text", "'pollResponse'"),
        ("eventId",): ("text", "concat(message_id, if(about = '', '', ':'), about)"),
    }
    rows = answers(builder, parameters(value, path), span, path)
    return from_table(builder, columns, rows, [("browserTime",), ("eventId",), ("appId",)])


# Of several events of one visitor: whose they are, and the account and app of the newest.
_NEWEST = "argMax({}, (ts, message_id))"
LATEST: dict[Path, tuple[Kind, str]] = {
    ("visitorId",): ("text", "any(who)"),
    ("accountId",): ("text", _NEWEST.format("account_id")),
    ("appId",): ("int", APP.replace("source_id", _NEWEST.format("source_id"))),
}


def polls_seen(builder: Builder, name: str, value: Any, span: Span | None, path: str) -> Relation:
    """``pollsSeen`` and ``pollsSeenEver``: the newest answer of each visitor to each question."""
    columns: dict[Path, tuple[Kind, str]] = {
        **LATEST,
        ("guideId",): ("text", "guide"),
        ("pollId",): ("text", "poll"),
        ("response",): ("json", "argMax(tuple(answer), (ts, message_id)).1"),
        ("time",): ("int", "toUnixTimestamp64Milli(max(ts))"),
    }
    rows = answers(builder, parameters(value, path), None if name.endswith("Ever") else span, path)
    unique: list[Path] = [("visitorId",), ("guideId",), ("pollId",)]
    return from_table(builder, columns, f"{rows} GROUP BY whose, guide, poll", unique)


def _shown(builder: Builder, value: Any, span: Span | None, path: str, *kinds: str) -> str:
    given = parameters(value, path)
    wanted = ", ".join(f"'{kind}'" for kind in ("survey_shown", *kinds))
    found = [*conditions(builder, given, span, path), f"kind IN ({wanted})"]
    found += _of_guide(builder, given, path)
    return resolved(
        f"SELECT {RAW}, {GUIDE} AS guide, {STEP} AS step FROM events WHERE {where(found)}", linked=builder.linked
    )


def guide_events(builder: Builder, name: str, value: Any, span: Span | None, path: str) -> Relation:
    """``guideEvents``: one row each time that a guide was shown, and of what else the agent tells of it."""
    columns: dict[Path, tuple[Kind, str]] = {
        **COMMON,
        ("guideId",): ("text", "guide"),
        ("guideStepId",): ("text", "step"),
        ("type",): ("text", "if(kind = 'guide', toString(name), 'guideSeen')"),
        ("eventId",): ("text", "message_id"),
    }
    return from_table(
        builder, columns, _shown(builder, value, span, path, "guide"), [("browserTime",), ("eventId",), ("appId",)]
    )


def guides_seen(builder: Builder, name: str, value: Any, span: Span | None, path: str) -> Relation:
    """``guidesSeen`` and ``guidesSeenEver``: how often each visitor saw each guide, first and last when."""
    columns: dict[Path, tuple[Kind, str]] = {
        **LATEST,
        ("guideId",): ("text", "guide"),
        ("guideStepId",): ("text", "step"),
        ("seenCount",): ("int", "toInt64(count())"),
        ("firstSeenAt",): ("int", "toUnixTimestamp64Milli(min(ts))"),
        ("lastSeenAt",): ("int", "toUnixTimestamp64Milli(max(ts))"),
    }
    rows = _shown(builder, value, None if name.endswith("Ever") else span, path)
    unique: list[Path] = [("visitorId",), ("guideId",), ("guideStepId",)]
    return from_table(builder, columns, f"{rows} GROUP BY whose, guide, step", unique)
