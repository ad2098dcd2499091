"""/lists: uploaded visitor ids, for rules of the kind "list"."""

from typing import Any, BinaryIO, cast

from django.http import HttpRequest
from ninja import Query, Router, Status

from arrivals.accounts import audit
from arrivals.api.arrivals import pages
from arrivals.api.arrivals.auth import READ, WRITE, caller
from arrivals.api.arrivals.bodies import Body
from arrivals.audience import lists
from arrivals.audience.models import VisitorList

router = Router()


class ListBody(Body):
    name: str
    ids: list[str]


class IdsBody(Body):
    ids: list[str]


@router.get("", auth=READ, response=pages.Page)
def list_lists(request: HttpRequest, limit: pages.Limit, cursor: pages.Cursor) -> dict[str, Any]:
    """The lists, newest first."""
    return pages.of(VisitorList.objects.all(), lists.as_dict, limit, cursor)


@router.post("", auth=WRITE, response={201: dict[str, Any]})
def create_list(request: HttpRequest, body: ListBody) -> Any:
    """Make a list of visitor ids."""
    made = lists.create(body.name, body.ids)
    audit.note(caller(request).who, "list.create", made.id, name=made.name, size=made.size)
    return Status(201, lists.as_dict(made))


@router.post("/file", auth=WRITE, response={201: dict[str, Any]})
def upload_list(request: HttpRequest, name: str = Query(..., min_length=1, max_length=200)) -> Any:
    """Make a list of a file, which is the body: one id per line, no header, up to a million. The answer also tells
    `lines`, `duplicates`, `refused` and the first `bad` lines."""
    done = lists.upload(cast(BinaryIO, request), name=name)
    audit.note(caller(request).who, "list.create", done.made.id, name=done.made.name, size=done.made.size)
    return Status(201, lists.upload_as_dict(done))


@router.put("/{list_id}/file", auth=WRITE, response=dict[str, Any])
def replace_list_by_file(request: HttpRequest, list_id: str) -> dict[str, Any]:
    """Put the ids of a file, which is the body, in the place of the present ones, all at once."""
    done = lists.upload(cast(BinaryIO, request), list_id=list_id)
    audit.note(caller(request).who, "list.replace", list_id, size=done.made.size)
    return lists.upload_as_dict(done)


@router.get("/{list_id}", auth=READ, response=dict[str, Any])
def get_list(request: HttpRequest, list_id: str) -> dict[str, Any]:
    """One list, without its ids."""
    return lists.as_dict(lists.get(list_id))


@router.put("/{list_id}", auth=WRITE, response=dict[str, Any])
def replace_list(request: HttpRequest, list_id: str, body: IdsBody) -> dict[str, Any]:
    """Put other ids in the place of the present ones, all at once."""
    changed = lists.replace(list_id, body.ids)
    audit.note(caller(request).who, "list.replace", list_id, size=changed.size)
    return lists.as_dict(changed)


@router.post("/{list_id}/members", auth=WRITE, response=dict[str, Any])
def add_list_members(request: HttpRequest, list_id: str, body: IdsBody) -> dict[str, Any]:
    """Add ids to the list; one that is on it already changes nothing."""
    changed = lists.change(list_id, dict.fromkeys(body.ids, True))
    audit.note(caller(request).who, "list.add", list_id, size=changed.size)
    return lists.as_dict(changed)


@router.delete("/{list_id}", auth=WRITE, response={204: None})
def delete_list(request: HttpRequest, list_id: str) -> Any:
    """Delete a list that no segment uses."""
    lists.delete(list_id)
    audit.note(caller(request).who, "list.delete", list_id)
    return Status(204, None)
