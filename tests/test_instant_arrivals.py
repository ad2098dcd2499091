"""Arrivals are seen when the event comes in, where a report's rules allow to look at single visitors."""

from arrivals.audience import reports
from arrivals.audience.models import Report
from arrivals.warehouse.client import Warehouse
from arrivals.watch import checks, watches
from arrivals.watch.finders import Finder
from arrivals.watch.models import Arrival, Check
from tests import makers


def watched(report: Report) -> Report:
    checks.check(report.id)
    watches.start(report.id)
    return report


def finder() -> Finder:
    one = Finder(lambda: None)
    one.look()
    return one


def came(report: Report) -> list[tuple[str, str]]:
    return list(Arrival.objects.filter(report=report).order_by("id").values_list("member", "kind"))


def test_who_enters_or_leaves_is_seen_by_the_next_look(fresh: Warehouse) -> None:
    report = watched(makers.report())
    one = finder()
    makers.come(fresh, "ada")
    assert (one.look(), came(report)) == (1, [("ada", "in")])
    assert one.look() == 0
    makers.leave(fresh, "ada")
    assert (one.look(), came(report)) == (1, [("ada", "in"), ("ada", "out")])


def test_the_check_that_is_due_finds_nothing_more(fresh: Warehouse) -> None:
    report = watched(makers.report())
    one = finder()
    makers.come(fresh, "ada", "bob")
    one.look()
    found = checks.check(report.id)
    assert (found.entered, found.left, found.on_report) == (0, 0, 2)
    assert len(came(report)) == 2


def test_what_no_report_looks_at_is_not_looked_at(fresh: Warehouse) -> None:
    watched(makers.report())
    one = finder()
    from tests import events

    events.metadata(fresh, "ada", makers.clock.now(), other="x")
    before = Check.objects.count()
    assert (one.look(), Check.objects.count()) == (0, before)


def test_a_report_that_depends_on_others_waits_for_its_check(fresh: Warehouse) -> None:
    report = watched(
        reports.create({"name": "Accounts", "kind": "account", "range": {"ever": True}, "columns": ["account.id"]})
    )
    one = finder()
    from tests import events

    events.add(fresh, ("ada", "track", "x", makers.clock.now(), {}, "acme"))
    assert (one.look(), came(report)) == (0, [])
    assert checks.check(report.id).entered == 1


def test_reports_that_nobody_watches_are_left_alone(fresh: Warehouse) -> None:
    report = watched(makers.report())
    watches.stop(report.id)
    one = finder()
    makers.come(fresh, "ada")
    assert (one.look(), came(report)) == (0, [])
