"""Drafts and versions: what changed, back to an earlier one, two people at one draft, and runs that finish on theirs."""

import json
from datetime import timedelta
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.test import Client

from arrivals import clock
from arrivals.accounts import keys
from arrivals.audience import reports
from arrivals.engine import enqueue, runs
from arrivals.engine.models import Run
from arrivals.errors import Conflict, Invalid, InvalidDefinition, NotFound, Outdated
from arrivals.warehouse.client import Warehouse
from arrivals.watch import checks
from arrivals.workflows import activation, comparing, versions, workflows
from arrivals.workflows.models import Activation, Workflow
from tests import makers
from tests.engine import Actions, ended, in_state


def publish(workflow: Workflow, *steps: dict[str, Any], note: str = "", **more: Any) -> Workflow:
    assert workflow.report is not None
    workflows.save_draft(workflow.id, makers.definition(workflow.report, *steps, **more), by="ada@example.com")
    return workflows.publish(workflow.id, by="ada@example.com", note=note)


def branch(*steps: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"name": "Big", "always": True, "steps": list(steps), **more}


def split(*branches: dict[str, Any]) -> dict[str, Any]:
    return {"id": "split", "type": "paths", "branches": list(branches)}


CHANGES: list[tuple[list[Any], list[Any], list[str]]] = [
    ([makers.post("a")], [makers.post("a")], []),
    ([makers.post("a")], [makers.post("b")], ["Step tell: inputs.text from “a” to “b”."]),
    (
        [makers.post("a")],
        [makers.post("z", "first"), makers.post("a")],
        ["Step first (action) was added at the beginning."],
    ),
    (
        [makers.post("a"), makers.post("z", "last")],
        [makers.post("a")],
        ["Step last (action) was removed."],
    ),
    (
        [makers.post("a", "a"), makers.post("b", "b"), makers.post("c", "c")],
        [makers.post("b", "b"), makers.post("c", "c"), makers.post("a", "a")],
        ["Step a was moved: it is after c now."],
    ),
    (
        [makers.post("a", "a"), split(branch())],
        [split(branch(makers.post("a", "a")))],
        ["Step a was moved: it is at the beginning, in split (branch Big) now."],
    ),
    (
        [split(branch(makers.post("a", "a")))],
        [split(branch(makers.post("b", "a"), name="Huge"))],
        [
            "Step split: branches[0].name from “Big” to “Huge”.",
            "Step a was moved: it is at the beginning, in split (branch Huge) now.",
            "Step a: inputs.text from “a” to “b”.",
        ],
    ),
    (
        [makers.post("a", "a")],
        [{**makers.post("a", "a"), "on_error": {"steps": [makers.post("b", "b")]}}],
        [
            'Step a: on_error from nothing to {"then": "stop", "tries": true}.',
            "Step b (action) was added at the beginning, in a (if it fails).",
        ],
    ),
]


@pytest.mark.parametrize(("before", "after", "expected"), CHANGES)
def test_what_changed_between_two_lists_of_steps(
    fresh: Warehouse, before: list[Any], after: list[Any], expected: list[str]
) -> None:
    report = makers.report()
    old, new = makers.workflow(report, *before), makers.workflow(report, *after)
    assert old.version is not None
    assert new.version is not None
    found = comparing.between(old.version.definition, new.version.definition)
    assert (found["text"], found["same"]) == (expected, not expected)
    assert bool(found["diff"]) == bool(expected)


def test_name_trigger_and_reentry_are_compared_in_words(fresh: Warehouse) -> None:
    report = makers.report("Pro")
    other = reports.create({"name": "Team", "range": {"ever": True}})
    workflow = makers.workflow(report)
    trigger = {"kind": "visitor_left_report", "report": other.id}
    changed = {**makers.definition(report), "name": "New", "trigger": trigger, "reentry": {"every_days": 3}}
    workflows.save_draft(workflow.id, changed)
    found = versions.compare(workflow.id, "1", "draft")
    assert (found["from"], found["to"]) == (1, "draft")
    assert found["text"] == [
        "Name: from “Tell” to “New”.",
        "Trigger: from when a visitor is new on the report “Pro” to when a visitor has left the report “Team”.",
        'Re-entry: from “never” to {"every_days": 3}.',
    ]
    assert [one["path"] for one in found["changes"][1]["fields"]] == ["trigger.kind", "trigger.report"]
    assert "--- version 1\n+++ draft" in found["diff"]
    assert '+  "name": "New",' in found["diff"]
    assert versions.compare(workflow.id, "draft", "draft")["same"]


def test_limits_are_compared(fresh: Warehouse) -> None:
    workflow = makers.workflow(makers.report())
    workflows.limit(workflow.id, concurrency=1, flood=500)
    assert versions.compare(workflow.id, "1", "2")["text"] == [
        "Runs at once: from nothing to 1.",
        "Flood: from nothing to 500.",
    ]


def test_an_unfinished_draft_is_compared_as_far_as_it_goes() -> None:
    begun = {
        "name": "W",
        "steps": [{"type": "paths", "branches": [{"name": "A"}]}, "?", {"id": "t"}, {"on_error": None}],
    }
    assert comparing.between({}, begun)["text"] == [
        "Name: from nothing to “W”.",
        "Step number 1 (paths) was added at the beginning.",
        "Step t (None) was added after number 1.",
        "Step number 4 (None) was added after t.",
    ]
    assert comparing.between(begun, begun)["same"]


def test_of_long_texts_the_difference_is_shown() -> None:
    same = "a" * 200
    changed = {"path": "text", "before": f"{same}one{same}", "after": f"{same}two"}
    said = comparing.sentence(changed)
    assert said == f"text from “…{'a' * 20}one{'a' * 53}…” to “…{'a' * 20}two”"
    assert comparing.words({"a": same}).endswith("a…")


def test_every_version_says_who_when_what_and_why(fresh: Warehouse) -> None:
    workflow = makers.workflow(makers.report())
    publish(workflow, makers.post("two"), note=" Politer ")
    publish(workflow, makers.post("three"))
    first, following = versions.history(workflow.id, limit=2)
    assert [(one["number"], one["by"], one["note"], one["running"]) for one in first] == [
        (3, "ada@example.com", "", True),
        (2, "ada@example.com", "Politer", False),
    ]
    assert first[1]["changes"] == ["Step tell: inputs.text from “{{ visitor.id }}” to “two”."]
    last, end = versions.history(workflow.id, limit=2, cursor=following or "")
    assert ([(one["number"], one["changes"]) for one in last], end) == ([(1, [])], None)
    with pytest.raises(Invalid, match="at most 2,000"):
        publish(workflow, makers.post("four"), note="x" * 2001)
    for wrong in ("0", "x", "99"):
        with pytest.raises((NotFound, Invalid)):
            versions.compare(workflow.id, wrong, "3")


def test_back_to_an_earlier_version_is_a_new_version_and_a_draft_stays(fresh: Warehouse) -> None:
    workflow = makers.workflow(makers.report())
    publish(workflow, makers.post("two"))
    assert workflow.report is not None
    workflows.save_draft(workflow.id, makers.definition(workflow.report, makers.post("mine")), by="bob@example.com")
    back = versions.restore(workflow.id, 1, by="ada@example.com")
    assert back.version is not None
    assert (back.version.number, back.version.restored, back.version.note) == (3, 1, "Back to version 1")
    assert back.version.definition == versions.definition(workflow.id, "1")
    assert (back.draft["steps"][0]["inputs"]["text"], back.draft_by) == ("mine", "bob@example.com")
    with pytest.raises(Conflict, match="is what runs already"):
        versions.restore(workflow.id, 3)
    drafted = versions.restore(workflow.id, 2, draft=True, by="ada@example.com")
    assert drafted.draft == versions.definition(workflow.id, "2")
    assert drafted.version_id == back.version_id


def test_back_to_a_version_whose_report_is_gone_is_refused(fresh: Warehouse) -> None:
    gone = reports.create({"name": "Gone", "range": {"ever": True}})
    workflow = makers.workflow(gone)
    workflows.save_draft(workflow.id, makers.definition(makers.report()))
    workflows.publish(workflow.id)
    reports.delete(gone.id)
    with pytest.raises(InvalidDefinition, match="There is no report"):
        versions.restore(workflow.id, 1)
    assert workflows.get(workflow.id).version.number == 2  # type: ignore[union-attr]


def test_back_to_another_trigger_asks_as_a_publish_does(fresh: Warehouse) -> None:
    first, second = makers.report("One"), makers.report("Two")
    makers.come(fresh, "ann", "bob")
    workflow = makers.workflow(first)
    activation.activate(workflow.id)
    workflows.save_draft(workflow.id, makers.definition(second))
    assert activation.numbers(workflow.id, which="draft") == {
        "on_report": 2,
        "will_run": {"skip": 0, "run": 2, "since": None},
        "asked": True,
    }
    workflows.publish(workflow.id)
    versions.restore(workflow.id, 1, existing="run")
    assert Activation.objects.filter(kind="publish").order_by("-at").first().will_run == 2  # type: ignore[union-attr]
    enqueue.enqueue_all()
    assert sorted(Run.objects.values_list("member", flat=True)) == ["ann", "bob"]
    workflows.save_draft(workflow.id, makers.definition(first, makers.post("only the text")))
    assert not activation.numbers(workflow.id, which="draft")["asked"]


def test_two_people_at_one_draft_do_not_overwrite_each_other(fresh: Warehouse) -> None:
    report = makers.report()
    workflow = makers.workflow(report)
    began = workflow.revision
    workflows.save_draft(
        workflow.id, makers.definition(report, makers.post("ada")), revision=began, by="ada@example.com"
    )
    for late in (
        lambda: workflows.save_draft(workflow.id, makers.definition(report, makers.post("bob")), revision=began),
        lambda: workflows.publish(workflow.id, revision=began),
        lambda: workflows.discard_draft(workflow.id, revision=began),
        lambda: versions.restore(workflow.id, 1, draft=True, revision=began),
    ):
        with pytest.raises(
            Outdated, match=r"ada@example.com changed the draft since you began .* revision 2, yours is of 1"
        ):
            late()
    now = workflows.get(workflow.id)
    assert (now.draft["steps"][0]["inputs"]["text"], now.revision) == ("ada", 2)
    assert workflows.publish(workflow.id, revision=2).revision == 3
    with pytest.raises(Outdated, match="changed the workflow"):
        workflows.save_draft(workflow.id, makers.definition(report), revision=2)


async def test_a_run_that_waits_finishes_on_its_version(fresh: Warehouse, started: Any) -> None:
    """Version 1 waits before its second step; version 2 has other steps, and takes only those who come after."""

    def prepare() -> Workflow:
        workflow = makers.workflow(
            makers.report(), {"id": "wait", "type": "delay", "for": "2d"}, makers.post("of one", "then")
        )
        activation.activate(workflow.id)
        makers.come(fresh, "ann")
        checks.check(workflow.report_id or "")
        enqueue.enqueue_all()
        return workflow

    def go_on(workflow: Workflow) -> None:
        publish(workflow, makers.post("of two", "other"))
        makers.come(fresh, "bob")
        checks.check(workflow.report_id or "")
        enqueue.enqueue_all()

    texts: list[str] = []

    async def answer(inputs: dict[str, Any]) -> dict[str, Any]:
        texts.append(inputs["text"])
        return {"text": inputs["text"]}

    workflow = await sync_to_async(prepare)()
    await started(Actions(answer))
    waiting = await in_state("delayed")
    await sync_to_async(go_on)(workflow)
    await ended(1)
    await sync_to_async(Run.objects.filter(pk=waiting.id).update)(due=clock.now() - timedelta(seconds=1))
    both = await ended(2)
    assert [one.state for one in both] == ["succeeded", "succeeded"]
    assert sorted(texts) == ["of one", "of two"]
    told = await sync_to_async(runs.get)(waiting.id)
    assert (told["version"], [one["id"] for one in told["steps"]]) == (1, ["wait", "then"])


def test_the_api_of_versions(fresh: Warehouse) -> None:
    _, secret = keys.create("tests", write=True, by="ada@example.com")
    api = Client(headers={"Authorization": f"Bearer {secret}"})
    report = makers.report()
    place = f"/api/v2/workflows/{makers.workflow(report).id}"

    def send(method: str, path: str, body: Any = None, match: str = "") -> tuple[int, Any]:
        headers = {"If-Match": match} if match else {}
        data = json.dumps(body) if body is not None else ""
        answer = api.generic(method, place + path, data, content_type="application/json", headers=headers)
        return answer.status_code, answer.json() if answer.content else None

    change = makers.definition(report, makers.post("two"))
    assert send("PUT", "/draft", change, match='"7"')[1]["code"] == "outdated"
    assert send("PUT", "/draft", change, match="seven")[0] == 422
    status, drafted = send("PUT", "/draft", change, match='"1"')
    assert (status, drafted["revision"], drafted["draft_by"][:4]) == (200, 2, "key:")
    assert send("GET", "/compare?from=1")[1]["text"] == ["Step tell: inputs.text from “{{ visitor.id }}” to “two”."]
    assert send("DELETE", "/draft", match="1")[0] == 412
    assert send("DELETE", "/draft", match="2")[0] == 204
    assert send("GET", "/compare?from=1")[0] == 404
    send("PUT", "/draft", change)
    assert send("POST", "/publish", {"note": "Politer"})[1]["version"] == 2
    assert [one["note"] for one in send("GET", "/versions")[1]["items"]] == ["Politer", ""]
    assert send("GET", "/versions/1")[1]["definition"]["steps"][0]["inputs"]["text"] == "{{ visitor.id }}"
    assert send("GET", "/versions/9")[0] == 404
    assert send("POST", "/rollback", {"version": 1, "draft": True})[1]["draft"] is not None
    assert send("POST", "/rollback", {"version": 1, "existing": "skip"})[1]["version"] == 3
    assert send("POST", "/rollback", {"version": 9})[0] == 404
    assert send("GET", "/numbers?of=draft")[1]["asked"] is False
