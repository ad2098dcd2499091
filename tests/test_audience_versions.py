"""A segment's history, its copies, and what uses it."""

import threading

import pytest
from django.db import connection

from arrivals.audience import lists, reports, segments, usage, versions
from arrivals.errors import Conflict, InvalidRules, NotFound
from arrivals.warehouse.client import Warehouse
from arrivals.workflows import workflows
from tests import makers
from tests.test_audience_segments import rules

EXPORT, IMPORT = {"kind": "track", "name": "export"}, {"kind": "track", "name": "import"}


def test_every_save_that_changes_something_keeps_a_version(fresh: Warehouse) -> None:
    made = segments.create("First", rules(EXPORT), who="ada@example.com")
    segments.change(made.id, name="Second", who="bob@example.com")
    segments.change(made.id, rules=rules(EXPORT, IMPORT), who="key:abcd")
    segments.change(made.id, name="Second", rules=rules(EXPORT, IMPORT), who="nobody")
    told = versions.history(segments.get(made.id))
    assert [(one["number"], one["who"], one["name"]) for one in told] == [
        (3, "key:abcd", "Second"),
        (2, "bob@example.com", "Second"),
        (1, "ada@example.com", "First"),
    ]
    assert [one["changed"] for one in told] == [
        [{"what": "added", "text": "did import"}],
        [{"what": "name", "text": "First → Second"}],
        [{"what": "added", "text": "did export"}],
    ]


def test_a_changed_rule_is_told_as_the_old_and_the_new_one(fresh: Warehouse) -> None:
    made = segments.create("S", rules([EXPORT, IMPORT]))
    segments.change(made.id, rules=rules([EXPORT, {**IMPORT, "when": {"within": "7d"}}]))
    assert versions.history(segments.get(made.id))[0]["changed"] == [
        {"what": "removed", "text": "did export or did import"},
        {"what": "added", "text": "did export or did import in the last 7 days"},
    ]


def test_an_earlier_version_is_put_back_as_a_new_one(fresh: Warehouse) -> None:
    made = segments.create("S", rules(EXPORT))
    segments.change(made.id, name="T", rules=rules(IMPORT))
    restored = segments.restore(made.id, 1, who="ada@example.com")
    assert (restored.name, restored.rules) == ("S", rules(EXPORT))
    newest = versions.history(segments.get(made.id))[0]
    assert (newest["number"], newest["restored"], newest["who"]) == (3, 1, "ada@example.com")
    with pytest.raises(NotFound, match="no version 9"):
        segments.restore(made.id, 9)


def test_a_version_whose_list_is_gone_is_not_put_back(fresh: Warehouse) -> None:
    chosen = lists.create("Beta", ["a"])
    made = segments.create("S", rules({"kind": "list", "list": chosen.id}))
    segments.change(made.id, rules=rules(EXPORT))
    lists.delete(chosen.id)
    with pytest.raises(InvalidRules, match="There is no list"):
        segments.restore(made.id, 1)
    assert segments.get(made.id).rules == rules(EXPORT)


def test_saves_at_the_same_time_have_numbers_of_their_own(fresh: Warehouse) -> None:
    made = segments.create("S", rules(EXPORT))
    problems: list[Exception] = []

    def save(name: str) -> None:
        try:
            segments.change(made.id, name=name)
        except Exception as error:
            problems.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=save, args=(f"n{number}",)) for number in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert problems == []
    told = versions.history(segments.get(made.id))
    assert [one["number"] for one in told] == [5, 4, 3, 2, 1]
    assert told[0]["name"] == segments.get(made.id).name


def test_a_copy_has_the_rules_and_a_history_of_its_own(fresh: Warehouse) -> None:
    made = segments.create("S", rules(EXPORT))
    copy = segments.duplicate(made.id, who="ada@example.com")
    assert (copy.name, copy.rules) == ("S (copy)", rules(EXPORT))
    segments.change(copy.id, rules=rules(IMPORT))
    assert segments.get(made.id).rules == rules(EXPORT)
    assert len(versions.history(segments.get(copy.id))) == 2


def test_what_uses_a_segment_is_told_through_to_the_workflow(fresh: Warehouse) -> None:
    segment = segments.create("Pros", rules(EXPORT))
    outer = segments.create("Outer", rules({"kind": "segment", "segment": segment.id}))
    report = reports.create({"name": "Table", "segment": segment.id})
    flow = workflows.create({**makers.definition(report), "name": "Tell"})
    told = [(one.kind, one.id, one.through) for one in usage.of_segment(segment)]
    assert told == [("segment", outer.id, ""), ("report", report.id, ""), ("workflow", flow.id, report.id)]
    with pytest.raises(Conflict, match="The segment 'Outer', the report 'Table' use it"):
        segments.delete(segment.id)
    assert [one.id for one in usage.of_segment(outer)] == []
    segments.delete(outer.id)
    with pytest.raises(Conflict, match="The report 'Table' uses it"):
        segments.delete(segment.id)
