"""One visitor: metadata, what it did, its answers, reports and runs."""

from collections.abc import Sequence
from datetime import datetime
from itertools import groupby
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_POST

from arrivals import clock
from arrivals.accounts import workspace
from arrivals.audience import cells, memberships_of, person, persons, tag_numbers
from arrivals.audience.models import Report
from arrivals.collect import event, sources
from arrivals.engine import why
from arrivals.erasure import erasures
from arrivals.errors import CheckTimeout, NotAllowed, Unavailable
from arrivals.watch import memberships
from arrivals.web import pages, workflows_start
from arrivals.web.pages import flash, go, render, signed_in

PER_PAGE = 50
LATELY = {"range": {"within": "30d"}}
METRICS = ("days_active", "minutes", "average_daily_minutes", "events", "usage_trending", "frequency")


@signed_in
def show(request: HttpRequest, visitor_id: str) -> HttpResponse:
    who = person.find(visitor_id)
    first, last = persons.visits(who)
    found = memberships.of("visitor", who.keys)
    lately = Report(kind="visitor", columns=[f"metric.{one}" for one in METRICS], **LATELY)
    answers = persons.answered(who)
    return render(
        request,
        "visitors_show",
        who=who,
        first=first,
        last=last,
        accounts=persons.accounts(who),
        groups=persons.fields(who),
        metrics=named(cells.of(lately, {who.key: who.id})[who.key].row),
        answers=answers,
        memberships=found,
        workflows=why.of("visitor", who.ids, [one["report"] for one in found if one["on"]])
        + why.of_answers(answers)
        + why.chosen(who.ids),
        startable=workflows_start.startable(),
        **lines(request, persons.timeline(who, kinds=chosen(request), limit=PER_PAGE)),
    )


@signed_in
def timeline(request: HttpRequest, visitor_id: str) -> HttpResponse:
    """A part: the events of some kinds, from a cursor on."""
    who = person.find(visitor_id)
    found = persons.timeline(who, kinds=chosen(request), limit=PER_PAGE, cursor=request.GET.get("cursor", ""))
    return render(request, "part_timeline", who=who, **lines(request, found))


@signed_in
def segments(request: HttpRequest, visitor_id: str) -> HttpResponse:
    """A part: the segments that it is in, and since when. It comes after the page, since asking all of them takes longer."""
    try:
        found = [one for one in memberships_of.of(visitor_id) if one.inside]
    except (CheckTimeout, Unavailable) as late:
        return render(request, "part_segments", error=late)
    return render(request, "part_segments", segments=found)


@require_POST
@signed_in
def erase(request: HttpRequest, visitor_id: str) -> HttpResponse:
    return erased(request, "visitor", person.find(visitor_id).id)


def erased(request: HttpRequest, kind: str, id_: str) -> HttpResponse:
    """Ask for an erasure, for admins."""
    if not pages.person(request).is_admin:
        raise NotAllowed("Only an admin may erase somebody.")
    erasures.request(kind, [id_], by=pages.person(request).email)
    flash(request, f"{id_} is being erased; within some minutes nothing of it is left.")
    return go(f"/{kind}s")


def chosen(request: HttpRequest) -> list[str]:
    """The kinds of events that are asked for; none: all."""
    return [one for one in request.GET.getlist("kind") if one in event.KINDS]


def named(row: dict[str, Any]) -> list[tuple[str, Any]]:
    return [(name.removeprefix("metric.").replace("_", " "), value) for name, value in row.items()]


def lines(request: HttpRequest, found: tuple[list[dict[str, Any]], str | None]) -> dict[str, Any]:
    """Events for the template: ``days``, each with its sessions, newest first; a pause of 30 minutes ends a session. Each
    has ``called``: the pages and features of ours that it is."""
    items, following = found
    asked = [{**one, "source_id": one["source"], "properties": one["properties"] or {}} for one in items]
    pages_, features = (tag_numbers.which(kind, asked) for kind in ("page", "feature"))
    for one, page, feature in zip(items, pages_, features, strict=True):
        one["called"] = [name for name in page + feature if name != one["name"]]
    days = []
    for day, its in groupby(items, key=lambda one: workspace.day(clock.parse(one["at"]))):
        days.append((day, _sessions(list(its))))
    return {
        "days": days,
        "next": following,
        "kinds": event.KINDS,
        "chosen": chosen(request),
        "source_names": {one.id: one.name for one in sources.all_sources()},
    }


def _sessions(events: Sequence[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    found: list[list[dict[str, Any]]] = []
    before: datetime | None = None
    for one in events:
        at = clock.parse(one["at"])
        if before is None or before - at > persons.SESSION:
            found.append([])
        found[-1].append(one)
        before = at
    return found
