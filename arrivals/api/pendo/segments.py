"""/segment: segments, uploaded ones, and the export of their visitors."""

from collections.abc import Iterator
from typing import Any

from django.core import signing
from django.http import HttpResponse

from arrivals.accounts import audit
from arrivals.api.pendo import answers
from arrivals.api.pendo.auth import Request, keyed, who
from arrivals.api.pendo.objects import SYSTEM
from arrivals.audience import lists, segments
from arrivals.audience.models import Segment
from arrivals.errors import Conflict, Invalid, NotFound

SALT = "arrivals.segment-export"
JOB_SECONDS = 86_400
OPERATIONS = {"add": True, "remove": False}

# What may be left out of a rule about a list of visitors.
PLAIN = {("did", True), ("of", "visitor")}


@keyed(whole=True)
def all_segments(request: Request) -> Any:
    """All segments."""
    return [shape(one) for one in segments.all_segments()]


@keyed(whole=True)
def get(request: Request, id: str) -> Any:
    """One segment."""
    return shape(segments.get(id))


@keyed(write=True, whole=True)
def upload(request: Request) -> Any:
    """Make a segment of a list of visitor ids: ``{"name", "visitors"}``."""
    body = _object(answers.body(request), {"name", "visitors"})
    name = segments.checked_name(body.get("name"))
    made = lists.create(name, _ids(body.get("visitors"), "visitors"))
    segment = segments.create(name, {"all": [{"any": [{"kind": "list", "list": made.id}]}]}, who=who(request))
    audit.note(who(request), "segment.upload", segment.id, name=name, size=made.size)
    return {"segmentId": segment.id}


@keyed(write=True, whole=True)
def change(request: Request, id: str) -> Any:
    """Change the name, the visitors of an uploaded segment, or both."""
    segment = segments.get(id)
    body = _object(answers.body(request), {"name", "visitors"})
    name = segments.checked_name(body["name"]) if "name" in body else None
    if "visitors" in body:
        lists.replace(_uploaded(segment), _ids(body["visitors"], "visitors"))
    if name is not None or "visitors" in body:
        segment = segments.change(id, name=name, who=who(request))
        audit.note(who(request), "segment.change", id, name=segment.name)
    return shape(segment)


@keyed(write=True, whole=True)
def delete(request: Request, id: str) -> Any:
    """Delete a segment that nothing uses, with its list where it was uploaded."""
    segment = segments.get(id)
    segments.delete(id)
    own = list_of(segment)
    if own:
        try:
            lists.delete(own)
        except (Conflict, NotFound):
            pass  # another segment uses it
    audit.note(who(request), "segment.delete", id)
    return HttpResponse(status=204)


@keyed(write=True, whole=True)
def patch(request: Request, id: str) -> Any:
    """Add and remove visitors of an uploaded segment, all of it or, when it is busy (409), nothing."""
    segment = segments.get(id)
    body = _object(answers.body(request), {"patch"})
    operations = body.get("patch")
    if not isinstance(operations, list) or not 0 < len(operations) <= 100:
        raise Invalid("It must be a list of 1 to 100 operations.", path="patch")
    changes: dict[str, bool] = {}
    for number, one in enumerate(operations):
        op, ids = _operation(one, f"patch[{number}]")
        changes.update(dict.fromkeys(ids, OPERATIONS[op]))
    changed = lists.change(_uploaded(segment), changes)
    segments.change(id)
    audit.note(who(request), "segment.patch", id, size=changed.size)
    return {"multistatus": [{"operation": one["op"], "status": 200, "message": "OK"} for one in operations]}


@keyed(whole=True)
def export(request: Request, id: str) -> Any:
    """Begin an export of the visitors of a segment."""
    segment = segments.get(id)
    return _job(segment.id, signing.dumps(segment.id, salt=SALT))


@keyed(whole=True)
def export_status(request: Request, id: str, job: str) -> Any:
    """How far an export is. It is made while it is fetched, so it is complete from the start."""
    _known(id, job)
    return _job(id, job)


@keyed(whole=True)
def export_csv(request: Request, id: str, job: str) -> Any:
    """The visitors of a segment at the time of the fetch, one id a line under the header visitorId."""
    return answers.csv(request, id, _rows(_known(id, job)))


def shape(segment: Segment) -> dict[str, Any]:
    """A segment with the keys that Pendo gives it."""
    return {
        "id": segment.id,
        "name": segment.name,
        "description": "",
        "kind": "Segment",
        "shared": True,
        "createdAt": segment.created_at,
        "createdByUser": SYSTEM,
        "lastUpdatedAt": segment.updated_at,
        "lastUpdatedByUser": SYSTEM,
    }


def list_of(segment: Segment) -> str:
    """The list that an uploaded segment consists of, or an empty text."""
    match segment.rules:
        case {"all": [{"any": [{"kind": "list", "list": str(found), **more}]}]} if set(more.items()) <= PLAIN:
            return found
    return ""


def _uploaded(segment: Segment) -> str:
    found = list_of(segment)
    if not found:
        raise Invalid("The segment has rules; only the visitors of an uploaded one can be changed.", path="visitors")
    return found


def _job(segment_id: str, job: str) -> dict[str, Any]:
    return {"id": job, "jobId": job, "segmentId": segment_id, "status": "complete"}


def _known(segment_id: str, job: str) -> Segment:
    segment = segments.get(segment_id)
    try:
        known = signing.loads(job, salt=SALT, max_age=JOB_SECONDS) == segment_id
    except signing.BadSignature:
        known = False
    if not known:
        raise NotFound("There is no such export of this segment, or it is older than a day.")
    return segment


def _rows(segment: Segment) -> Iterator[list[Any]]:
    yield ["visitorId"]
    own = list_of(segment)
    for block in lists.members(own) if own else segments.members(segment):
        yield from ([one] for one in block)


def _object(body: Any, allowed: set[str]) -> dict[str, Any]:
    if not isinstance(body, dict):
        raise Invalid(f"The body must be an object with {', '.join(sorted(allowed))}.", path="body")
    return body


def _ids(value: Any, path: str) -> list[str]:
    """Visitor ids, numbers as texts."""
    if not isinstance(value, list):
        raise Invalid("Required: a list of visitor ids.", path=path)
    ids = [str(one) if isinstance(one, int) and not isinstance(one, bool) else one for one in value]
    for number, one in enumerate(ids):
        if not isinstance(one, str) or not 0 < len(one.strip()) <= lists.LONGEST:
            raise Invalid(f"An id must be a text of 1 to {lists.LONGEST} characters.", path=f"{path}[{number}]")
    return [one.strip() for one in ids]


def _operation(one: Any, path: str) -> tuple[str, list[str]]:
    if not isinstance(one, dict) or one.get("op") not in OPERATIONS:
        raise Invalid('It must be an object whose op is "add" or "remove".', path=f"{path}.op")
    if one.get("path") != "/visitors":
        raise Invalid('It must be "/visitors".', path=f"{path}.path")
    return str(one["op"]), _ids(one.get("value"), f"{path}.value")
