"""/segments: rules that say who."""

from dataclasses import asdict
from typing import Any

from django.http import HttpRequest
from ninja import Router, Status

from arrivals.accounts import audit
from arrivals.api.arrivals import pages
from arrivals.api.arrivals.auth import READ, WRITE, caller
from arrivals.api.arrivals.bodies import Body
from arrivals.audience import segments, sharing
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


class PreviewBody(Body):
    rules: dict[str, Any]


@router.get("", auth=READ, response=pages.Page)
def list_segments(request: HttpRequest, limit: pages.Limit, cursor: pages.Cursor) -> dict[str, Any]:
    """The segments, newest first."""
    return pages.of(sharing.visible(Segment.objects.select_related("owner")), segments.as_dict, limit, cursor)


@router.post("", auth=WRITE, response={201: dict[str, Any]})
def create_segment(request: HttpRequest, body: SegmentBody) -> Any:
    """Make a segment of rules."""
    segment = segments.create(body.name, body.rules, shared=body.shared)
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
    segment = segments.change(segment_id, name=body.name, rules=body.rules, shared=body.shared)
    audit.note(caller(request).who, "segment.change", segment_id, name=segment.name)
    return segments.as_dict(segment)


@router.delete("/{segment_id}", auth=WRITE, response={204: None})
def delete_segment(request: HttpRequest, segment_id: str) -> Any:
    """Delete a segment that no report and no other segment uses."""
    segments.delete(segment_id)
    audit.note(caller(request).who, "segment.delete", segment_id)
    return Status(204, None)
