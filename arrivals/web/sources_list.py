"""All sources, and making one."""

from django.http import HttpRequest, HttpResponse

from arrivals.accounts import audit
from arrivals.collect import sources
from arrivals.errors import Invalid
from arrivals.web import sources_show
from arrivals.web.pages import person, render, signed_in


@signed_in
def show(request: HttpRequest) -> HttpResponse:
    """GET lists; POST makes one and shows it with its track secret, this once."""
    if request.method != "POST":
        return render(request, "sources_list", sources=sources.all_sources())
    try:
        source, secret = sources.create(request.POST.get("name", ""))
    except Invalid as error:
        return render(request, "sources_list", status=422, sources=sources.all_sources(), error=error)
    audit.note(person(request).email, "source.create", source.id, name=source.name)
    return sources_show.page(request, source, secret=secret)
