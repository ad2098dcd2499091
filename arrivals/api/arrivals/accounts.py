"""/accounts: one account and all that is known of it."""

from typing import Any

from django.http import HttpRequest
from ninja import Router, Status

from arrivals.api.arrivals import pages
from arrivals.api.arrivals.auth import ADMIN, READ, caller
from arrivals.api.arrivals.visitors import Kinds
from arrivals.audience import accounts, persons
from arrivals.engine import why
from arrivals.erasure import erasures
from arrivals.watch import memberships

router = Router()


@router.get("/{path:account_id}/visitors", auth=READ, response=pages.Page)
def list_account_visitors(
    request: HttpRequest, account_id: str, limit: pages.Limit, cursor: pages.Cursor
) -> dict[str, Any]:
    """Its visitors, the last seen first."""
    persons.account(account_id)
    return pages.answer(persons.visitors(account_id, limit=limit, cursor=cursor))


@router.get("/{path:account_id}/timeline", auth=READ, response=pages.Page)
def list_account_events(
    request: HttpRequest, account_id: str, limit: pages.Limit, cursor: pages.Cursor, kind: Kinds
) -> dict[str, Any]:
    """The events that name an account, newest first."""
    persons.account(account_id)
    kinds = [one for one in kind.split(",") if one]
    return pages.answer(persons.account_timeline(account_id, kinds=kinds, limit=limit, cursor=cursor))


@router.get("/{path:account_id}/workflows", auth=READ, response=pages.Page)
def list_account_workflows(request: HttpRequest, account_id: str) -> dict[str, Any]:
    """The workflows on reports of accounts, each with its newest runs for this one and why it did or did not run."""
    persons.account(account_id)
    on = [one["report"] for one in memberships.of("account", [accounts.key(account_id)]) if one["on"]]
    return {"items": why.of("account", [account_id], on), "next": None}


# Last, since an id may have a slash: it takes what the others did not.
@router.get("/{path:account_id}", auth=READ, response=dict[str, Any])
def get_account(request: HttpRequest, account_id: str) -> dict[str, Any]:
    """One account: `id`, `visitors` (how many), `first_visit`, `last_visit`, `fields` by group with the time that each was
    set, and the `reports` it is or was on."""
    found = persons.account(account_id)
    return {
        "id": found["id"],
        "visitors": found["visitors"],
        "first_visit": found["first"],
        "last_visit": found["last"],
        "fields": persons.account_fields(account_id),
        "reports": memberships.of("account", [accounts.key(account_id)]),
    }


@router.delete("/{path:account_id}", auth=ADMIN, response={202: dict[str, Any]})
def erase_account(request: HttpRequest, account_id: str) -> Any:
    """Erase an account: everything of it, in the background, for good."""
    made = erasures.request("account", [persons.account(account_id)["id"]], by=caller(request).who)
    return Status(202, {"erasure": made.id})
