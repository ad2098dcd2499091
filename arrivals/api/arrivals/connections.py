"""/connections: stored, encrypted credentials of apps. Only an admin changes them on a session."""

from dataclasses import asdict
from typing import Any

from django.http import HttpRequest
from ninja import Router, Status

from arrivals.accounts import audit
from arrivals.api.arrivals import pages
from arrivals.api.arrivals.auth import ADMIN, READ, caller
from arrivals.api.arrivals.bodies import Body
from arrivals.apps import connections, limits
from arrivals.apps.models import Connection
from arrivals.audience import origins

router = Router()


class ConnectionBody(Body):
    app: str
    name: str
    fields: dict[str, str] = {}
    limits: dict[str, Any] | None = None


class ConnectionChange(Body):
    name: str | None = None
    fields: dict[str, str] | None = None
    limits: dict[str, Any] | None = None


@router.get("", auth=READ, response=pages.Page)
def list_connections(request: HttpRequest, limit: pages.Limit, cursor: pages.Cursor) -> dict[str, Any]:
    """The connections, newest first, with secrets masked."""
    return pages.of(Connection.objects.all(), connections.as_dict, limit, cursor)


@router.post("", auth=ADMIN, response={201: dict[str, Any]})
def create_connection(request: HttpRequest, body: ConnectionBody) -> Any:
    """Store credentials for an app; `fields` are those that `GET /apps` lists as `auth`. `limits`: how many calls it takes."""
    limits.parse(body.limits)
    made = connections.create(body.app, body.name, body.fields)
    if body.limits is not None:
        made = connections.limit(made.id, body.limits)
    audit.note(caller(request).who, "connection.create", made.id, name=made.name, app=made.app)
    return Status(201, connections.as_dict(made))


@router.get("/{connection_id}", auth=READ, response=dict[str, Any])
def get_connection(request: HttpRequest, connection_id: str) -> dict[str, Any]:
    """One connection, with secrets masked."""
    return connections.as_dict(connections.get(connection_id))


@router.get("/{connection_id}/pendo-reports", auth=READ, response=pages.Page)
def list_pendo_reports(request: HttpRequest, connection_id: str) -> dict[str, Any]:
    """The reports of a real Pendo, asked for now: `id`, `name`, `kind`, and `problem` for one that cannot be used."""
    connections.get(connection_id)
    return pages.answer(([asdict(one) for one in origins.origin().reports(connection_id)], None))


@router.put("/{connection_id}", auth=ADMIN, response=dict[str, Any])
def change_connection(request: HttpRequest, connection_id: str, body: ConnectionChange) -> dict[str, Any]:
    """Change the name, some fields, or the `limits` (null: those of the app). New credentials let the runs go on that were held
    for this connection."""
    limits.parse(body.limits)
    changed = connections.change(connection_id, name=body.name, fields=body.fields)
    if "limits" in body.model_fields_set:
        changed = connections.limit(connection_id, body.limits)
    audit.note(caller(request).who, "connection.change", connection_id, fields=sorted(body.fields or {}))
    return connections.as_dict(changed)


@router.delete("/{connection_id}", auth=ADMIN, response={204: None})
def delete_connection(request: HttpRequest, connection_id: str) -> Any:
    """Delete a connection that no workflow uses."""
    connections.delete(connection_id)
    audit.note(caller(request).who, "connection.delete", connection_id)
    return Status(204, None)
