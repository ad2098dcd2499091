"""Settings > Workspace: time zone and start of the week, and what can be exported. For admins."""

from dataclasses import asdict

from django.http import HttpRequest, HttpResponse

from arrivals import clock
from arrivals.accounts import audit, workspace
from arrivals.errors import Invalid
from arrivals.warehouse import tables
from arrivals.web.pages import admin_only, flash, go, person, render

EXPORTS = (
    ("events", "as they came"),
    ("responses", "answers to surveys, with the reason"),
    ("visitors", "with their metadata"),
    ("accounts", "with their metadata"),
    ("links", "which ids are the same visitor"),
    ("memberships", "who was on which report from when on"),
)


@admin_only
def show(request: HttpRequest) -> HttpResponse:
    """GET shows the form, POST changes."""
    if request.method != "POST":
        return _page(request, workspace.settings())
    typed = workspace.Settings(request.POST.get("time_zone", "").strip(), request.POST.get("week_starts", ""))
    try:
        changed = workspace.change(time_zone=typed.time_zone, week_starts=typed.week_starts)
    except Invalid as error:
        return _page(request, typed, error=error)
    audit.note(person(request).email, "workspace.change", "workspace", **asdict(changed))
    flash(request, "Saved. Reports, segments and checks count days in it from now on.")
    return go("/settings/workspace")


def _page(request: HttpRequest, shown: workspace.Settings, error: Invalid | None = None) -> HttpResponse:
    return render(
        request,
        "workspace_settings",
        status=422 if error else 200,
        shown=shown,
        zones=workspace.time_zones(),
        weeks=list(workspace.WEEK_STARTS),
        # As text: a template would turn a time back into UTC.
        now=f"{clock.now().astimezone(workspace.zone()):%A, %H:%M}",
        exports=EXPORTS,
        formats=list(tables.FORMATS),
        error=error,
    )
