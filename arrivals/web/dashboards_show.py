"""One dashboard: each of its charts comes in a request of its own, so that a slow one does not hold the page."""

from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse

from arrivals.audience import dashboards, segments, windows
from arrivals.audience.models import Chart
from arrivals.web import charts_range
from arrivals.web.pages import render, signed_in


@signed_in
def show(request: HttpRequest, dashboard_id: str) -> HttpResponse:
    dashboard = dashboards.get(dashboard_id)
    asked = charts_range.read(request.GET.dict())
    segment = request.GET.get("segment", dashboard.segment_id or "")
    shown = charts_range.shown(asked or dashboard.range, own="Each chart's own time")
    over = {"range": shown["chosen"], "start": shown["start"], "end": shown["end"], "segment": segment}
    if "range" in request.GET and not asked:
        over["range"] = shown["chosen"] = ""
    known = {one.id: one for one in Chart.objects.filter(pk__in=[tile["chart"] for tile in dashboard.tiles])}
    return render(
        request,
        "dashboards_show",
        dashboard=dashboard,
        tiles=[{"chart": known[one["chart"]], "size": one["size"]} for one in dashboard.tiles if one["chart"] in known],
        range=shown,
        segments=segments.all_segments(),
        segment=segment,
        query=urlencode({name: value for name, value in over.items() if value}),
        words=windows.words(dashboard.range) if dashboard.range else "",
    )
