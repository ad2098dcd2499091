"""Makes the link that opens a person's own site with the picker."""

from urllib.parse import urldefrag, urlsplit

from django.http import HttpRequest, HttpResponse

from arrivals.accounts import audit
from arrivals.audience import picking, tag_suggestions
from arrivals.collect import sources
from arrivals.errors import CheckTimeout, Invalid, Unavailable
from arrivals.web.pages import person, render, signed_in


@signed_in
def show(request: HttpRequest, kind: str) -> HttpResponse:
    known = sources.all_sources()
    if request.method != "POST":
        chosen = known[0].id if known else ""
        return render(request, "tags_point", kind=kind, sources=known, chosen=chosen, address=_site(chosen))
    source = sources.get(request.POST.get("source", ""))
    address = request.POST.get("address", "").strip()
    try:
        opened = urldefrag(_checked(address)).url
    except Invalid as error:
        return render(
            request, "tags_point", status=422, kind=kind, sources=known, chosen=source.id, address=address, error=error
        )
    link = f"{opened}#{picking.MARK}={picking.token(person(request), source)}"
    audit.note(person(request).email, "picker.link", source.id, site=urlsplit(address).netloc)
    return render(
        request, "tags_point", kind=kind, sources=known, chosen=source.id, address=address, link=link, source=source
    )


def _checked(address: str) -> str:
    parts = urlsplit(address) if address.isprintable() else None
    if parts is None or parts.scheme not in ("http", "https") or not parts.netloc or " " in address:
        raise Invalid("It must be the address of a page of your site, such as https://shop.example/.", path="address")
    return address


def _site(source_id: str) -> str:
    """Where most page views were; nothing where the event store does not say it in time."""
    try:
        return tag_suggestions.site(source_id) if source_id else ""
    except (CheckTimeout, Unavailable):
        return ""
