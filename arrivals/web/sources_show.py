"""One source: its keys, its snippet, its live events."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_POST

from arrivals import config
from arrivals.accounts import audit
from arrivals.audience import visitors
from arrivals.collect import snippet, sources, switches
from arrivals.collect.models import Source
from arrivals.errors import CheckTimeout, Unavailable
from arrivals.web.pages import flash, go, person, render, signed_in


@signed_in
def show(request: HttpRequest, source_id: str) -> HttpResponse:
    return page(request, sources.get(source_id))


def page(request: HttpRequest, source: Source, *, secret: str = "") -> HttpResponse:
    """The page; ``secret`` is the track secret, right after the source was made."""
    url = config.current().public_url
    return render(
        request,
        "sources_show",
        source=source,
        secret=secret,
        url=url,
        snippet=snippet.snippet(url, source.write_key),
        element=snippet.element(url, source.write_key),
        switches=_switches(source),
        **_newest(source),
    )


@signed_in
def events(request: HttpRequest, source_id: str) -> HttpResponse:
    """The rows of the live tail."""
    source = sources.get(source_id)
    return render(request, "part_events", source=source, **_newest(source))


@require_POST
@signed_in
def rename(request: HttpRequest, source_id: str) -> HttpResponse:
    source = sources.rename(source_id, request.POST.get("name", ""))
    audit.note(person(request).email, "source.rename", source_id, name=source.name)
    flash(request, "Renamed.")
    return go(f"/sources/{source_id}")


@require_POST
@signed_in
def agent(request: HttpRequest, source_id: str) -> HttpResponse:
    """Set the switches of the browser agent: what is ticked is on."""
    source = sources.get(source_id)
    ticked = set(request.POST.getlist("on"))
    switches.change(source, switches.nested({one.name: one.name in ticked for one in switches.SWITCHES}))
    audit.note(person(request).email, "source.agent", source_id, agent=switches.of(source))
    flash(request, "Saved. Pages that are open learn it with their next load, within a few minutes.")
    return go(f"/sources/{source_id}")


@require_POST
@signed_in
def delete(request: HttpRequest, source_id: str) -> HttpResponse:
    source = sources.get(source_id)
    sources.delete(source_id)
    audit.note(person(request).email, "source.delete", source_id, name=source.name)
    flash(request, f"{source.name} was deleted. Its write key is refused from now on; its events are kept.")
    return go("/sources")


def _switches(source: Source) -> list[tuple[switches.Switch, bool]]:
    return [(one, bool(source.agent.get(one.name, one.default))) for one in switches.SWITCHES]


def _newest(source: Source) -> dict[str, Any]:
    """The rows of the live tail, or ``slow``: the page is of use without them, and they are asked for again."""
    try:
        return {"events": visitors.recent_events(source.id, limit=30, seconds=5)}
    except (CheckTimeout, Unavailable):
        return {"events": [], "slow": True}
