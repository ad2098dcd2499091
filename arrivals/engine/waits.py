"""Runs that wait for an event of their visitor, or until it has left a report: rows, until something wakes them. Blocks.

A row is inserted in the transaction that records that the step waits. What happened before that, but after the step began, is
asked for once (``fresh``); what comes in after it is found as it comes in. At its end the step itself asks once more.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Min

from arrivals import clock
from arrivals.audience import happenings as events
from arrivals.audience import person
from arrivals.audience.happenings import Happened
from arrivals.audience.person import Person
from arrivals.audience.rules import EventRule
from arrivals.engine.event_runs import cleaned
from arrivals.engine.models import Cursor, Run, Wait
from arrivals.errors import InvalidDefinition
from arrivals.watch import arrivals
from arrivals.watch.models import Arrival
from arrivals.workflows import triggers
from arrivals.workflows.happenings import milliseconds

log = logging.getLogger(__name__)
BATCH = 500
OVER = timedelta(days=1)  # a step looks at its row at its end, or when there is a runner again
Rules = dict[str, EventRule]  # what is waited for, by the digest of its data


def rules() -> Rules:
    """What the runs that wait for events wait for."""
    found: Rules = {}
    for digest in _distinct("rule", report_id=""):
        data = Wait.objects.filter(report_id="", rule=digest).values_list("data", flat=True).first()
        try:
            found[digest] = triggers.event(data, "for.event")
        except InvalidDefinition as error:  # its page or feature is gone, so it ends at its time
            log.warning("Runs wait for an event that cannot be asked for: %s", error)
    return found


def oldest() -> datetime:
    """When the first of the steps that wait for events began."""
    first = Wait.objects.filter(report_id="").aggregate(first=Min("since"))["first"]
    return first if isinstance(first, datetime) else clock.now()


def settle(known: Rules) -> int:
    """Ask, for rows that are new, what happened since their steps began; return how many runs were woken by it.

    To be called after a mark was taken: what cannot be read yet has a higher number, and is found as what comes in.
    """
    fresh = list(Wait.objects.filter(fresh=True, report_id="").order_by("id")[:BATCH])
    if not fresh:
        return 0
    digests = [digest for digest in known if any(one.rule == digest for one in fresh)]
    people = person.of_ids({one.visitor for one in fresh})
    woken = 0
    found: dict[int, Happened] = {}
    if digests:
        chosen = [known[digest] for digest in digests]
        keys = {key for one in people.values() for key in one.keys}
        since = milliseconds(min(one.since for one in fresh))
        for page in events.of_people(chosen, keys, since):
            theirs = _by_id(page, events.people_of(page))
            for one in fresh:
                number = digests.index(one.rule) if one.rule in digests else -1
                hit = _first(one, (event for event in theirs.get(one.visitor, ()) if number in event.hits))
                if hit is not None:
                    found.setdefault(one.pk, hit)
    with transaction.atomic():
        for one in fresh:
            if one.pk in found:
                woken += _happened(one, found[one.pk].as_dict())
        Wait.objects.filter(pk__in=[one.pk for one in fresh]).update(fresh=False)
    return woken


def wake(page: Sequence[Happened], people: Mapping[str, Person], known: Rules, *, first: int) -> int:
    """Wake the runs that wait for these events; return how many. ``first``: the number of the first rule in their hits.

    To be called in the transaction that notes that these events were looked at.
    """
    woken = 0
    for number, digest in enumerate(known, first):
        hit = [event for event in page if number in event.hits]
        theirs = _by_id(hit, people)
        ids = list(theirs)
        for start in range(0, len(ids), BATCH):
            chosen = Wait.objects.filter(report_id="", rule=digest, visitor__in=ids[start : start + BATCH])
            for one in chosen.filter(event__isnull=True):
                if (event := _first(one, theirs[one.visitor])) is not None:
                    woken += _happened(one, event.as_dict())
    return woken


def left() -> int:
    """Wake the runs that wait for somebody who has left a report; return how many.

    For each such report, one transaction: the departures after its cursor, and those of rows that are new; then the cursor.
    """
    woken = 0
    for report_id in _distinct("report_id"):
        cursor = Cursor.objects.filter(name=report_id).first()
        if cursor is None:
            cursor, _ = Cursor.objects.get_or_create(name=report_id, defaults={"seq": arrivals.last_seq(report_id)})
        fresh = list(Wait.objects.filter(fresh=True, report_id=report_id).order_by("id")[:BATCH])
        came = arrivals.after(report_id, cursor.seq)
        gone = [one for one in came if one.kind == Arrival.Kind.OUT]
        if not came and not fresh:
            continue
        with transaction.atomic():
            for one in fresh:
                if (departed := departure(report_id, one.visitor, one.entry)) is not None:
                    woken += _happened(one, departed)
            Wait.objects.filter(pk__in=[one.pk for one in fresh]).update(fresh=False)
            for start in range(0, len(gone), BATCH):
                chunk = {one.member: one for one in gone[start : start + BATCH]}
                for waiting in Wait.objects.filter(report_id=report_id, visitor__in=list(chunk), event__isnull=True):
                    if chunk[waiting.visitor].entry >= waiting.entry:
                        woken += _happened(waiting, _told(chunk[waiting.visitor]))
            if came:
                Cursor.objects.filter(name=report_id, seq__lt=came[-1].id).update(seq=came[-1].id)
    return woken


def tidy() -> None:
    """Drop the rows of runs that ended otherwise than by their step: somebody cancelled them."""
    Wait.objects.filter(until__lt=clock.now() - OVER).delete()


def departure(report_id: str, member: str, entry: int) -> dict[str, Any] | None:
    """The departure of a member from a report after its ``entry``th time, or a later one; None where there was none."""
    found = Arrival.objects.filter(report_id=report_id, member=member, kind=Arrival.Kind.OUT, entry__gte=entry)
    one = found.order_by("entry").first()
    return _told(one) if one else None


def happened(data: Any, visitor: str, since: datetime, until: datetime) -> dict[str, Any] | None:
    """The first event of a visitor that was received in a span and is what ``data`` says, as the warehouse knows it.

    Raises:
        InvalidDefinition: what ``data`` names is no longer there. CheckTimeout.
    """
    whose = person.of_ids([visitor])[visitor]
    rule = triggers.event(data, "for.event")
    for page in events.of_people([rule], whose.keys, milliseconds(since), milliseconds(until)):
        return dict(cleaned(page[0].as_dict()))
    return None


def _first(waiting: Wait, hit: Any) -> Happened | None:
    """The first of these events, in the order in which they were received, that came in since its step began."""
    since = milliseconds(waiting.since)
    return min((one for one in hit if one.received >= since), key=lambda one: one.received, default=None)


def _by_id(page: Sequence[Happened], people: Mapping[str, Person]) -> dict[str, list[Happened]]:
    """The events of each visitor, by each of its ids."""
    found: dict[str, list[Happened]] = {}
    for one in page:
        for id_ in people[one.visitor].ids:
            found.setdefault(id_, []).append(one)
    return found


def _happened(waiting: Wait, event: dict[str, Any]) -> int:
    """Note what happened and make its run due, once."""
    noted = Wait.objects.filter(pk=waiting.pk, event__isnull=True).update(event=cleaned(event))
    if noted:
        runs = Run.objects.filter(pk=waiting.run_id, state=Run.State.DELAYED, step=waiting.number, turn=waiting.turn)
        runs.update(due=clock.now())
    return noted


def _told(one: Arrival) -> dict[str, Any]:
    return {
        "report": one.report_id,
        "member": one.member,
        "kind": one.kind,
        "entry": one.entry,
        "at": clock.iso(one.at),
    }


def _distinct(field: str, **where: Any) -> Iterator[str]:
    """The values of a column of the index that rows are looked up by: one look-up a value, however many rows there are."""
    value = ""
    while True:
        rows = Wait.objects.filter(**where, **{f"{field}__gt": value}).order_by("report_id", "rule", "visitor")
        found = rows.values_list(field, flat=True).first()
        if found is None:
            return
        yield found
        value = found
