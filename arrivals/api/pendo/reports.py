"""/report: the reports and their rows."""

import copy
import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from arrivals import clock
from arrivals.api.pendo import answers
from arrivals.api.pendo.auth import Request, keyed
from arrivals.api.pendo.objects import SYSTEM
from arrivals.api.pendo.report_shape import Column, shape
from arrivals.api.pendo.report_shape import columns as columns_of
from arrivals.audience import reports, rows
from arrivals.audience.models import Report
from arrivals.errors import NotFound
from arrivals.watch.models import Watch

KINDS = ("visitor", "account")


@keyed(whole=True)
def all_reports(request: Request) -> Any:
    """The reports of visitors and accounts that are made here."""
    found = [one for one in reports.all_reports() if one.kind in KINDS and one.shared and not one.origin]
    looked = dict(Watch.objects.filter(report__in=found).values_list("report_id", "checked_at"))
    return [shape(one, columns_of(_whole(one)), SYSTEM, looked.get(one.id)) for one in found]


@keyed(whole=True)
def results_json(request: Request, id: str) -> Any:
    """The rows of a report: a flat array, in the order of the id."""
    columns, found = _rows(id)
    keys = [(one.key, one.label, one.time) for one in columns]
    return answers.array(
        request, ({key: _ms(row[label]) if time else row[label] for key, label, time in keys} for row in found)
    )


@keyed(whole=True)
def results_csv(request: Request, id: str) -> Any:
    """The rows of a report as CSV, with the labels of the columns."""
    columns, found = _rows(id)
    labels = [one.label for one in columns]

    def lines() -> Iterator[list[Any]]:
        yield [one.title for one in columns]
        for row in found:
            yield [row[label] for label in labels]

    return answers.csv(request, re.sub(r"[^a-z0-9_]", "", id), lines())


def _rows(report_id: str) -> tuple[list[Column], Iterator[dict[str, Any]]]:
    """The columns and the rows."""
    report = reports.get(report_id)
    if report.kind not in KINDS or report.origin:
        raise NotFound(f"There is no report {report_id!r:.60} of visitors or accounts that is made here.")
    whole = _whole(report)
    return columns_of(whole), rows.every(whole)


def _whole(report: Report) -> Report:
    """The report with the ids as its first columns, also where it does not show them."""
    whole: Report = copy.copy(report)
    ids = ["visitor.id", "account.id"] if report.kind == "visitor" else ["account.id"]
    whole.columns = [*ids, *(one for one in report.columns if one not in ids)]
    return whole


def _ms(value: Any) -> Any:
    """A time as milliseconds; rows hold times as ISO 8601."""
    if isinstance(value, datetime):
        return round(value.timestamp() * 1000)
    return round(clock.parse(value).timestamp() * 1000) if isinstance(value, str) else value
