"""Trying steps out: done at once and for real, or only shown; kept for later steps; never a run."""

from collections.abc import Iterator
from typing import Any

import pytest

from arrivals.apps import tries
from arrivals.apps.models import InboxMessage
from arrivals.engine.models import Run
from arrivals.errors import Conflict, InvalidDefinition, NotFound, Untested
from arrivals.warehouse.client import Warehouse
from arrivals.workflows import activation, steptests, workflows
from arrivals.workflows.models import StepTest, Workflow
from tests import makers
from tests.sink import Sink


@pytest.fixture
def sink() -> Iterator[Sink]:
    with Sink() as one:
        yield one


FAILING = makers.call("http://127.0.0.1:9/", id_="call")


def made(store: Warehouse, *steps: dict[str, Any]) -> Workflow:
    makers.come(store, "ann", "bob")
    return makers.workflow(makers.report(), *steps)


def statuses(answer: dict[str, Any]) -> list[tuple[str, str]]:
    return [(one["step"], one["status"]) for one in answer["steps"]]


def test_all_steps_are_done_for_somebody_on_the_report_and_no_run_is_made(fresh: Warehouse) -> None:
    workflow = made(
        fresh, makers.post("{{ row.times }} of {{ visitor.id }}"), makers.post("after {{ steps.tell.id }}", "more")
    )
    answer = tries.try_out(workflow.id)
    assert (answer["visitor"], statuses(answer)) == ("ann", [("tell", "succeeded"), ("more", "succeeded")])
    first, second = InboxMessage.objects.order_by("id")
    assert (first.text, second.text) == ("1 of ann", f"after {first.id}")
    assert first.key.startswith("test_")
    assert not Run.objects.exists()
    assert answer["untested"] == answer["problems"] == []
    tries.try_out(workflow.id, visitor="bob")
    assert InboxMessage.objects.filter(text="1 of bob").count() == 1
    assert InboxMessage.objects.count() == 4


def test_one_step_sees_what_earlier_tests_gave(fresh: Warehouse) -> None:
    workflow = made(fresh, makers.post(), makers.post("[{{ steps.tell.id }}]", "more"))
    alone = tries.try_out(workflow.id, step="more", dry=True)
    assert alone["steps"][0]["inputs"] == {"text": "[]"}
    tries.try_out(workflow.id, step="tell")
    first = InboxMessage.objects.get()
    tried = tries.try_out(workflow.id, step="more", dry=True)
    assert tried["steps"][0] | {"ms": 0} == {
        "step": "more", "status": "dry", "note": "Nothing was sent; this is what would be.", "inputs": {"text": f"[{first.id}]"},
        "outputs": None, "error": None, "ms": 0,
    }  # fmt: skip
    assert tried["untested"] == ["more"]
    with pytest.raises(NotFound):
        tries.try_out(workflow.id, step="gone")


def test_a_change_of_a_step_makes_it_untested_and_its_outputs_unknown(fresh: Warehouse) -> None:
    workflow = made(fresh, makers.post(), makers.post("[{{ steps.tell.id }}]", "more"))
    tries.try_out(workflow.id)
    changed = makers.definition(workflow.report, makers.post("other"), makers.post("[{{ steps.tell.id }}]", "more"))  # type: ignore[arg-type]
    workflows.save_draft(workflow.id, changed)
    assert tries.known(workflow.id)["untested"] == ["tell"]
    assert tries.try_out(workflow.id, step="more", dry=True)["steps"][0]["inputs"] == {"text": "[]"}


def test_waits_are_skipped_and_say_so(fresh: Warehouse) -> None:
    workflow = made(fresh, {"id": "w", "type": "delay", "for": "3d"}, makers.post("{{ steps.w.until }}"))
    answer = tries.try_out(workflow.id)
    assert statuses(answer) == [("w", "skipped"), ("tell", "succeeded")]
    assert answer["steps"][0]["note"].startswith("A run waits here until ")
    assert InboxMessage.objects.get().text == answer["steps"][0]["outputs"]["until"]


def test_only_branches_that_hold_and_the_first_item_of_a_loop_are_done(fresh: Warehouse) -> None:
    holds = [{"any": [{"left": "{{ visitor.id }}", "op": "is", "value": "ann"}]}]
    paths = {"id": "p", "type": "paths", "branches": [{"name": "Ann", "all": holds, "steps": [makers.post(id_="hers")]}, {"name": "Else", "fallback": True, "steps": [makers.post(id_="others")]}]}  # fmt: skip
    loop = {"id": "l", "type": "loop", "over": ["x", "y", "z"], "steps": [makers.post("{{ loop.item }} of {{ loop.count }}", "each")]}  # fmt: skip
    workflow = made(fresh, paths, loop, makers.post("{{ steps.l.count }}", "last"))
    answer = tries.try_out(workflow.id)
    assert [one["step"] for one in answer["steps"]] == ["p", "hers", "l", "each", "last"]
    assert answer["steps"][0]["note"] == "Taken: Ann."
    assert answer["steps"][2]["note"] == "A run does 3 items; a test does the first."
    assert list(InboxMessage.objects.order_by("id").values_list("text", flat=True)) == ["ann", "x of 3", "3"]
    assert answer["untested"] == ["others"]
    alone = tries.try_out(workflow.id, step="each", visitor="bob")
    assert alone["steps"][0]["inputs"] == {"text": "x of 3"}
    assert tries.try_out(workflow.id, step="others")["untested"] == []


def test_a_filter_that_lets_nobody_through_ends_the_test(fresh: Warehouse) -> None:
    refuses = {"id": "f", "type": "filter", "all": [{"any": [{"left": "{{ row.times }}", "op": "gt", "value": 99}]}]}
    workflow = made(fresh, refuses, makers.post())
    answer = tries.try_out(workflow.id)
    assert statuses(answer) == [("f", "filtered")]
    assert answer["untested"] == ["tell"]


def test_a_failure_is_shown_and_its_error_branch_is_tried(fresh: Warehouse) -> None:
    rescue = {"steps": [makers.post("{{ error.code }} in {{ error.step }}")], "then": "go_on"}
    workflow = made(fresh, {**FAILING, "on_error": rescue}, makers.post("after", "last"))
    answer = tries.try_out(workflow.id)
    assert statuses(answer) == [("call", "failed"), ("tell", "succeeded"), ("last", "succeeded")]
    assert answer["steps"][0]["error"]["code"] == "retryable"
    assert answer["untested"] == ["call"]
    assert InboxMessage.objects.filter(text="retryable in call").exists()
    alone = tries.try_out(workflow.id, step="tell")
    assert alone["steps"][0]["inputs"] == {"text": "example in "}


def test_without_an_error_branch_a_failure_ends_the_test(fresh: Warehouse) -> None:
    workflow = made(fresh, FAILING, makers.post())
    assert statuses(tries.try_out(workflow.id)) == [("call", "failed")]


def test_nothing_is_sent_when_it_is_dry(fresh: Warehouse, sink: Sink) -> None:
    secret = {"Authorization": "Bearer {{ visitor.id }}"}
    workflow = made(fresh, makers.call(sink.url, headers=secret), makers.post())
    answer = tries.try_out(workflow.id, dry=True)
    assert statuses(answer) == [("call", "dry"), ("tell", "dry")]
    assert answer["steps"][0]["inputs"]["body"] == {"visitor": "ann"}
    assert "Bearer" not in str(answer)
    assert (len(sink.calls), InboxMessage.objects.count()) == (0, 0)
    assert answer["untested"] == ["call", "tell"]
    tries.try_out(workflow.id)
    assert len(sink.calls) == 1
    assert sink.calls[0].key.startswith("test_")
    assert tries.try_out(workflow.id, dry=True)["untested"] == []


def test_an_unfinished_draft_is_tried_up_to_what_is_missing(fresh: Warehouse) -> None:
    workflow = made(fresh)
    draft = makers.definition(workflow.report, makers.post(), {"id": "s", "type": "action", "app": "slack"}, makers.post(id_="last"))  # type: ignore[arg-type]  # fmt: skip
    workflows.keep_draft(workflow.id, draft)
    answer = tries.try_out(workflow.id)
    assert statuses(answer) == [("tell", "succeeded"), ("s", "unfinished")]
    assert [(one["step"], one["path"]) for one in answer["problems"]] == [("s", "steps[1].action")]
    assert statuses(tries.try_out(workflow.id, step="last")) == [("last", "succeeded")]
    assert not StepTest.objects.filter(step="s").exists()


def test_a_test_is_for_whom_was_named_or_pinned_or_is_there(fresh: Warehouse) -> None:
    workflow = makers.workflow(makers.report())
    with pytest.raises(Conflict, match="Nobody is on the report"):
        tries.try_out(workflow.id, dry=True)
    makers.come(fresh, "ann", "bob")
    steptests.pin(workflow.id, "bob")
    assert tries.try_out(workflow.id, dry=True)["visitor"] == "bob"
    assert tries.try_out(workflow.id, dry=True, visitor="")["visitor"] == "ann"
    given = {"row": {"times": 7}}
    definition = makers.definition(workflow.report, makers.post("{{ row.times }}"))  # type: ignore[arg-type]
    answer = tries.try_out(workflow.id, dry=True, definition=definition, given=given)
    assert answer["steps"][0]["inputs"] == {"text": "7"}


def test_a_workflow_without_a_report_is_tried_for_a_visitor(fresh: Warehouse) -> None:
    makers.come(fresh, "ann")
    definition = {"name": "By hand", "trigger": {"kind": "manual"}, "steps": [makers.post("{{ visitor.agent.plan }}")]}
    workflow = workflows.create(definition)
    assert tries.try_out(workflow.id, dry=True, visitor="ann")["steps"][0]["inputs"] == {"text": "pro"}
    with pytest.raises(Conflict, match="There is no visitor"):
        tries.try_out(workflow.id, visitor="nobody")


def test_untested_steps_are_refused_where_that_is_asked_for_and_nowhere_else(fresh: Warehouse) -> None:
    workflow = made(fresh)
    with pytest.raises(Untested, match="tell"):
        activation.activate(workflow.id, untested=False)
    tries.try_out(workflow.id)
    activation.activate(workflow.id, untested=False)
    more = makers.definition(workflow.report, makers.post(), makers.post("x", "more"))  # type: ignore[arg-type]
    workflows.save_draft(workflow.id, more)
    StepTest.objects.all().delete()
    with pytest.raises(Untested) as refused:
        workflows.publish(workflow.id, untested=False)
    assert refused.value.message == "Nobody has tried this step as it is: more."
    assert workflows.publish(workflow.id).version.number == 2  # type: ignore[union-attr]


def test_what_is_not_finished_is_never_turned_on(fresh: Warehouse) -> None:
    begun = workflows.begin(makers.definition(makers.report()))
    with pytest.raises(Conflict, match="only a draft"):
        activation.activate(begun.id)
    from arrivals.apps import connections

    made = connections.create("slack", name="Ours", fields={"bot_token": "xoxb-1-2-abc"})
    step = {"id": "s", "type": "action", "app": "slack", "action": "send_message", "connection": made.id, "inputs": {"channel": "#a", "text": "b"}}  # fmt: skip
    workflow = makers.workflow(makers.report("Other"), step)
    type(made).objects.all().delete()
    with pytest.raises(InvalidDefinition, match="There is no connection"):
        activation.activate(workflow.id)
