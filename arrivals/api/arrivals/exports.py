"""/exports: everything that is kept, as Parquet, CSV or JSON lines."""

from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from typing import Annotated, Any, Literal

from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, StreamingHttpResponse
from ninja import Query, Router

from arrivals import clock
from arrivals.accounts import audit
from arrivals.api.arrivals.auth import READ, SCOPED_READ, caller, own, scope
from arrivals.audience import responses, rows
from arrivals.errors import Invalid
from arrivals.warehouse import export, tables
from arrivals.warehouse.tables import Column

router = Router()
Format = Literal["parquet", "csv", "jsonl"]
Since = Annotated[str, Query("", max_length=40, description="Only what happened from this time on, in ISO 8601.")]
Until = Annotated[str, Query("", max_length=40, description="Only what happened before this time, in ISO 8601.")]
Source = Annotated[str, Query("", max_length=60, description="Only events of this source.")]
FILE: dict[str, Any] = {
    "responses": {200: {"content": {kind.partition(";")[0]: {} for kind in tables.FORMATS.values()}}}
}
RESPONSES = tuple(
    Column(name, kind)
    for name, kind in (
        ("id", "text"), ("survey", "text"), ("score", "number"), ("answer", "text"), ("reason", "text"), ("class", "text"),
        ("visitor_id", "text"), ("account_id", "text"), ("at", "time"),
    )
)  # fmt: skip
TABLES: dict[str, tuple[Sequence[Column], Callable[[], Iterator[list[tuple[Any, ...]]]]]] = {
    "visitors": (export.VISITORS, export.visitors),
    "accounts": (export.ACCOUNTS, export.accounts),
    "links": (export.LINKS, export.links),
    "memberships": (export.MEMBERSHIPS, export.memberships),
}


@router.get("", auth=SCOPED_READ, response=dict[str, Any])
def list_exports(request: HttpRequest, since: Since, until: Until, source: Source) -> dict[str, Any]:
    """What there is: `months` of events with their numbers, and how many `visitors`, `accounts`, `links` and
    `memberships`. A key of one source sees its events only."""
    found: dict[str, Any] = {"months": export.months(_span(request, since, until, source))}
    return found if scope(request) else {**found, **export.counts()}


@router.get("/events.{format}", auth=SCOPED_READ, openapi_extra=FILE)
def export_events(
    request: HttpRequest, format: Format, since: Since, until: Until, source: Source
) -> StreamingHttpResponse:
    """Events as they came, streamed; `since` and `until` are by the time they happened. A key of one source gets those
    of that source."""
    span = _span(request, since, until, source)
    return _file(request, "events", format, export.EVENTS, export.events(span), since=since, until=until, source=span.source_id)  # fmt: skip


@router.get("/responses.{format}", auth=READ, openapi_extra=FILE)
def export_responses(request: HttpRequest, format: Format, since: Since) -> StreamingHttpResponse:
    """Answers to surveys, newest first: id, survey, score, answer (one that is no number), reason, class, visitor_id,
    account_id, at."""
    if since:
        _moment(since, "since")
    return _file(request, "responses", format, RESPONSES, _responses(since), since=since)


@router.get("/{what}.{format}", auth=READ, openapi_extra=FILE)
def export_table(
    request: HttpRequest, what: Literal["visitors", "accounts", "links", "memberships"], format: Format
) -> StreamingHttpResponse:
    """All visitors or accounts with their metadata, the links between ids, or the ledgers of all reports."""
    columns, blocks = TABLES[what]
    return _file(request, what, format, columns, blocks())


def _file(
    request: HttpRequest,
    what: str,
    format_: str,
    columns: Sequence[Column],
    blocks: Iterator[list[tuple[Any, ...]]],
    **more: str,
) -> StreamingHttpResponse:
    audit.note(caller(request).who, f"export.{what}", format_, **{key: value for key, value in more.items() if value})
    pieces = tables.pieces(format_, columns, blocks)
    # The first rows are made before the answer starts, so that an error still has its status.
    ready = chain([next(pieces, b"") + next(pieces, b"")], pieces)
    answer = StreamingHttpResponse(
        rows.streamed(ready) if isinstance(request, ASGIRequest) else ready, content_type=tables.FORMATS[format_]
    )
    answer["Content-Disposition"] = f'attachment; filename="{what}.{format_}"'
    return answer


def _responses(since: str) -> Iterator[list[tuple[Any, ...]]]:
    cursor: str | None = ""
    while cursor is not None:
        found, cursor = responses.page(since=since, limit=responses.MOST, cursor=cursor)
        yield [
            (
                one["id"],
                one["survey"],
                one["score"] if _is_number(one["score"]) else None,
                None if _is_number(one["score"]) or one["score"] is None else str(one["score"]),
                one["reason"],
                one["class"],
                one["visitor_id"],
                one["account_id"],
                clock.parse(one["at"]),
            )
            for one in found
        ]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _span(request: HttpRequest, since: str, until: str, source: str) -> export.Span:
    if source:
        own(request, source)
    return export.Span(
        source_id=source or scope(request), since_ms=_moment(since, "since"), until_ms=_moment(until, "until")
    )


def _moment(text: str, path: str) -> int | None:
    if not text:
        return None
    try:
        return round(clock.parse(text).timestamp() * 1000)
    except (ValueError, OverflowError) as error:
        raise Invalid("It must be a time in ISO 8601 such as 2026-01-31T12:00:00Z.", path=path) from error
