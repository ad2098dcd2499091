"""All segments."""

from django.http import HttpRequest, HttpResponse

from arrivals.audience import segments
from arrivals.web.pages import render, signed_in


@signed_in
def show(request: HttpRequest) -> HttpResponse:
    return render(request, "segments_list", segments=segments.all_segments())
