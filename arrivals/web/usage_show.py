"""Settings > Usage: a month's tasks."""

from datetime import date, timedelta

from django.http import HttpRequest, HttpResponse

from arrivals.engine import tasks
from arrivals.web.pages import render, signed_in
from arrivals.workflows import actions

# Steps that make tasks of no app, as they are counted and as a person calls them.
STEPS = {"http": "HTTP requests"}


@signed_in
def show(request: HttpRequest) -> HttpResponse:
    first, end = tasks.month(tasks.parse(request.GET.get("month", "")))
    told = tasks.usage(first)
    percent = min(100, told["tasks"] * 100 // told["limit"]) if told["limit"] else 0
    names = {app["id"]: app["name"] for app in actions.catalogue().apps()}
    most = max((day["tasks"] for day in told["days"]), default=0)
    return render(
        request,
        "usage_show",
        usage=told,
        first=first,
        percent=percent,
        present=first == tasks.month()[0],
        before=f"{first - timedelta(days=1):%Y-%m}",
        after=f"{end:%Y-%m}",
        begins_again=end,
        days=[
            {**day, "day": date.fromisoformat(day["day"]), "part": day["tasks"] * 100 // most} for day in told["days"]
        ],
        apps=[{**app, "name": names.get(app["app"], STEPS.get(app["app"], app["app"]))} for app in told["apps"]],
    )
