"""Definitions: what is allowed in a workflow, and how the rest is refused."""

from typing import Any

import pytest

from arrivals.apps import connections
from arrivals.errors import Conflict, InvalidDefinition
from arrivals.warehouse.client import Warehouse
from arrivals.workflows import definitions, workflows
from arrivals.workflows.models import Version, Workflow
from tests import makers

POST = makers.post()
CONDITION = {"left": "{{ row.times }}", "op": "gte", "value": 3}
FILTER = {"id": "only", "type": "filter", "all": [{"any": [CONDITION]}]}


def test_a_definition_is_stored_with_its_defaults(fresh: Warehouse) -> None:
    report = makers.report()
    made = workflows.create({**makers.definition(report, FILTER, POST), "name": " Tell "}, by="ada@example.com")
    assert made.state == "off"
    assert made.version is not None
    assert made.version.definition["reentry"] == "never"
    assert (made.name, made.version.number, made.version.created_by) == ("Tell", 1, "ada@example.com")


def changed(path: list[Any], value: Any) -> Any:
    """A change of one place of a good definition; a value of ``...`` takes the place out."""

    def change(data: dict[str, Any]) -> Any:
        place: Any = data
        for part in path[:-1]:
            place = place[part]
        if value is ...:
            del place[path[-1]]
        else:
            place[path[-1]] = value
        return data

    return change


REFUSED: list[tuple[Any, str, str]] = [
    (lambda _: [], "definition", "must be an object"),
    (changed(["name"], ""), "name", "1 to 200"),
    (changed(["name"], ...), "name", "missing"),
    (changed(["colour"], "red"), "colour", "not known here"),
    (changed(["trigger"], "x"), "trigger", "must be an object"),
    (changed(["trigger", "kind"], "sometime"), "trigger.kind", "visitor_in_report"),
    (changed(["trigger", "report"], "rep_none"), "trigger.report", "no report"),
    (changed(["reentry"], "often"), "reentry", "every_days"),
    (changed(["reentry"], {"every_days": 0}), "reentry", "1 to 3650"),
    (changed(["steps"], []), "steps", "1 to 100 steps"),
    (changed(["steps", 0], {"id": "x"}), "steps[0].type", "action, filter"),
    (changed(["steps", 0, "id"], "Big Id"), "steps[0].id", "small letters"),
    (changed(["steps", 1, "id"], "only"), "steps[1].id", "ids must differ"),
    (changed(["steps", 0, "all"], []), "steps[0].all", "1 to 50 groups"),
    (changed(["steps", 0, "all", 0], {"every": []}), "steps[0].all[0]", "A group is"),
    (changed(["steps", 0, "all", 0, "any"], []), "steps[0].all[0].any", "1 to 50 conditions"),
    (changed(["steps", 0, "all", 0, "any", 0], {"left": "x"}), "steps[0].all[0].any[0]", "left, op and value"),
    (changed(["steps", 0, "all", 0, "any", 0, "op"], "like"), "steps[0].all[0].any[0].op", "not an operator"),
    (changed(["steps", 0, "all", 0, "any", 0, "left"], "{{ row."), "steps[0].all[0].any[0].left", "template is wrong"),
    (changed(["steps", 1, "app"], "fax"), "steps[1].app", "There is no app 'fax'"),
    (changed(["steps", 1, "action"], "dance"), "steps[1].action", "it has post_message"),
    (changed(["steps", 1, "colour"], 1), "steps[1].colour", "not known here"),
    (changed(["steps", 1, "connection"], "con_x"), "steps[1].connection", "takes no connection"),
    (changed(["steps", 1, "inputs"], []), "steps[1].inputs", "must be an object"),
    (changed(["steps", 1, "inputs"], {}), "steps[1].inputs.text", "missing"),
    (changed(["steps", 1, "inputs", "text"], 5), "steps[1].inputs.text", "is not of type"),
    (changed(["steps", 1, "inputs", "text"], "{% if %}"), "steps[1].inputs.text", "template is wrong"),
    (changed(["steps", 1, "inputs", "volume"], 5), "steps[1].inputs.volume", "is not an input"),
    (changed(["steps", 1], {**POST, "app": "slack", "action": "send_message"}), "steps[1].connection", "needs one"),
    (
        changed(["steps", 1], {**makers.call("x"), "connection": "con_none"}),
        "steps[1].connection",
        "There is no connection",
    ),
    (
        changed(["steps", 1], makers.call("https://x.example", method="DANCE")),
        "steps[1].inputs.method",
        "is not one of",
    ),
]


@pytest.mark.parametrize(("change", "path", "sentence"), REFUSED)
def test_a_wrong_definition_is_refused_by_its_path_and_nothing_is_stored(
    fresh: Warehouse, change: Any, path: str, sentence: str
) -> None:
    good = makers.definition(
        makers.report(), {**FILTER, "all": [{"any": [dict(CONDITION)]}]}, {**POST, "inputs": {"text": "x"}}
    )
    with pytest.raises(InvalidDefinition) as refusal:
        workflows.create(change(good))
    assert refusal.value.path == path
    assert sentence in refusal.value.message
    assert not Workflow.objects.exists()
    assert not Version.objects.exists()


def test_a_connection_of_another_app_is_refused(fresh: Warehouse) -> None:
    slack = connections.create("slack", "S", {"bot_token": "xoxb-1234567890"})
    with pytest.raises(InvalidDefinition, match="is of slack, not of webhook"):
        definitions.validate(
            makers.definition(makers.report(), {**makers.call("https://x.example"), "connection": slack.id})
        )


def test_a_template_may_stand_where_a_number_or_choice_is_wanted(fresh: Warehouse) -> None:
    step = makers.call("{{ row.url }}", method="{{ row.method }}")
    assert (
        definitions.validate(makers.definition(makers.report(), step))["steps"][0]["inputs"]["method"]
        == "{{ row.method }}"
    )


def test_a_draft_runs_only_when_published_and_runs_keep_their_version(fresh: Warehouse) -> None:
    report = makers.report()
    made = makers.workflow(report)
    with pytest.raises(Conflict, match="no draft"):
        workflows.publish(made.id)
    workflows.save_draft(made.id, makers.definition(report, makers.post("new")))
    assert workflows.as_dict(workflows.get(made.id))["definition"]["steps"][0]["inputs"]["text"] == "{{ visitor.id }}"
    published = workflows.publish(made.id)
    assert published.version is not None
    assert (published.version.number, published.draft) == (2, None)
    assert Version.objects.filter(workflow=made).count() == 2
