"""/reports: tables of visitors, accounts or responses, looked at for arrivals."""

from dataclasses import asdict
from itertools import chain
from typing import Annotated, Any, Literal

from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, StreamingHttpResponse
from ninja import Query, Router, Status

from arrivals import clock
from arrivals.accounts import audit
from arrivals.api.arrivals import pages
from arrivals.api.arrivals.auth import READ, WRITE, caller
from arrivals.api.arrivals.bodies import Body, Definition, without
from arrivals.audience import keeping, naming, reports, rows, sharing
from arrivals.audience.models import Report
from arrivals.watch import arrivals, checks, roster, watches
from arrivals.watch.roster import Entry

router = Router()
Many = Annotated[int, Query(roster.MOST, ge=1, le=roster.MOST, description="How many; everybody if left out.")]
Sort = Annotated[str, Query("", max_length=310, description="A column of the report; with - before it, descending.")]
Fields = Annotated[Literal["id", "all"], Query("all", description="`id`: only the ids, for a snapshot.")]


class Check(Body):
    """A person's word on a remote report of which most was replaced at once: a new snapshot, or all of them arrive."""

    accept: Literal["snapshot", "arrivals"] | None = None


@router.get("", auth=READ, response=pages.Page)
def list_reports(request: HttpRequest, limit: pages.Limit, cursor: pages.Cursor) -> dict[str, Any]:
    """The reports, newest first: to a key those that are shared, to a person the own ones too, to an admin all."""
    return pages.of(sharing.visible(Report.objects.select_related("owner")), reports.as_dict, limit, cursor)


@router.post("", auth=WRITE, response={201: dict[str, Any]})
def create_report(request: HttpRequest, body: Definition) -> Any:
    """Make a report: `name`, `segment`, `range`, `columns`, `shared`, and `kind`: visitor, account, or response with a `survey`;
    or, of a real Pendo, `name` and `origin` with `connection` and `report`."""
    report = reports.create(body)
    audit.note(caller(request).who, "report.create", report.id, name=report.name)
    return Status(201, reports.as_dict(report))


@router.get("/{report_id}", auth=READ, response=dict[str, Any])
def get_report(request: HttpRequest, report_id: str) -> dict[str, Any]:
    """One report, with `watch`: whether it is checked by itself, when, and what the last check found; and `retention`,
    when it looks further back than events are kept (else null)."""
    report = reports.get(report_id)
    return {**reports.as_dict(report), "watch": watches.as_dict(report_id), "retention": keeping.note(report)}


@router.put("/{report_id}", auth=WRITE, response=dict[str, Any])
def change_report(request: HttpRequest, report_id: str, body: Definition) -> dict[str, Any]:
    """Put another definition in the place of the present one; its kind stays."""
    report = reports.change(report_id, without(body, "id", "owner", "created_at", "updated_at", "watch", "retention"))
    audit.note(caller(request).who, "report.change", report_id, name=report.name)
    return reports.as_dict(report)


@router.delete("/{report_id}", auth=WRITE, response={204: None})
def delete_report(request: HttpRequest, report_id: str) -> Any:
    """Delete a report that no workflow uses."""
    reports.delete(report_id)
    audit.note(caller(request).who, "report.delete", report_id)
    return Status(204, None)


@router.post("/{report_id}/duplicate", auth=WRITE, response={201: dict[str, Any]})
def duplicate_report(request: HttpRequest, report_id: str) -> Any:
    """Make another report like this one: a person's is private until it is shared, a key's is shared."""
    report = reports.duplicate(report_id)
    audit.note(caller(request).who, "report.create", report.id, name=report.name, like=report_id)
    return Status(201, reports.as_dict(report))


@router.get("/{report_id}/rows", auth=READ, response=pages.Page)
def list_report_rows(
    request: HttpRequest, report_id: str, limit: pages.Limit, cursor: pages.Cursor, sort: Sort
) -> dict[str, Any]:
    """The rows of the report now, in the order of `sort`, or of the visitor's or account's id, responses newest first;
    the keys of a row are the report's columns."""
    return asdict(rows.page(reports.get(report_id), limit=limit, cursor=cursor, sort=sort))


@router.get("/{report_id}/rows.csv", auth=READ, openapi_extra={"responses": {200: {"content": {"text/csv": {}}}}})
def download_report_rows(request: HttpRequest, report_id: str, sort: Sort) -> StreamingHttpResponse:
    """All rows as CSV, streamed, in the order of `sort`. A text that a spreadsheet would take for a formula gets an apostrophe in front."""
    pieces = rows.csv(reports.get(report_id), sort)
    # The header and the first rows are made before the answer starts, so that an error still has its status.
    ready = chain([next(pieces, "") + next(pieces, "")], pieces)
    answer = StreamingHttpResponse(
        rows.streamed(ready) if isinstance(request, ASGIRequest) else ready, content_type="text/csv; charset=utf-8"
    )
    answer["Content-Disposition"] = f'attachment; filename="{report_id}.csv"'
    return answer


@router.post("/{report_id}/check", auth=WRITE, response=dict[str, Any])
def check_report(request: HttpRequest, report_id: str, body: Check | None = None) -> dict[str, Any]:
    """Look at the report now: how many are on it, entered and left since the last look, and how long it took. `accept`
    takes a remote report as it is after `report_replaced`: as a `snapshot`, or with `arrivals`."""
    accept = (body and body.accept) or ""
    result = checks.check(report_id, accept=accept)
    if accept:
        audit.note(caller(request).who, "report.accept", report_id, accept=accept)
    return asdict(result)


@router.get("/{report_id}/fields", auth=READ, response=list[dict[str, str]])
def list_report_fields(request: HttpRequest, report_id: str) -> list[dict[str, str]]:
    """The columns as fields of a form: `key` (as in the rows of members), `label`, `type`."""
    return naming.fields(reports.get(report_id))


@router.get("/{report_id}/members", auth=READ, response=pages.Page)
def list_report_members(
    request: HttpRequest,
    report_id: str,
    limit: Many,
    cursor: pages.Cursor,
    fields: Fields,
    returns: Annotated[bool, Query(False, description="Whether one who returns gets another id each time.")],
) -> dict[str, Any]:
    """Everybody on the report, looked at just now, the latest entry first. `id` stays the same for ever. The first
    hundred, and those who entered in the past day, have `visitor`, `account` and `row`. Keeps the report watched."""
    report = roster.look(report_id, snapshot=fields == "id")
    found, following = roster.present(report, limit=limit, cursor=cursor)
    return pages.answer((_told(report, found, fields, when="entered_at", numbered=returns), following))


@router.get("/{report_id}/departures", auth=READ, response=pages.Page)
def list_report_departures(
    request: HttpRequest, report_id: str, limit: Many, cursor: pages.Cursor, fields: Fields
) -> dict[str, Any]:
    """Who left the report, looked at just now, the last departure first; somebody who left twice is there twice. The
    first hundred, and those of the past day, have `visitor`, `account` and `row`."""
    report = roster.look(report_id, snapshot=fields == "id")
    found, following = roster.departed(report, limit=limit, cursor=cursor)
    return pages.answer((_told(report, found, fields, when="left_at", numbered=True), following))


@router.get("/{report_id}/arrivals", auth=READ, response=pages.Page)
def list_report_arrivals(
    request: HttpRequest,
    report_id: str,
    limit: pages.Limit,
    cursor: pages.Cursor,
    kind: Literal["", "in", "out"] = "",
) -> dict[str, Any]:
    """Arrivals ("in") and departures ("out"), newest first; with `kind` only these."""
    return pages.answer(arrivals.page(reports.get(report_id).id, limit=limit, cursor=cursor, kind=kind))


@router.get("/{report_id}/checks", auth=READ, response=dict[str, Any])
def list_report_checks(request: HttpRequest, report_id: str, limit: pages.Limit) -> dict[str, Any]:
    """The last checks, newest first, at most 200: what each found and took, how many visitors it looked at
    (`candidates`; null: everybody, and `reason` says why), and how many changes an earlier one had missed."""
    return {"items": watches.checks(reports.get(report_id).id, limit=limit), "next": None}


def _told(report: Report, found: list[Entry], fields: str, *, when: str, numbered: bool) -> list[dict[str, Any]]:
    ids = [f"{one.member}:{one.entry}" if numbered else one.member for one in found]
    if fields == "id":
        return [{"id": id_} for id_ in ids]
    return [
        {"id": id_, "member": one.member, "entry": one.entry, when: clock.iso(one.at), **(context or {})}
        for id_, one, context in zip(ids, found, roster.described(report, found), strict=True)
    ]
