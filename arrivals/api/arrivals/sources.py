"""/sources: tracked products."""

from typing import Any

from django.db import transaction
from django.http import HttpRequest
from ninja import Router, Status

from arrivals.accounts import audit
from arrivals.api.arrivals import pages
from arrivals.api.arrivals.auth import SCOPED_READ, WRITE, caller, scope
from arrivals.api.arrivals.bodies import Body
from arrivals.audience import visitors
from arrivals.collect import sources, switches
from arrivals.collect.models import Source

router = Router()


class SourceBody(Body):
    name: str


class ChangeBody(Body):
    name: str | None = None
    agent: dict[str, Any] | None = None


@router.get("", auth=SCOPED_READ, response=pages.Page)
def list_sources(request: HttpRequest, limit: pages.Limit, cursor: pages.Cursor) -> dict[str, Any]:
    """The sources, newest first; a key of one source sees that one."""
    only = {"pk": scope(request)} if scope(request) else {}
    return pages.of(Source.objects.filter(**only), sources.as_dict, limit, cursor)


@router.post("", auth=WRITE, response={201: dict[str, Any]})
def create_source(request: HttpRequest, body: SourceBody) -> Any:
    """Make a source. `track_secret` is shown this once."""
    source, secret = sources.create(body.name)
    audit.note(caller(request).who, "source.create", source.id, name=source.name)
    return Status(201, {**sources.as_dict(source), "track_secret": secret})


@router.get("/{source_id}", auth=SCOPED_READ, response=dict[str, Any])
def get_source(request: HttpRequest, source_id: str) -> dict[str, Any]:
    """One source."""
    return sources.as_dict(sources.get(source_id))


@router.put("/{source_id}", auth=WRITE, response=dict[str, Any])
def change_source(request: HttpRequest, source_id: str, body: ChangeBody) -> dict[str, Any]:
    """Rename a source, or set switches of the browser agent on its pages; what is left out stays."""
    with transaction.atomic():
        source = sources.get(source_id)
        if body.name is not None:
            source = sources.rename(source_id, body.name)
        if body.agent is not None:
            source = switches.change(source, body.agent)
    audit.note(caller(request).who, "source.change", source_id, name=source.name, agent=body.agent)
    return sources.as_dict(source)


@router.delete("/{source_id}", auth=WRITE, response={204: None})
def delete_source(request: HttpRequest, source_id: str) -> Any:
    """Delete a source: its write key is refused from now on; its events stay."""
    sources.delete(source_id)
    audit.note(caller(request).who, "source.delete", source_id)
    return Status(204, None)


@router.get("/{source_id}/events", auth=SCOPED_READ, response=pages.Page)
def list_source_events(request: HttpRequest, source_id: str, limit: pages.Limit) -> dict[str, Any]:
    """The events of the last hour by time of receipt, newest first; one page, without a cursor."""
    return pages.answer((visitors.recent_events(sources.get(source_id).id, limit=limit), None))
