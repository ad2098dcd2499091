"""/visitors: one visitor and all that is known of it, found by id or by a metadata field; metadata set by programs."""

from typing import Annotated, Any

from django.http import HttpRequest
from ninja import Query, Router, Status

from arrivals.accounts import audit
from arrivals.api.arrivals import pages
from arrivals.api.arrivals.auth import ADMIN, READ, WRITE, caller
from arrivals.api.arrivals.bodies import Body
from arrivals.audience import fields, memberships_of, person, persons, profiles, segments
from arrivals.engine import why
from arrivals.erasure import erasures
from arrivals.errors import Invalid, NotFound
from arrivals.watch import memberships

router = Router()
Kinds = Annotated[str, Query("", max_length=300, description="Only events of these kinds, with commas.")]


class MetadataBody(Body):
    visitor_id: str
    values: dict[str, Any]
    group: str = "custom"
    create: bool = False


@router.get("", auth=READ, response=pages.Page)
def find_visitors(
    request: HttpRequest,
    id: str = Query("", max_length=512),
    field: str = Query("", max_length=300),
    value: str = Query("", max_length=1000),
) -> dict[str, Any]:
    """Visitors with this `id`, or whose `field` (such as agent.email) is `value`; at most 10, with their metadata."""
    if bool(id) == bool(field):
        raise Invalid("Say an id, or a field and its value.", path="id")
    found = [id]
    if field:
        rules = {"all": [{"any": [{"kind": "visitor", "field": field, "op": "is", "value": value}]}]}
        found = segments.preview(rules, sample=10).sample
    items = []
    for one in found:
        try:
            items.append(profiles.visitor(one))
        except NotFound:
            continue
    return {"items": items, "next": None}


@router.post("/metadata", auth=WRITE, response=dict[str, Any])
def set_visitor_metadata(request: HttpRequest, body: MetadataBody) -> dict[str, Any]:
    """Set fields of one visitor (null unsets) in a group, custom if left out; `create` makes a visitor not known yet."""
    done = fields.write("visitor", body.group, {body.visitor_id: body.values}, create=body.create)
    if done.missing:
        raise NotFound(f"There is no visitor {body.visitor_id!r:.80}.")
    if done.refused:
        raise Invalid(done.refused[0][1], path="values")
    audit.note(caller(request).who, "visitor.metadata", body.visitor_id[:80], fields=sorted(body.values)[:50])
    return {"visitor_id": body.visitor_id, "updated": len(body.values)}


@router.get("/{path:visitor_id}/segments", auth=READ, response=pages.Page)
def list_visitor_segments(
    request: HttpRequest,
    visitor_id: str,
    since: bool = Query(True, description="Whether to find out since when; it is quicker without."),
) -> dict[str, Any]:
    """All segments, by name, with whether the visitor is `in` each, `since` when, and whether that is `exact`."""
    found = memberships_of.of(visitor_id, since=since)
    return {"items": [memberships_of.as_dict(one) for one in found], "next": None}


@router.get("/{path:visitor_id}/timeline", auth=READ, response=pages.Page)
def list_visitor_events(
    request: HttpRequest, visitor_id: str, limit: pages.Limit, cursor: pages.Cursor, kind: Kinds
) -> dict[str, Any]:
    """What a visitor did, newest first."""
    kinds = [one for one in kind.split(",") if one]
    return pages.answer(persons.timeline(person.find(visitor_id), kinds=kinds, limit=limit, cursor=cursor))


@router.get("/{path:visitor_id}/workflows", auth=READ, response=pages.Page)
def list_visitor_workflows(request: HttpRequest, visitor_id: str) -> dict[str, Any]:
    """The workflows on reports of visitors, and on the responses to surveys that this one answered, each with its newest
    runs for this one and why it did or did not run."""
    who = person.find(visitor_id)
    on = [one["report"] for one in memberships.of("visitor", who.keys) if one["on"]]
    answers = why.of_answers(persons.answered(who))
    return {"items": why.of("visitor", who.ids, on) + answers + why.chosen(who.ids), "next": None}


# Last, since an id may have a slash: it takes what the others did not.
@router.get("/{path:visitor_id}", auth=READ, response=dict[str, Any])
def get_visitor(request: HttpRequest, visitor_id: str) -> dict[str, Any]:
    """One visitor by any id it has had: `id`, `former_ids`, `first_visit`, `last_visit`, `accounts`, `fields` by group with
    the time that each was set, `answers` to surveys, and the `reports` it is or was on."""
    who = person.find(visitor_id)
    first, last = persons.visits(who)
    return {
        "id": who.id,
        "former_ids": list(who.ids[1:]),
        "first_visit": first,
        "last_visit": last,
        "accounts": persons.accounts(who),
        "fields": persons.fields(who),
        "answers": persons.answered(who),
        "reports": memberships.of("visitor", who.keys),
    }


@router.delete("/{path:visitor_id}", auth=ADMIN, response={202: dict[str, Any]})
def erase_visitor(request: HttpRequest, visitor_id: str) -> Any:
    """Erase a visitor: everything of it, in the background, for good."""
    made = erasures.request("visitor", [person.find(visitor_id).id], by=caller(request).who)
    return Status(202, {"erasure": made.id})
