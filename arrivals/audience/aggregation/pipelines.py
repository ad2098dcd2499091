"""A body as data -> its pipeline compiled: the table of stages, and how they follow one another."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from arrivals.audience.aggregation import groups, joins, limits, sources, stages
from arrivals.audience.aggregation.building import Builder
from arrivals.audience.aggregation.relations import Relation
from arrivals.errors import InvalidPipeline

# Stages over the rows of one stream.
OVER_ROWS: dict[str, Callable[[Builder, Relation, Any, str], Relation]] = {
    "identified": stages.identified,
    "filter": stages.filter_,
    "eval": stages.eval_,
    "select": stages.select,
    "group": groups.group,
    "reduce": groups.reduce,
    "sort": stages.sort,
    "limit": stages.limit,
    "skip": stages.skip,
    "count": stages.count,
    "unwind": stages.unwind,
    "bulkExpand": joins.bulk_expand,
    "segment": stages.segment,
    "switch": stages.switch,
    "unmarshal": stages.unmarshal,
}
STAGES = ("source", *OVER_ROWS, "cat", "spawn", "fork", "join", "merge")
CSV, JSON = "text/csv", "application/json"


@dataclass(frozen=True)
class Request:
    """What a body asks for: the stages, and the type of the answer."""

    pipeline: list[Any]
    mime: str


def read(body: Any) -> Request:
    """Read a body; keys that are not known are let be.

    Raises:
        InvalidPipeline: the pipeline is missing, or the type of the answer is not one of ours.
    """
    if not isinstance(body, dict):
        raise InvalidPipeline("The body must be an object with request.pipeline.", path="request")
    request = body.get("request")
    pipeline = request.get("pipeline") if isinstance(request, dict) else None
    if pipeline is None:
        raise InvalidPipeline("Required", path="pipeline")
    if not isinstance(pipeline, list) or not pipeline:
        raise InvalidPipeline("It must be a list of stages that begins with source or spawn.", path="pipeline")
    response = body.get("response")
    mime = (response.get("mimeType") if isinstance(response, dict) else None) or JSON
    if not isinstance(mime, str) or not ("csv" in mime.lower() or "json" in mime.lower() or mime == "*/*"):
        raise InvalidPipeline(f"It must be {JSON} or {CSV}.", path="response.mimeType")
    return Request(pipeline, CSV if "csv" in mime.lower() else JSON)


def streams(builder: Builder, pipeline: list[Any]) -> list[Relation]:
    """The rows that a pipeline answers: of one stream, or of several, one after the other.

    Raises:
        InvalidPipeline: with the path of the wrong part; an unknown stage, source or function is named.
    """
    return compiled(builder, pipeline, None, "pipeline", 0)


def compiled(builder: Builder, pipeline: Any, streams: list[Relation] | None, path: str, depth: int) -> list[Relation]:
    if not isinstance(pipeline, list):
        raise InvalidPipeline("It must be a list of stages.", path=path)
    if depth > limits.DEEPEST_PIPELINE:
        raise InvalidPipeline(f"Pipelines are nested deeper than {limits.DEEPEST_PIPELINE}.", path=path)
    for number, stage in enumerate(pipeline):
        where = f"{path}[{number}]"
        builder.count_stage(where)
        name, value = _named(stage, where)
        where = f"{where}.{name}"
        if name in {"source", "spawn"} or streams is None:
            if streams is not None or name not in {"source", "spawn"}:
                raise InvalidPipeline("A pipeline begins with source or spawn, and has one of them.", path=where)
            if name == "source":
                streams = [sources.rows(builder, value, where)]
            else:
                streams = _several(builder, value, None, where, depth)
        elif name == "fork":
            streams = [one for stream in streams for one in _several(builder, value, [stream], where, depth)]
        elif name == "join":
            streams = joins.join(builder, streams, value, where)
        elif name == "cat":
            streams = [joins.together(builder, streams)]
        elif name == "merge":
            streams = [_merged(builder, stream, value, where, depth) for stream in streams]
        else:
            streams = [OVER_ROWS[name](builder, stream, value, where) for stream in streams]
    if streams is None:
        raise InvalidPipeline("A pipeline begins with source or spawn.", path=path)
    return streams


def _named(stage: Any, path: str) -> tuple[str, Any]:
    if not isinstance(stage, dict) or not stage:
        raise InvalidPipeline("A stage is an object with its name as the only key.", path=path)
    unknown = [name for name in stage if name not in STAGES]
    if unknown:
        raise InvalidPipeline(f"There is no stage {unknown[0]!r:.60}; allowed are {', '.join(STAGES)}.", path=path)
    if len(stage) > 1:
        raise InvalidPipeline("A stage is an object with its name as the only key.", path=path)
    [(name, value)] = stage.items()
    return name, value


def _several(builder: Builder, pipelines: Any, streams: list[Relation] | None, path: str, depth: int) -> list[Relation]:
    if not isinstance(pipelines, list) or not pipelines:
        raise InvalidPipeline("It must be a list of pipelines.", path=path)
    found = []
    for number, one in enumerate(pipelines):
        found += compiled(builder, one, streams, f"{path}[{number}]", depth + 1)
        if len(found) > limits.MOST_STAGES:
            raise InvalidPipeline(f"There may be {limits.MOST_STAGES} streams.", path=path)
    return found


def _merged(builder: Builder, rows_: Relation, value: Any, path: str, depth: int) -> Relation:
    if not isinstance(value, dict) or value.get("pipeline") is None:
        raise InvalidPipeline("Required", path=f"{path}.pipeline")
    inner = compiled(builder, value["pipeline"], None, f"{path}.pipeline", depth + 1)
    return joins.merge(builder, rows_, joins.together(builder, inner), value, path)
