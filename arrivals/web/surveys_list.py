"""All surveys, with what they found in the past 90 days."""

from typing import Any

from django.http import HttpRequest, HttpResponse

from arrivals.audience import survey_results, surveys
from arrivals.audience.models import Survey
from arrivals.audience.survey_results import Asked
from arrivals.errors import ArrivalsError, CheckTimeout, Unavailable
from arrivals.web.pages import render, signed_in

MOST = 20  # of more, the numbers are on their own pages only


@signed_in
def show(request: HttpRequest) -> HttpResponse:
    found = surveys.all_surveys()
    listed: list[dict[str, Any]] = [{"survey": one, "results": None} for one in found]
    for one in listed[:MOST]:
        try:
            one["results"] = _results(one["survey"])
        except (CheckTimeout, Unavailable):
            break  # the list is of use without the numbers
    return render(request, "surveys_list", surveys=listed)


def _results(survey: Survey) -> dict[str, Any] | None:
    if survey.state == "draft":
        return None
    try:
        return survey_results.summary(Asked(survey))
    except (CheckTimeout, Unavailable):
        raise
    except ArrivalsError:
        return None
