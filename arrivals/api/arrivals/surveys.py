"""/surveys: questions that the agent shows, and what was answered."""

from itertools import chain
from typing import Annotated, Any

from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, StreamingHttpResponse
from ninja import Query, Router, Status

from arrivals.accounts import audit
from arrivals.api.arrivals import bodies, pages
from arrivals.api.arrivals.auth import READ, WRITE, caller
from arrivals.api.arrivals.bodies import Definition
from arrivals.audience import rows, segments, survey_pages, survey_results, surveys, usage
from arrivals.audience.models import Survey
from arrivals.audience.survey_results import Asked
from arrivals.workflows import survey_users

router = Router()
READ_ONLY = ("id", "live_since", "created_at", "updated_at")
Segment = Annotated[str, Query("", max_length=40, description="Only the visitors of this segment.")]
Within = Annotated[str, Query("", max_length=40, description="A span up to now, such as 30d, or ever (default: 90d).")]
Since = Annotated[str, Query("", max_length=40, description="A first date, instead of within.")]
Until = Annotated[str, Query("", max_length=40, description="A last date, instead of within.")]
Class = Annotated[str, Query("", alias="class", max_length=40, description="Only this class, such as detractor.")]
Commented = Annotated[bool, Query(False, description="Only responses with something in words.")]
Language = Annotated[str, Query("en", max_length=40, description="The language of whoever reads it.")]
Anyway = Annotated[bool, Query(False, description="Delete it although something uses its key.")]


@router.get("", auth=READ, response=pages.Page)
def list_surveys(request: HttpRequest, limit: pages.Limit, cursor: pages.Cursor) -> dict[str, Any]:
    """The surveys, newest first."""
    return pages.of(Survey.objects.all(), surveys.as_dict, limit, cursor)


@router.post("", auth=WRITE, response={201: dict[str, Any]})
def create_survey(request: HttpRequest, body: Definition) -> Any:
    """Make a survey; docs/surveys.md says what belongs in it."""
    survey = surveys.create(bodies.without(body, *READ_ONLY))
    audit.note(caller(request).who, "survey.create", survey.id, key=survey.key, state=survey.state)
    return Status(201, surveys.as_dict(survey))


@router.post("/preview", auth=READ, response=dict[str, Any])
def preview_survey(request: HttpRequest, body: Definition, language: Language) -> dict[str, Any]:
    """What the agent would be told of a survey, in a language. Stores nothing, so a read-only key may ask."""
    parts = surveys.checked(bodies.without(body, *READ_ONLY))
    there = survey_pages.of([Survey(definition=parts)])
    return surveys.for_agent("", parts, [language], survey_pages.told(parts["pages"], there) or [])


@router.get("/{survey_id}", auth=READ, response=dict[str, Any])
def get_survey(request: HttpRequest, survey_id: str) -> dict[str, Any]:
    """One survey."""
    return surveys.as_dict(surveys.get(survey_id))


@router.put("/{survey_id}", auth=WRITE, response=dict[str, Any])
def change_survey(request: HttpRequest, survey_id: str, body: Definition) -> dict[str, Any]:
    """Change parts of a survey; what is left out stays. ``{"state": "live"}`` starts it, "paused" stops it."""
    survey = surveys.change(survey_id, bodies.without(body, *READ_ONLY))
    audit.note(caller(request).who, "survey.change", survey_id, key=survey.key, state=survey.state)
    return surveys.as_dict(survey)


@router.delete("/{survey_id}", auth=WRITE, response={204: None})
def delete_survey(request: HttpRequest, survey_id: str, anyway: Anyway) -> Any:
    """Delete a survey; its answers stay. Refused while something names its key, unless ``anyway`` is true."""
    survey = surveys.get(survey_id)
    if not anyway:
        surveys.refuse_used(
            [
                repr(one["name"]) if one["id"] else f"a private {kind[:-1]}"
                for kind, found in _users(survey).items()
                for one in found
            ]
        )
    surveys.delete(survey_id)
    audit.note(caller(request).who, "survey.delete", survey_id, key=survey.key)
    return Status(204, None)


@router.get("/{survey_id}/usage", auth=READ, response=dict[str, Any])
def survey_usage(request: HttpRequest, survey_id: str) -> dict[str, Any]:
    """The segments, reports and workflows that name the survey's key, as id and name; of what is private to somebody else the id is null
    and the name "private"."""
    return _users(surveys.get(survey_id))


@router.get("/{survey_id}/results", auth=READ, response=dict[str, Any])
def survey_answers(
    request: HttpRequest, survey_id: str, segment: Segment, within: Within, since: Since, until: Until
) -> dict[str, Any]:
    """Score, classes, distribution, response rate, and the score over time."""
    return survey_results.summary(_asked(survey_id, segment, within, since, until))


@router.get("/{survey_id}/responses", auth=READ, response=pages.Page)
def survey_responses(
    request: HttpRequest,
    survey_id: str,
    limit: pages.Limit,
    cursor: pages.Cursor,
    segment: Segment,
    within: Within,
    since: Since,
    until: Until,
    class_: Class,
    commented: Commented,
) -> dict[str, Any]:
    """The responses behind the results, newest first."""
    asked = _asked(survey_id, segment, within, since, until, class_)
    return pages.answer(survey_results.page(asked, limit=limit, cursor=cursor, commented=commented))


@router.get("/{survey_id}/responses.csv", auth=READ, openapi_extra={"responses": {200: {"content": {"text/csv": {}}}}})
def download_survey_responses(
    request: HttpRequest, survey_id: str, segment: Segment, within: Within, since: Since, until: Until, class_: Class
) -> StreamingHttpResponse:
    """All of them as CSV, streamed, guarded as a report's."""
    pieces = survey_results.csv(_asked(survey_id, segment, within, since, until, class_))
    # The header and the first rows are made before the answer starts, so that an error still has its status.
    ready = chain([next(pieces, "") + next(pieces, "")], pieces)
    body = rows.streamed(ready) if isinstance(request, ASGIRequest) else ready
    answer = StreamingHttpResponse(body, content_type="text/csv; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="{survey_id}.csv"'
    return answer


def _users(survey: Survey) -> dict[str, list[dict[str, Any]]]:
    used, hidden = surveys.usage(survey), {"id": None, "name": usage.PRIVATE}
    named: dict[str, Any] = {"segments": used.segments, "reports": used.reports}
    told = {
        kind: [{"id": one.id, "name": one.name} if one.id in used.seen else hidden for one in found]
        for kind, found in named.items()
    }
    return {**told, "workflows": [{"id": one.id, "name": one.name} for one in survey_users.of(survey)]}


def _asked(survey_id: str, segment: str, within: str, since: str, until: str, class_: str = "") -> Asked:
    return Asked(
        surveys.get(survey_id),
        segments.get(segment) if segment else None,
        survey_results.span(within, since, until),
        class_,
    )
