"""/segments: rules that say who."""

from dataclasses import asdict
from typing import Any

from django.http import HttpRequest
from ninja import Query, Router, Status

from arrivals.accounts import audit
from arrivals.api.arrivals import pages
from arrivals.api.arrivals.auth import READ, WRITE, caller
from arrivals.api.arrivals.bodies import Body
from arrivals.audience import cursors, explaining, segments, sharing, usage, versions
from arrivals.audience.models import Segment

router = Router()


class SegmentBody(Body):
    name: str
    rules: dict[str, Any]
    shared: bool | None = None


class SegmentChange(Body):
    name: str | None = None
    rules: dict[str, Any] | None = None
    shared: bool | None = None


class CopyBody(Body):
    name: str = ""


class PreviewBody(Body):
    rules: dict[str, Any]


@router.get("", auth=READ, response=pages.Page)
def list_segments(request: HttpRequest, limit: pages.Limit, cursor: pages.Cursor) -> dict[str, Any]:
    """The segments, newest first."""
    return pages.of(sharing.visible(Segment.objects.select_related("owner")), segments.as_dict, limit, cursor)


@router.post("", auth=WRITE, response={201: dict[str, Any]})
def create_segment(request: HttpRequest, body: SegmentBody) -> Any:
    """Make a segment of rules."""
    segment = segments.create(body.name, body.rules, shared=body.shared, who=caller(request).who)
    audit.note(caller(request).who, "segment.create", segment.id, name=segment.name)
    return Status(201, segments.as_dict(segment))


@router.post("/preview", auth=READ, response=dict[str, Any])
def preview_segment(request: HttpRequest, body: PreviewBody) -> dict[str, Any]:
    """How many visitors rules select now, and the ids of some. Stores nothing, so a read-only key may ask."""
    return asdict(segments.preview(body.rules))


@router.get("/{segment_id}", auth=READ, response=dict[str, Any])
def get_segment(request: HttpRequest, segment_id: str) -> dict[str, Any]:
    """One segment."""
    return segments.as_dict(segments.get(segment_id))


@router.put("/{segment_id}", auth=WRITE, response=dict[str, Any])
def change_segment(request: HttpRequest, segment_id: str, body: SegmentChange) -> dict[str, Any]:
    """Change the name, the rules, whether it is shared; what is left out stays."""
    segment = segments.change(segment_id, name=body.name, rules=body.rules, shared=body.shared, who=caller(request).who)
    audit.note(caller(request).who, "segment.change", segment_id, name=segment.name)
    return segments.as_dict(segment)


@router.delete("/{segment_id}", auth=WRITE, response={204: None})
def delete_segment(request: HttpRequest, segment_id: str) -> Any:
    """Delete a segment that nothing uses; 409 names what does."""
    segments.delete(segment_id)
    audit.note(caller(request).who, "segment.delete", segment_id)
    return Status(204, None)


@router.post("/{segment_id}/duplicate", auth=WRITE, response={201: dict[str, Any]})
def duplicate_segment(request: HttpRequest, segment_id: str, body: CopyBody) -> Any:
    """Make another segment with the same rules, called `name` or, without one, after this."""
    made = segments.duplicate(segment_id, name=body.name, who=caller(request).who)
    audit.note(caller(request).who, "segment.duplicate", made.id, name=made.name, of=segment_id)
    return Status(201, segments.as_dict(made))


@router.get("/{segment_id}/usage", auth=READ, response=pages.Page)
def get_segment_usage(request: HttpRequest, segment_id: str) -> dict[str, Any]:
    """What uses the segment: `kind`, `id`, `name`, and `through` which report or the like, or null."""
    users = usage.of_segment(segments.get(segment_id))
    return {"items": [usage.as_dict(one) for one in users], "next": None}


@router.get("/{segment_id}/explain", auth=READ, response=dict[str, Any])
def explain_segment(
    request: HttpRequest, segment_id: str, visitor: str = Query(..., min_length=1, max_length=512)
) -> dict[str, Any]:
    """Whether a visitor is in the segment, rule by rule, with what each looks at."""
    return explaining.explain(segments.get(segment_id).rules, visitor)


@router.get("/{segment_id}/versions", auth=READ, response=pages.Page)
def list_segment_versions(
    request: HttpRequest, segment_id: str, limit: pages.Limit, cursor: pages.Cursor
) -> dict[str, Any]:
    """The versions of a segment, newest first: `number`, `at`, `who`, `name`, `rules`, `restored`, `changed`."""
    before = cursors.read_number(cursor, 9) if cursor else None
    items = versions.history(segments.get(segment_id), before=before, limit=limit)
    more = len(items) == limit and items[-1]["number"] > 1
    return {"items": items, "next": str(items[-1]["number"]) if more else None}


@router.post("/{segment_id}/versions/{number}/restore", auth=WRITE, response=dict[str, Any])
def restore_segment_version(request: HttpRequest, segment_id: str, number: int) -> dict[str, Any]:
    """Make the segment what it was in an earlier version; that is a new version."""
    segment = segments.restore(segment_id, number, who=caller(request).who)
    audit.note(caller(request).who, "segment.restore", segment_id, name=segment.name, version=number)
    return segments.as_dict(segment)
