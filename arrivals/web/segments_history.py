"""Who changed a segment, when, and what; put back what it was."""

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_POST

from arrivals import clock
from arrivals.accounts import audit
from arrivals.audience import phrases, segments, versions
from arrivals.web.pages import flash, go, person, render, signed_in

SHOWN = 50


@signed_in
def show(request: HttpRequest, segment_id: str) -> HttpResponse:
    segment = segments.get(segment_id)
    given = request.GET.get("before", "")
    before = int(given) if given.isascii() and given.isdigit() and len(given) < 10 else None
    rows = versions.history(segment, before=before, limit=SHOWN)
    names = phrases.Names()
    for one in rows:
        one["time"] = clock.parse(one["at"])
        one["words"] = phrases.sentence(one["rules"], names)
    more = rows[-1]["number"] if len(rows) == SHOWN and rows[-1]["number"] > 1 else None
    newest = versions.newest_number(segment)
    return render(request, "segments_history", segment=segment, rows=rows, newest=newest, more=more)


@require_POST
@signed_in
def restore(request: HttpRequest, segment_id: str, number: int) -> HttpResponse:
    segment = segments.restore(segment_id, number, who=person(request).email)
    audit.note(person(request).email, "segment.restore", segment_id, name=segment.name, version=number)
    flash(request, f"The segment is what it was in version {number}.")
    return go(f"/segments/{segment_id}/history")
