"""Reports: make, change, delete. Blocks."""

from typing import Any

from django.db.models import ProtectedError

from arrivals import clock
from arrivals.audience import columns, origins, remote, segments, windows
from arrivals.audience.models import Report, Segment
from arrivals.errors import Conflict, Invalid, InvalidReport, NotFound

KEYS = ("name", "kind", "segment", "range", "columns")


def create(definition: Any) -> Report:
    """Make a report of ``definition``: name, kind, segment, range, columns (design of a report as data), or name and
    origin for one of a remote subscription, which is asked about it.

    Raises:
        InvalidReport: with the path of the wrong part and what is allowed. AppError: the subscription cannot be asked.
    """
    if isinstance(definition, dict) and definition.get("origin"):
        return Report.objects.create(**origins.checked(definition))
    return Report.objects.create(**_checked(definition))


def get(report_id: str) -> Report:
    """Raises NotFound."""
    found = Report.objects.select_related("segment").filter(pk=report_id).first()
    if found is None:
        raise NotFound(f"There is no report {report_id!r}.")
    return found


def all_reports() -> list[Report]:
    """All reports, the newest first."""
    return list(Report.objects.select_related("segment").order_by("-id"))


def change(report_id: str, definition: Any) -> Report:
    """Put another definition in the place of the present one. Raises as ``create``; nothing is changed then."""
    report = get(report_id)
    for name, value in (origins.changed(report, definition) if report.origin else _checked(definition)).items():
        setattr(report, name, value)
    report.updated_at = clock.now()
    report.save()
    return report


def delete(report_id: str) -> None:
    """Raises Conflict when a workflow uses it, naming which."""
    report = get(report_id)
    try:
        report.delete()
    except ProtectedError as error:
        names = ", ".join(sorted({repr(getattr(one, "name", str(one))) for one in error.protected_objects}))
        raise Conflict(f"It is used by {names}; delete or change that first.") from error
    if report.origin:
        remote.forget(report_id)


def as_dict(report: Report) -> dict[str, Any]:
    """id, name, kind, segment, range, columns, origin (null for our own), created_at, updated_at."""
    return {
        "id": report.id,
        "name": report.name,
        "kind": report.kind,
        "segment": report.segment_id,
        "range": report.range,
        "columns": report.columns,
        "origin": report.origin or None,
        "created_at": clock.iso(report.created_at),
        "updated_at": clock.iso(report.updated_at),
    }


def labels(report: Report) -> list[str]:
    """The keys of a row, in the order of the columns: ``as`` where given, else the column's name.

    Those of a remote report are known when it was fetched once.
    """
    if report.origin:
        return remote.labels(report.id)
    return [column.label for column in columns.parse(report.columns)]


def _checked(data: Any) -> dict[str, Any]:
    if not isinstance(data, dict):
        raise InvalidReport(f"It must be an object with {', '.join(KEYS)}.", path="report")
    for key in data:
        if key not in KEYS and not (key == "origin" and not data[key]):
            raise InvalidReport(f"{key!r:.60} is not known here; allowed are {', '.join(KEYS)}.", path=f"{key:.60}")
    try:
        name = segments.checked_name(data.get("name"))
    except Invalid as error:
        raise InvalidReport(error.message, path=error.path) from error
    kind = data.get("kind", "visitor")
    if kind != "visitor":
        raise InvalidReport("Reports of accounts are not available yet; allowed is visitor.", path="kind")
    segment = data.get("segment")
    if segment is not None and not (isinstance(segment, str) and Segment.objects.filter(pk=segment).exists()):
        raise InvalidReport(f"There is no segment {segment!r:.60}.", path="segment")
    range_ = data.get("range", {"within": "30d"})
    windows.parse(range_, "range", InvalidReport)
    chosen = data.get("columns", columns.DEFAULT)
    columns.parse(chosen)
    return {"name": name, "kind": kind, "segment_id": segment, "range": range_, "columns": chosen}
