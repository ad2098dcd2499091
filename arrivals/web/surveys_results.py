"""What a survey found: numbers, score over time, classes, distribution, the responses and their words."""

from itertools import chain
from typing import Any
from urllib.parse import urlencode

from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.urls import Resolver404, resolve

from arrivals.audience import rows, segments, survey_classes, survey_results, surveys
from arrivals.audience.survey_results import Asked
from arrivals.errors import CheckTimeout, Invalid, Unavailable
from arrivals.web import survey_charts
from arrivals.web.pages import render, signed_in

PER_PAGE = 50
SPANS = [("7d", "7 days"), ("30d", "30 days"), ("90d", "90 days"), ("365d", "a year"), ("ever", "all time")]
FILTERS = ("segment", "within", "since", "until", "class", "commented")


@signed_in
def show(request: HttpRequest, survey_id: str) -> HttpResponse:
    survey = surveys.get(survey_id)
    given = {name: request.GET.get(name, "").strip() for name in FILTERS}
    if not (given["since"] or given["until"]):
        given["within"] = given["within"] or "90d"
    elif given["within"]:
        given["within"] = ""  # dates that are written win over the list beside them
    cursor, error = request.GET.get("cursor", ""), None
    results: dict[str, Any] | None = None
    listed: list[dict[str, Any]] = []
    following: str | None = None
    try:
        asked = _asked(survey_id, given)
        results = survey_results.summary(asked)
        listed, following = survey_results.page(
            asked, limit=PER_PAGE, cursor=cursor, commented=bool(given["commented"])
        )
    except (Invalid, CheckTimeout, Unavailable) as problem:
        error = problem
    kept = {name: value for name, value in given.items() if value}
    return render(
        request,
        "surveys_results",
        status=error.status if isinstance(error, Invalid) else 200,
        survey=survey,
        given=given,
        query=urlencode(kept),
        report=urlencode(
            {"kind": "response", "survey": survey.key, **({"segment": given["segment"]} if given["segment"] else {})}
        ),
        results=results,
        chart=survey_charts.over_time(survey.kind, results) if results else None,
        classes=survey_charts.classes(survey.kind, results) if results else [],
        distribution=survey_charts.distribution(survey.kind, results) if results else [],
        listed=listed,
        following=following,
        cursor=cursor,
        visitors=_has_page("/visitors/x"),
        spans=SPANS,
        segments=segments.all_segments(),
        choices=survey_classes.CLASSES[survey.kind],
        error=error,
    )


@signed_in
def csv(request: HttpRequest, survey_id: str) -> HttpResponseBase:
    survey = surveys.get(survey_id)
    given = {name: request.GET.get(name, "").strip() for name in FILTERS}
    pieces = survey_results.csv(_asked(survey_id, given))
    # The first rows are made before the answer starts, so that an error is still a page.
    ready = chain([next(pieces, "") + next(pieces, "")], pieces)
    body = rows.streamed(ready) if isinstance(request, ASGIRequest) else ready
    headers = {"Content-Disposition": f'attachment; filename="{survey.key}.csv"'}
    return StreamingHttpResponse(body, content_type="text/csv; charset=utf-8", headers=headers)


def _asked(survey_id: str, given: dict[str, str]) -> Asked:
    """Raises ArrivalsError."""
    segment = segments.get(given["segment"]) if given["segment"] else None
    range_ = survey_results.span(given["within"], given["since"], given["until"])
    return Asked(surveys.get(survey_id), segment, range_, given["class"])


def _has_page(path: str) -> bool:
    try:
        resolve(path)
    except Resolver404:
        return False
    return True
