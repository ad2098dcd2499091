"""A dashboard's form: which charts, in which order and size."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_POST

from arrivals.accounts import audit
from arrivals.audience import dashboards, segments
from arrivals.audience.charts import saved
from arrivals.audience.models import Dashboard
from arrivals.errors import Invalid
from arrivals.web import charts_range
from arrivals.web.pages import flash, go, person, render, signed_in


@signed_in
def new(request: HttpRequest) -> HttpResponse:
    if request.method == "POST":
        return _store(request, None)
    tiles = [{"chart": request.GET["chart"], "size": "medium"}] if request.GET.get("chart") else []
    return _form(request, None, {"name": "", "tiles": tiles, "range": None, "segment": None})


@signed_in
def edit(request: HttpRequest, dashboard_id: str) -> HttpResponse:
    dashboard = dashboards.get(dashboard_id)
    if request.method == "POST":
        return _store(request, dashboard)
    return _form(request, dashboard, dashboards.as_dict(dashboard))


@require_POST
@signed_in
def delete(request: HttpRequest, dashboard_id: str) -> HttpResponse:
    dashboard = dashboards.get(dashboard_id)
    dashboards.delete(dashboard_id)
    audit.note(person(request).email, "dashboard.delete", dashboard_id, name=dashboard.name)
    flash(request, f"{dashboard.name} was deleted; its charts are still there.")
    return go("/dashboards")


def _store(request: HttpRequest, dashboard: Dashboard | None) -> HttpResponse:
    form = request.POST.dict()
    data: dict[str, Any] = {
        "name": form.get("name", ""),
        "tiles": _tiles(form),
        "range": charts_range.read({name: str(value) for name, value in form.items()}),
        "segment": form.get("segment") or None,
    }
    do = str(form.get("do", ""))
    if do:
        data["tiles"] = _changed(data["tiles"], do)
        return _form(request, dashboard, data)
    try:
        dashboard = dashboards.create(data) if dashboard is None else dashboards.change(dashboard.id, data)
    except Invalid as error:
        return _form(request, dashboard, data, error=error)
    audit.note(person(request).email, "dashboard.save", dashboard.id, name=dashboard.name)
    flash(request, "Saved.")
    return go(f"/dashboards/{dashboard.id}")


def _tiles(form: dict[str, Any]) -> list[dict[str, str]]:
    tiles = []
    for number in range(dashboards.MOST):
        if f"t-{number}-chart" not in form:
            break
        if form[f"t-{number}-chart"]:
            tiles.append({"chart": form[f"t-{number}-chart"], "size": form.get(f"t-{number}-size", "medium")})
    return tiles


def _changed(tiles: list[dict[str, str]], do: str) -> list[dict[str, str]]:
    word, _, number = do.partition("-")
    place = int(number) if number.isdigit() else -1
    if word == "add":
        tiles.append({"chart": "", "size": "medium"})
    elif word == "remove" and 0 <= place < len(tiles):
        del tiles[place]
    elif word == "up" and 0 < place < len(tiles):
        tiles[place - 1 : place + 1] = [tiles[place], tiles[place - 1]]
    return tiles


def _form(
    request: HttpRequest, dashboard: Dashboard | None, data: dict[str, Any], *, error: Invalid | None = None
) -> HttpResponse:
    return render(
        request,
        "dashboards_edit",
        status=422 if error else 200,
        dashboard=dashboard,
        data=data,
        tiles=[{**one, "number": number} for number, one in enumerate(data["tiles"])],
        charts=saved.all_charts(),
        sizes=dashboards.SIZES,
        segments=segments.all_segments(),
        range=charts_range.shown(data["range"], own="Each chart's own time"),
        error=error,
    )
