"""/notices: what people should know of, and when they want mails about it."""

from typing import Any, Literal

from django.http import HttpRequest
from ninja import Router, Status

from arrivals.accounts.models import Person
from arrivals.api.arrivals import pages
from arrivals.api.arrivals.auth import READ, WRITE, caller
from arrivals.api.arrivals.bodies import Body
from arrivals.engine import notices
from arrivals.errors import Conflict

router = Router()


class Seen(Body):
    """One notice, or all of them when none is named."""

    id: str = ""


class Mails(Body):
    when: Literal["at_once", "hourly", "never"]


@router.get("", auth=READ, response=pages.Page)
def list_notices(request: HttpRequest, limit: pages.Limit, cursor: pages.Cursor) -> dict[str, Any]:
    """The notices to whoever is signed in, or all of them for a key; newest first."""
    me = Person.objects.filter(email=caller(request).who).values_list("pk", flat=True).first()
    return pages.answer(notices.page(me or "", limit=min(limit, notices.MOST), cursor=cursor))


@router.post("/seen", auth=WRITE, response={204: None})
def see_notices(request: HttpRequest, body: Seen) -> Any:
    """Whoever is signed in has looked at a notice, or at all of them."""
    notices.seen(_person(request), body.id)
    return Status(204, None)


@router.get("/mails", auth=READ, response=dict[str, Any])
def get_notice_mails(request: HttpRequest) -> dict[str, Any]:
    """When whoever is signed in gets notices by mail."""
    return {"when": notices.choice(_person(request))}


@router.put("/mails", auth=WRITE, response=dict[str, Any])
def change_notice_mails(request: HttpRequest, body: Mails) -> dict[str, Any]:
    """At once, hourly (together, on the hour) or never; for what comes from now on."""
    return {"when": notices.choose(_person(request), body.when)}


def _person(request: HttpRequest) -> str:
    me = Person.objects.filter(email=caller(request).who).values_list("pk", flat=True).first()
    if me is None:
        raise Conflict("Mails go to people, and a key is none; sign in.")
    return me
