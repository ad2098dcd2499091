"""Reports: make, change, delete. Blocks."""

from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import ProtectedError

from arrivals import clock
from arrivals.accounts import viewer
from arrivals.audience import columns, origins, remote, segments, shapes, sharing, windows
from arrivals.audience.models import Report, Segment
from arrivals.errors import Conflict, InvalidReport, NotFound

KEYS = ("name", "kind", "survey", "segment", "range", "columns", "shared")
KINDS = ("visitor", "account", "response")
LONGEST_SURVEY = 255
COPY = " (copy)"


def create(definition: Any) -> Report:
    """Make a report of ``definition``: name, kind, segment, range, columns, and the survey of one of responses; or name
    and origin for one of a remote subscription, which is asked about it.

    Raises:
        InvalidReport: with the path of the wrong part and what is allowed. AppError: the subscription cannot be asked.
    """
    given, shared = _apart(definition)
    owned = sharing.fields(shared, None)
    if isinstance(given, dict) and given.get("origin"):
        return Report.objects.create(**origins.checked(given), **owned)
    checked = _checked(given)
    sharing.check_segment(checked, owned["shared"])
    return Report.objects.create(**checked, **owned)


def duplicate(report_id: str) -> Report:
    """Make another report like this one. Raises NotFound; Conflict: it is one of a real Pendo."""
    report = get(report_id)
    if report.origin:
        raise Conflict("A report of a real Pendo is there once; make a copy of it in Pendo.")
    given = {key: value for key, value in as_dict(report).items() if key in KEYS}
    name = f"{report.name[: segments.LONGEST_NAME - len(COPY)]}{COPY}"
    # A copy by somebody who is signed in is for themselves until they share it.
    who = viewer.current()
    return create({**given, "name": name, "shared": not (who and who.person)})


def get(report_id: str) -> Report:
    """Raises NotFound, also when it is private to somebody else than the viewer."""
    found = sharing.visible(Report.objects.select_related("segment", "owner")).filter(pk=report_id).first()
    if found is None:
        raise NotFound(f"There is no report {report_id!r}.")
    return found


def all_reports() -> list[Report]:
    """All reports that the viewer may see, the newest first."""
    return list(sharing.visible(Report.objects.select_related("segment", "owner")).order_by("-id"))


def change(report_id: str, definition: Any) -> Report:
    """Put another definition in the place of the present one; the kind stays. Raises as ``create``; nothing is
    changed then."""
    report = get(report_id)
    given, shared = _apart(definition)
    checked = origins.changed(report, given) if report.origin else _checked(given, report.kind)
    owned = sharing.fields(shared, report)
    if not report.origin:
        sharing.check_segment(checked, owned.get("shared", report.shared))
    if checked.get("kind", report.kind) != report.kind:
        raise InvalidReport(f"The kind of a report stays {report.kind}; make another report.", path="kind")
    for part in ("survey", "segment_id") if report.standing else ():
        if checked[part] != getattr(report, part):
            sentence = "Workflows start from this report for this survey and segment; only its name, range and columns may change."
            raise InvalidReport(sentence, path=part.removesuffix("_id"))
    for name, value in {**checked, **owned}.items():
        setattr(report, name, value)
    report.updated_at = clock.now()
    report.save()
    return report


def responses_to(survey: str, segment_id: str | None = None) -> Report:
    """The one report that all workflows on the responses to a survey (by the visitors of a segment) share.

    Made when it is not there yet; two who ask at the same time get the same.
    """
    standing = f"{segment_id or ''}:{survey}"
    found = Report.objects.filter(standing=standing).first()
    if found is not None:
        return found
    segment = f" by {segments.get(segment_id).name}" if segment_id else ""
    name = f"Responses to {survey}{segment}"[: segments.LONGEST_NAME]
    definition = {"name": name, "kind": "response", "survey": survey, "segment": segment_id}
    try:
        with transaction.atomic():
            return Report.objects.create(**_checked(definition), standing=standing)
    except IntegrityError:
        return Report.objects.get(standing=standing)


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
    """id, name, kind, survey (of responses only), segment, range, columns, origin (null for our own), shared, owner
    (an e-mail address or null), created_at, updated_at."""
    return {
        "id": report.id,
        "name": report.name,
        "kind": report.kind,
        **({"survey": report.survey} if report.kind == "response" else {}),
        "segment": report.segment_id,
        "range": report.range,
        "columns": report.columns,
        "origin": report.origin or None,
        **sharing.as_dict(report),
        "created_at": clock.iso(report.created_at),
        "updated_at": clock.iso(report.updated_at),
    }


def labels(report: Report) -> list[str]:
    """The keys of a row, in the order of the columns: ``as`` where given, else the column's name.

    Those of a remote report are known when it was fetched once.
    """
    if report.origin:
        return remote.labels(report.id)
    return [column.label for column in columns.parse(report.columns, report.kind)]


def _apart(definition: Any) -> tuple[Any, Any]:
    """A definition without ``shared``, and that."""
    if not isinstance(definition, dict):
        return definition, None
    return {key: value for key, value in definition.items() if key != "shared"}, definition.get("shared")


def _checked(data: Any, default: str = "visitor") -> dict[str, Any]:
    if isinstance(data, dict) and not data.get("origin"):
        data = {key: value for key, value in data.items() if key != "origin"}
    shapes.known(data, KEYS, InvalidReport, whole="report")
    name = segments.checked_name(data.get("name"), InvalidReport)
    kind = data.get("kind", default)
    if kind not in KINDS:
        raise InvalidReport(f"It must be one of {', '.join(KINDS)}.", path="kind")
    survey = data.get("survey", "")
    if kind != "response" and survey:
        raise InvalidReport("Only a report of kind response has a survey.", path="survey")
    if kind == "response" and not (isinstance(survey, str) and 0 < len(survey) <= LONGEST_SURVEY):
        raise InvalidReport(
            f"A report of responses needs its survey, a text of 1 to {LONGEST_SURVEY} characters.", path="survey"
        )
    segment = data.get("segment")
    if segment is not None and not (
        isinstance(segment, str) and sharing.visible(Segment.objects.filter(pk=segment)).exists()
    ):
        raise InvalidReport(f"There is no segment {segment!r:.60}.", path="segment")
    range_ = data.get("range", {"within": "30d"})
    windows.parse(range_, "range", InvalidReport)
    chosen = data.get("columns", columns.DEFAULT[kind])
    columns.parse(chosen, kind)
    return {
        "name": name,
        "kind": kind,
        "survey": survey or "",
        "segment_id": segment,
        "range": range_,
        "columns": chosen,
    }
