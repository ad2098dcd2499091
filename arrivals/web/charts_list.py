"""All charts."""

from django.http import HttpRequest, HttpResponse

from arrivals.audience.charts import saved
from arrivals.web import charts_form
from arrivals.web.pages import render, signed_in


@signed_in
def show(request: HttpRequest) -> HttpResponse:
    kinds = {kind: title for kind, (title, _, _) in charts_form.KINDS.items()}
    return render(request, "charts_list", charts=saved.all_charts(), kinds=kinds, all_kinds=charts_form.KINDS)
