"""All reports."""

from django.http import HttpRequest, HttpResponse

from arrivals.audience import reports
from arrivals.watch.models import Watch
from arrivals.web.pages import render, signed_in


@signed_in
def show(request: HttpRequest) -> HttpResponse:
    watched = {one.report_id: one for one in Watch.objects.all()}
    return render(request, "reports_list", reports=reports.all_reports(), watched=watched)
