"""The dry run: equal to what a plain reference makes of the same events, day by day; and who would run at once."""

import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from arrivals import clock
from arrivals.accounts import workspace
from arrivals.audience import occurring, reports, segments
from arrivals.audience.models import Report
from arrivals.errors import CheckTimeout, Invalid
from arrivals.warehouse.client import Warehouse
from arrivals.watch import checks, past
from arrivals.workflows import activation, dry_run, will_run, workflows
from arrivals.workflows.models import Workflow
from tests import events, makers

Event = tuple[str, datetime]
WITHIN, TIMES = timedelta(days=3), 2
DAYS = 12
POLICIES: list[Any] = ["never", "each_return", {"every_days": 3}]


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine does not make the answers shorter."""
    monkeypatch.setattr(dry_run, "SECONDS", 600.0)


def twice() -> Report:
    """Those who exported at least twice within 3 days, active within 5."""
    rule = {"kind": "track", "name": "export", "times": {"at_least": TIMES}, "when": {"within": "3d"}}
    segment = segments.create("Twice", {"all": [{"any": [rule]}]})
    return reports.create({"name": "Twice", "segment": segment.id, "range": {"within": "5d"}})


def made(report: Report, kind: str = "visitor_in_report", reentry: Any = "never") -> Workflow:
    trigger = {"kind": kind, "report": report.id}
    return workflows.create({"name": "W", "trigger": trigger, "reentry": reentry, "steps": [makers.post()]})


def scattered(seed: int, now: datetime) -> list[Event]:
    """Exports of 12 visitors over 20 days, some on the very border of a day."""
    rng = random.Random(seed)
    found: list[Event] = []
    for visitor in range(12):
        for _ in range(rng.choice((0, 2, 6, 15))):
            at = now - timedelta(milliseconds=rng.randrange(20 * 86_400_000))
            if rng.random() < 0.2:
                at = workspace.midnight(workspace.day(at)) - timedelta(milliseconds=rng.randrange(2))
            found.append((f"v{visitor}", at))
    return found


def there(given: list[Event], moment: datetime) -> set[str]:
    """Who is on the report at a moment: what its rules say, in plain Python."""
    counted = Counter(visitor for visitor, at in given if moment - WITHIN < at <= moment)
    return {visitor for visitor, number in counted.items() if number >= TIMES}


def replayed(given: list[Event], ends: list[datetime], direction: str, reentry: Any) -> list[int]:
    """As the watcher and the re-entry policy would have done it, one day after the other."""
    was = there(given, ends[0])
    snapshot, ran, counts = set(was), {}, []  # type: ignore[var-annotated]
    for day, end in enumerate(ends[1:], start=1):
        present = there(given, end)
        came = present - was if direction == "in" else was - present
        number = 0
        for visitor in came:
            if reentry == "never":
                runs = visitor not in ran and (direction == "out" or visitor not in snapshot)
            elif reentry == "each_return":
                runs = True
            else:
                runs = visitor not in ran or day - ran[visitor] >= reentry["every_days"]
            if runs:
                number, ran[visitor] = number + 1, day
        counts.append(number)
        was = present
    return counts


ASKED = [("UTC", policy) for policy in POLICIES] + [("America/New_York", "never")]


@pytest.mark.parametrize(("zone", "reentry"), ASKED)
def test_it_is_what_a_replay_of_the_events_would_have_started(fresh: Warehouse, zone: str, reentry: Any) -> None:
    workspace.change(time_zone=zone)
    given = scattered(7, clock.now())
    events.add(fresh, *((visitor, "track", "export", at) for visitor, at in given))
    report, ends, some = twice(), dry_run._ends(DAYS), 0
    for kind, direction in (("visitor_in_report", "in"), ("visitor_left_report", "out")):
        found = dry_run.of(made(report, kind, reentry).id, days=DAYS)
        expected = replayed(given, ends, direction, reentry)
        assert [one["would_start"] for one in found["days"]] == expected, kind
        assert (found["total"], found["cut"], found["basis"]) == (sum(expected), False, "events")
        assert found["per_day"] == round(sum(expected) / DAYS, 1)
        some += sum(expected)
    assert some > 5
    assert found["days"][-1]["day"] == (workspace.day(clock.now()) - timedelta(days=1)).isoformat()


def test_a_linked_visitor_is_one_and_the_sample_names_it(fresh: Warehouse) -> None:
    day = dry_run._ends(3)
    events.add(fresh, ("anon", "track", "export", day[1]), ("ann", "track", "export", day[1] + timedelta(hours=1)))
    events.link(fresh, "anon", "ann")
    found = dry_run.of(made(twice()).id, days=3)
    assert [one["would_start"] for one in found["days"]] == [0, 1, 0]
    assert found["sample"] == ["ann"]


def test_with_too_little_time_there_are_fewer_days_and_it_says_so(
    fresh: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def slow(report: Report, moments: Any, **given: Any) -> list[past.Starts]:
        asked.append(len(moments) - 1)
        if asked[-1] > 5:
            raise CheckTimeout
        return [past.Starts(1, 4, ["ann"])]

    monkeypatch.setattr(past, "starts", slow)
    workflow = made(twice())
    found = dry_run.of(workflow.id, days=12)
    assert asked == [12, 4]
    assert (found["cut"], len(found["days"]), found["total"], found["per_day"]) == (True, 4, 4, 1.0)
    monkeypatch.setattr(past, "starts", lambda *given, **more: (_ for _ in ()).throw(CheckTimeout()))
    with pytest.raises(CheckTimeout):
        dry_run.of(workflow.id, days=12)
    with pytest.raises(Invalid, match="from 1 to 60"):
        dry_run.of(workflow.id, days=61)


def test_events_are_counted_by_day(fresh: Warehouse) -> None:
    ends = dry_run._ends(3)
    for number, offset in enumerate((-1, 1, 2, 30 * 3_600_000)):
        at = ends[0] + timedelta(milliseconds=offset)
        events.add(fresh, (f"v{number}", "track", "purchase", at, {"amount": 10 * number}))
    events.add(fresh, ("v9", "track", "other", ends[1]))
    rule = {"kind": "track", "name": "purchase"}
    assert occurring.by_day(rule, ends, seconds=30)[0] == [2, 1, 0]
    big = {**rule, "where": [{"property": "amount", "op": "gte", "value": 20}]}
    counted, sample = occurring.by_day(big, ends, seconds=30)
    assert (counted, sorted(sample)) == ([1, 1, 0], ["v2", "v3"])


def test_a_workflow_without_a_report_says_that_nothing_can_be_foretold(fresh: Warehouse) -> None:
    workflow = workflows.create({"name": "M", "trigger": {"kind": "manual"}, "steps": [makers.post()]})
    found = dry_run.of(workflow.id)
    assert (found["days"], found["basis"]) == ([], "none")
    assert will_run.page(workflow.id, "run") == ([], None)


def test_a_schedule_tells_its_next_moments(fresh: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    first = datetime(2026, 1, 1, 9, tzinfo=UTC)
    monkeypatch.setitem(dry_run.MOMENTS, "manual", lambda trigger, after, number: [first] * number)
    workflow = workflows.create({"name": "M", "trigger": {"kind": "manual"}, "steps": [makers.post()]})
    assert dry_run.of(workflow.id)["next"] == ["2026-01-01T09:00:00.000Z"] * 5


def all_of(workflow: Workflow, existing: Any, **more: Any) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = []
    cursor: str | None = ""
    while cursor is not None:
        page, cursor = will_run.page(workflow.id, existing, limit=2, cursor=cursor, **more)
        items += page
    return items


def test_the_list_of_those_who_will_run_is_what_the_numbers_say(fresh: Warehouse) -> None:
    report = makers.report()
    makers.come(fresh, "ann", "bob", "cid", "dan", "eve")
    workflow = makers.workflow(report)
    assert [one["member"] for one in all_of(workflow, "run")] == ["ann", "bob", "cid", "dan", "eve"]
    assert all_of(workflow, "skip") == []
    assert activation.numbers(workflow.id)["will_run"]["run"] == 5
    with pytest.raises(Invalid, match='"skip", "run"'):
        will_run.page(workflow.id, "all")
    out = made(report, "visitor_left_report")
    assert all_of(out, "run") == []
    activation.activate(workflow.id)
    activation.pause(workflow.id)
    makers.come(fresh, "fay", "gus", "hal")
    checks.check(report.id)
    missed = all_of(workflow, "run")
    assert sorted(one["visitor"] for one in missed) == ["fay", "gus", "hal"]
    assert {one["entry"] for one in missed} == {1}
    since = clock.iso(clock.now() + timedelta(hours=1))
    assert all_of(workflow, {"since": since}) == []
