"""The imports into a source: a file uploaded, and how far each is."""

from typing import Any

from django.http import HttpRequest, HttpResponse

from arrivals.accounts import audit
from arrivals.collect import imports, sources, uploads
from arrivals.collect.formats import READERS
from arrivals.collect.models import Import, Source
from arrivals.errors import Invalid
from arrivals.web.pages import flash, go, person, render, signed_in

SHOWN = 10
PRODUCTS = {
    "segment": "Segment",
    "mixpanel": "Mixpanel",
    "amplitude": "Amplitude",
    "posthog": "PostHog",
    "ga4": "Google Analytics 4",
    "arrivals": "Arrivals",
}
assert set(PRODUCTS) == set(READERS)


@signed_in
def show(request: HttpRequest, source_id: str) -> HttpResponse:
    """GET: the list, for a page that looks again; POST: take an uploaded file."""
    source = sources.get(source_id)
    if request.method != "POST":
        return render(request, "part_imports", **context(source))
    file = request.FILES.get("file")
    if file is None or isinstance(file, list):
        raise Invalid("Choose a file to import.", path="file")
    given = uploads.mapping_of(
        request.POST.get("from", ""), request.POST.get("group", "").strip(), request.POST.get("time_zone", "").strip()
    )
    begun = uploads.take(source.id, file.name or "file", given, iter(file.chunks(uploads.PIECE)))
    audit.note(person(request).email, "import.begin", begun.id, filename=begun.filename)
    done = begun.state == Import.State.DONE
    flash(
        request,
        f"{begun.filename} was imported before: nothing changed." if done else f"{begun.filename} is being imported.",
    )
    return go(f"/sources/{source.id}")


def context(source: Source) -> dict[str, Any]:
    """What the list shows: the newest imports, and whether one is under way."""
    found = [{**imports.as_dict(one), "percent": _percent(one)} for one in imports.of_source(source.id)[:SHOWN]]
    running = any(one["state"] == "running" and one["uploaded"] for one in found)
    return {"source": source, "imports": found, "running": running, "products": PRODUCTS}


def _percent(found: Import) -> int | None:
    return min(100, found.read * 100 // found.size) if found.size else None
