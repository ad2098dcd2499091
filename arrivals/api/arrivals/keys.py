"""/keys: integration keys. Managed by an admin who is signed in, never by a key: a key that leaked makes no others."""

from typing import Any

from django.http import HttpRequest
from ninja import Router, Status

from arrivals import clock
from arrivals.accounts import audit, keys, wrong_keys
from arrivals.accounts.models import IntegrationKey
from arrivals.api.arrivals import pages
from arrivals.api.arrivals.auth import PERSON, SCOPED_READ, caller
from arrivals.api.arrivals.bodies import Body
from arrivals.apps.hook import ending
from arrivals.collect import sources
from arrivals.errors import NotFound

router = Router()


class KeyBody(Body):
    name: str
    write: bool = False
    form: str = "arrivals"
    source: str | None = None
    expires_at: str | None = None


class RotateBody(Body):
    overlap: str = "1d"


@router.get("", auth=PERSON, response=pages.Page)
def list_keys(request: HttpRequest, limit: pages.Limit, cursor: pages.Cursor) -> dict[str, Any]:
    """The integration keys, newest first, with the expired and revoked ones."""
    return pages.of(IntegrationKey.objects.all(), keys.as_dict, limit, cursor)


@router.post("", auth=PERSON, response={201: dict[str, Any]})
def create_key(request: HttpRequest, body: KeyBody) -> Any:
    """Make a key. `secret` is shown this once."""
    source_id = sources.get(body.source).id if body.source is not None else ""
    expires_at = keys.expiry(body.expires_at or "")
    who = caller(request).who
    key, secret = keys.create(
        body.name, write=body.write, by=who, form=body.form, source_id=source_id, expires_at=expires_at
    )
    audit.note(who, "key.create", key.id, **_noted(key))
    return Status(201, {**keys.as_dict(key), "secret": secret})


@router.get("/current", auth=SCOPED_READ, response=dict[str, Any])
def get_current_key(request: HttpRequest) -> dict[str, Any]:
    """The key that this request was sent with: its name, access, source and end."""
    key_id = caller(request).key
    if not key_id:
        raise NotFound("You are signed in; no integration key was sent.")
    return keys.as_dict(keys.get(key_id))


@router.get("/wrong", auth=PERSON, response=dict[str, Any])
def get_wrong_keys(request: HttpRequest) -> dict[str, Any]:
    """Uses of wrong keys in the last day: how many, from how many addresses, the last one's time and address."""
    found = wrong_keys.last_day()
    return {
        "uses": found.uses,
        "addresses": found.addresses,
        "last_at": clock.iso(found.last_at) if found.last_at else None,
        "last_from": found.last_from or None,
    }


@router.get("/{key_id}", auth=PERSON, response=dict[str, Any])
def get_key(request: HttpRequest, key_id: str) -> dict[str, Any]:
    """One key, without its secret."""
    return keys.as_dict(keys.get(key_id))


@router.post("/{key_id}/rotate", auth=PERSON, response={201: dict[str, Any]})
def rotate_key(request: HttpRequest, key_id: str, body: RotateBody | None = None) -> Any:
    """Make the successor of a key; the old one goes on for `overlap`. `secret` is shown this once."""
    overlap = (body or RotateBody()).overlap
    who = caller(request).who
    key, secret = keys.rotate(key_id, overlap=overlap, by=who)
    if not keys.alive(key_id):
        ending.end_of_key(key_id)
    audit.note(who, "key.rotate", key_id, successor=key.id, overlap=overlap)
    return Status(201, {**keys.as_dict(key), "secret": secret})


@router.delete("/{key_id}", auth=PERSON, response={204: None})
def revoke_key(request: HttpRequest, key_id: str) -> Any:
    """Revoke a key: it is refused from the next request on, and what it started stops."""
    keys.revoke(key_id)
    ending.end_of_key(key_id)
    audit.note(caller(request).who, "key.revoke", key_id)
    return Status(204, None)


def _noted(key: IntegrationKey) -> dict[str, Any]:
    ends = clock.iso(key.expires_at) if key.expires_at else None
    return {"name": key.name, "write": key.write, "source": key.source_id or None, "expires_at": ends}
