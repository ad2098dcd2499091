"""All segments."""

from django.http import HttpRequest, HttpResponse

from arrivals.audience import phrases, segments
from arrivals.web.pages import render, signed_in


@signed_in
def show(request: HttpRequest) -> HttpResponse:
    names = phrases.Names()
    listed = [{"segment": one, "words": phrases.sentence(one.rules, names)} for one in segments.all_segments()]
    return render(request, "segments_list", segments=listed)
