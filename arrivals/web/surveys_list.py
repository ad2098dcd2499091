"""All surveys, with what they found in the past 90 days."""

from django.http import HttpRequest, HttpResponse

from arrivals.audience import survey_results, surveys
from arrivals.errors import CheckTimeout, Unavailable
from arrivals.web.pages import render, signed_in


@signed_in
def show(request: HttpRequest) -> HttpResponse:
    found = surveys.all_surveys()
    try:
        numbers = survey_results.overview(found)
    except (CheckTimeout, Unavailable):
        numbers = {}  # the list is of use without them
    listed = []
    for survey in found:
        responses, score = numbers.get(survey.key, (None, None))
        listed.append({"survey": survey, "responses": responses, "score": score})
    return render(request, "surveys_list", surveys=listed)
