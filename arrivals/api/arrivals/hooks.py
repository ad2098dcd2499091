"""/hooks: subscriptions of programs that want to be told of arrivals at once, such as Zaps."""

from typing import Any

from django.http import HttpRequest
from ninja import Field, Router, Status

from arrivals.accounts import audit
from arrivals.api.arrivals import pages
from arrivals.api.arrivals.auth import READ, WRITE, caller
from arrivals.api.arrivals.bodies import Body
from arrivals.apps.hook import subscriptions
from arrivals.apps.hook.subscriptions import Wanted
from arrivals.audience import cursors
from arrivals.errors import Invalid

router = Router()


class HookBody(Body):
    target_url: str
    event: str
    report: str | None = None
    survey: str | None = None
    reentry: str | dict[str, int] | None = None
    name: str = Field(subscriptions.NAMED, max_length=60, description="Who subscribes; begins the workflow's name.")


@router.get("", auth=READ, response=pages.Page)
def list_hooks(request: HttpRequest, limit: pages.Limit, cursor: pages.Cursor) -> dict[str, Any]:
    """The hooks that have not ended, newest first."""
    if cursor and not pages.ID.fullmatch(cursor):
        raise Invalid(cursors.WRONG, path="cursor")
    return pages.answer(subscriptions.page(limit=limit, cursor=cursor))


@router.post("", auth=WRITE, response={201: dict[str, Any]})
def create_hook(request: HttpRequest, body: HookBody) -> Any:
    """Post each arrival to `target_url` from now on. `secret` signs what is posted and is in this one answer only."""
    who = caller(request)
    wanted = Wanted(**body.dict(), key=who.key)
    made, secret = subscriptions.subscribe(wanted, by=who.who)
    audit.note(who.who, "hook.create", made.pk, name=made.name)
    return Status(201, {**subscriptions.as_dict(made), "secret": secret})


@router.get("/{hook_id}", auth=READ, response=dict[str, Any])
def get_hook(request: HttpRequest, hook_id: str) -> dict[str, Any]:
    """One hook; 404 when it has ended."""
    return subscriptions.as_dict(subscriptions.get(hook_id))


@router.delete("/{hook_id}", auth=WRITE, response={204: None})
def delete_hook(request: HttpRequest, hook_id: str) -> Any:
    """Post nothing any more, from now on."""
    subscriptions.unsubscribe(hook_id)
    audit.note(caller(request).who, "hook.delete", hook_id)
    return Status(204, None)
