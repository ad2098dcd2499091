"""The editor of charts: new, edit, its fields, the live preview, delete."""

import json
from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_POST

from arrivals.accounts import audit
from arrivals.audience import rules, segments
from arrivals.audience.charts import results, saved
from arrivals.audience.models import Chart
from arrivals.errors import CheckTimeout, Invalid, NotFound, Unavailable
from arrivals.web import charts_draw, charts_form, suggestions
from arrivals.web.pages import flash, go, person, render, signed_in


@signed_in
def new(request: HttpRequest) -> HttpResponse:
    if request.method == "POST":
        return _store(request, None)
    kind = request.GET.get("kind", "trend")
    if kind not in charts_form.KINDS:
        raise NotFound(f"There is no chart of the kind {kind!r:.40}.")
    return _form(request, None, "", charts_form.first(kind))


@signed_in
def edit(request: HttpRequest, chart_id: str) -> HttpResponse:
    chart = saved.get(chart_id)
    if request.method == "POST":
        return _store(request, chart)
    return _form(request, chart, chart.name, charts_form.fields(chart.definition))


@require_POST
@signed_in
def fields(request: HttpRequest) -> HttpResponse:
    """The fields anew, after a button of theirs was pressed."""
    return render(request, "part_chart_fields", **_context(_held(request)))


@require_POST
@signed_in
def preview(request: HttpRequest) -> HttpResponse:
    """The chart as it would be, or what is wrong with which part."""
    try:
        definition = charts_form.definition(charts_form.read(_posted(request)))
        answer = results.of(definition)
    except (Invalid, CheckTimeout, Unavailable) as error:
        return render(request, "part_chart", error=error)
    drawn = charts_draw.of("Preview", answer, lambda cell: "")
    text = json.dumps(definition, indent=2, ensure_ascii=False)
    return render(request, "part_chart", answer=answer, drawn=drawn, title="Preview", definition_text=text)


@require_POST
@signed_in
def delete(request: HttpRequest, chart_id: str) -> HttpResponse:
    chart = saved.get(chart_id)
    saved.delete(chart_id)
    audit.note(person(request).email, "chart.delete", chart_id, name=chart.name)
    flash(request, f"{chart.name} was deleted.")
    return go("/charts")


def _store(request: HttpRequest, chart: Chart | None) -> HttpResponse:
    name, held = request.POST.get("name", ""), _held(request)
    if request.POST.get("do"):  # a button of the fields, without scripts
        return _form(request, chart, name, held)
    data = {"name": name, "definition": charts_form.definition(held)}
    try:
        chart = saved.create(data) if chart is None else saved.change(chart.id, data)
    except Invalid as error:
        return _form(request, chart, name, held, error=error)
    audit.note(person(request).email, "chart.save", chart.id, name=chart.name)
    flash(request, "Saved.")
    return go(f"/charts/{chart.id}")


def _posted(request: HttpRequest) -> Mapping[str, str]:
    return {name: str(request.POST[name]) for name in request.POST}


def _held(request: HttpRequest) -> dict[str, Any]:
    return charts_form.changed(charts_form.read(_posted(request)), request.POST.get("do", ""))


def _context(held: dict[str, Any]) -> dict[str, Any]:
    used = {one["kind"] for one in held["events"] if one["kind"] in rules.EVENT_KINDS} | (
        {"survey"} if held["kind"] == "nps" else set()
    )
    known = {kind: suggestions.names(rules.EVENT_KINDS[kind][0]) for kind in sorted(used - {"event"})}
    return {
        **charts_form.context(held),
        "segments": segments.all_segments(),
        "known": known,
        "known_fields": suggestions.fields(),
    }


def _form(
    request: HttpRequest, chart: Chart | None, name: str, held: dict[str, Any], *, error: Invalid | None = None
) -> HttpResponse:
    title, question, _ = charts_form.KINDS[held["kind"]]
    return render(
        request,
        "charts_edit",
        status=422 if error else 200,
        chart=chart,
        name=name,
        title=title,
        question=question,
        all_kinds=charts_form.KINDS,
        error=error,
        **_context(held),
    )
