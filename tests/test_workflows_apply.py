"""Workflows as files: what is exported comes in again, a plan is what is done, and the same twice changes nothing."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from arrivals.accounts import keys
from arrivals.apps import connections
from arrivals.audience import reports, segments
from arrivals.audience.models import Report, Segment
from arrivals.cli import main, workflow_files
from arrivals.engine import enqueue
from arrivals.engine.models import Run
from arrivals.errors import ArrivalsError, Conflict
from arrivals.warehouse.client import Warehouse
from arrivals.workflows import activation, applying, exporting, workflows, yaml_text
from arrivals.workflows.documents import File
from arrivals.workflows.models import Version, Workflow
from tests import makers

PRO = """\
arrivals: segment
name: Pro
rules: {all: [{any: [{kind: visitor, field: agent.plan, op: is, value: pro}]}]}
---
arrivals: report
name: Pros
segment: Pro
range: {ever: true}
---
key: tell
name: Tell
trigger: {kind: visitor_in_report, report: Pros}
steps:
  - {id: tell, type: action, app: inbox, action: post_message, inputs: {text: "{{ visitor.id }}"}}
"""


def put(*texts: str, **more: Any) -> list[applying.Item]:
    return applying.apply([File(f"{number}.yaml", text) for number, text in enumerate(texts)], **more)


def actions(items: list[applying.Item]) -> list[tuple[str, str, str]]:
    return [(one.kind, one.name, one.action) for one in items]


def everything() -> Any:
    """All that a file could change."""
    return (
        list(Segment.objects.order_by("id").values("id", "name", "rules")),
        list(Report.objects.order_by("id").values("id", "name", "segment", "range", "columns")),
        list(Workflow.objects.order_by("id").values("id", "key", "name", "state", "draft", "revision")),
        list(Version.objects.order_by("id").values("number", "definition", "note")),
    )


def rich() -> Workflow:
    """A workflow that names what can be named."""
    inner = segments.create("Active: on", {"all": [{"any": [{"kind": "track", "name": "x"}]}]})
    outer = segments.create("Outer", {"all": [{"any": [{"kind": "segment", "segment": inner.id, "did": True}]}]})
    columns = ["visitor.id", {"count": "track", "name": "x", "as": "times"}]
    report = reports.create({"name": "yes", "segment": outer.id, "range": {"within": "30d"}, "columns": columns})
    slack = connections.create("slack", "Team", {"bot_token": "xoxb-1234567890"})
    send = {"id": "send", "type": "action", "app": "slack", "action": "send_message", "connection": slack.id}
    send["inputs"] = {"channel": "#a", "text": "one\n  two: {{ visitor.id }}\n"}  # type: ignore[assignment]
    when = {"all": [{"any": [{"left": "{{ row.times }}", "op": "gt", "value": 3}]}], "steps": [send]}
    return makers.workflow(report, {"id": "split", "type": "paths", "branches": [when]}, name="NPS: low (09:00)")


def test_what_is_exported_is_made_again_elsewhere_and_exported_the_same(fresh: Warehouse) -> None:
    made = rich()
    text, definition = exporting.text(made.id), made.version.definition  # type: ignore[union-attr]
    assert text.startswith("# The workflow 'NPS: low (09:00)' of Arrivals.")
    assert "It needs what is not in this file: connection of slack 'Team'." in text
    kinds = [one["arrivals"] for one in yaml_text.read(text)]
    assert kinds == ["segment", "segment", "report", "workflow"]
    assert not any(prefix in text for prefix in ("seg_", "rep_", "con_", "wf_"))
    workflows.delete(made.id)
    Report.objects.all().delete()
    Segment.objects.all().delete()
    assert [one.action for one in put(text)] == ["make"] * 4
    again = Workflow.objects.get()
    assert again.key == "nps-low-09-00"
    assert exporting.text(again.id) == text
    same = {**again.version.definition, "trigger": None}  # type: ignore[union-attr]
    assert same == {**definition, "trigger": None}
    assert {one.action for one in put(text)} == {"leave"}


def test_a_plan_changes_nothing_and_is_what_is_done_then(fresh: Warehouse) -> None:
    before = everything()
    planned = put(PRO, plan=True)
    assert everything() == before
    done = put(PRO)
    assert (
        actions(planned)
        == actions(done)
        == [("segment", "Pro", "make"), ("report", "Pros", "make"), ("workflow", "Tell", "make")]
    )
    after = everything()
    assert {one.action for one in put(PRO)} == {"leave"}
    assert everything() == after
    changed = (
        PRO.replace("op: is, value: pro", "op: is, value: team")
        .replace("{{ visitor.id }}", "hello")
        .replace("ever: true", "within: 7d")
    )
    planned = put(changed, plan=True)
    assert [one.action for one in planned] == ["change"] * 3
    assert planned[0].text == ["rules.all[0].any[0].value from “pro” to “team”."]
    assert planned[1].text == ["range.ever from true to nothing.", "range.within from nothing to “7d”."]
    assert planned[2].text == ["Step tell: inputs.text from “{{ visitor.id }}” to “hello”."]
    assert everything() == after
    assert [one.text for one in put(changed, note="From Git")] == [one.text for one in planned]
    assert Version.objects.get(number=2).note == "From Git"
    assert {one.action for one in put(changed)} == {"leave"}


def test_a_key_stays_while_the_name_changes_and_a_name_is_taken_up_by_a_key(fresh: Warehouse) -> None:
    report = makers.report("Pros")
    stored = makers.workflow(report)
    own = PRO.split("---\n")[2]
    [item] = put(own)
    assert (item.id, item.action, Workflow.objects.get().key) == (stored.id, "leave", "tell")
    [renamed] = put(own.replace("name: Tell", "name: Told"))
    assert (renamed.id, renamed.text) == (stored.id, ["Name: from “Tell” to “Told”."])
    [other] = put(own.replace("key: tell", "key: other").replace("name: Tell", "name: Told"))
    assert (other.action, Workflow.objects.count()) == ("make", 2)
    assert exporting.key_of(workflows.get(stored.id)) == "tell"


def test_a_limit_alone_is_a_change(fresh: Warehouse) -> None:
    put(PRO)
    [_, _, item] = put(f"{PRO}concurrency: 1\nflood: 500\n")
    assert (item.action, item.text) == ("change", ["Runs at once: from nothing to 1.", "Flood: from nothing to 500."])
    running = Workflow.objects.get()
    assert running.version is not None
    assert (running.concurrency, running.version.definition["flood"]) == (1, 500)


def test_two_of_one_name_get_keys_of_their_own(fresh: Warehouse) -> None:
    report = makers.report()
    first, second = makers.workflow(report), makers.workflow(report)
    assert (exporting.key_of(first), exporting.key_of(second)) == ("tell", "tell-2")
    with pytest.raises(Conflict, match="2 workflows are called 'Tell'"):
        put(exporting.text(first.id))
    makers.report()
    with pytest.raises(Conflict, match=r"2 reports are called 'Pro'|2 segments are called 'Pro'"):
        exporting.text(first.id)


REFUSED: list[tuple[str, str, str]] = [
    (PRO.replace("report: Pros}", "report: Gone}"), "0.yaml (document 3): trigger.report", "There is no report 'Gone'; make it first"),
    (PRO.replace("report: Pros}", "report: Twice}"), "trigger.report", "2 reports are called 'Twice'; write the id of one"),
    (PRO.replace("segment: Pro\n", "segment: No\n"), "(document 2): segment", "There is no segment 'No'"),
    (PRO.replace("app: inbox", "app: slack, connection: None"), "steps[0].connection", "no connection of slack 'None'"),
    (PRO.replace("key: tell", "key: Tell me"), "(document 3): key", "small letters"),
    (PRO + "state: active\n", "(document 3): state", "one of on, paused, off"),
    (PRO + "existing: all\n", "(document 3): existing", '"skip", "run"'),
    (PRO + "extra: 1\n", "(document 3): extra", "name, trigger, reentry, steps"),
    (PRO.replace("arrivals: report", "arrivals: chart"), "(document 2): arrivals", "one of segment, report, workflow"),
    (PRO.replace("type: action", "type: acton"), "(document 3): steps[0].type", "A step needs a type"),
    (PRO.replace("op: is,", "op: iss,"), "(document 1): rules.all[0].any[0].op", ""),
    ("[]", "0.yaml: name", "one object with a name"),
    ("", "0.yaml", "It holds nothing"),
    ("a: [", "0.yaml", "not YAML"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "path", "sentence"), REFUSED)
def test_what_is_wrong_is_said_with_file_and_path_and_nothing_is_changed(
    fresh: Warehouse, text: str, path: str, sentence: str
) -> None:
    for _ in range(2):
        reports.create({"name": "Twice", "range": {"ever": True}})
    before = everything()
    with pytest.raises(ArrivalsError) as refused:
        put(text)
    assert path in refused.value.path
    assert sentence in refused.value.message
    assert everything() == before


def test_the_same_thing_in_two_files_is_one_unless_they_differ(fresh: Warehouse) -> None:
    second = PRO.replace("tell", "second").replace("Tell", "Second")
    assert len(put(PRO, second)) == 4
    with pytest.raises(
        Conflict, match=r"0.yaml \(document 1\) and 1.yaml \(document 1\) say different things of the segment 'Pro'"
    ):
        put(PRO, second.replace("value: pro", "value: team"))


def test_files_may_name_each_others_things_in_any_order(fresh: Warehouse) -> None:
    segment, report, workflow = PRO.split("---\n")
    around = "arrivals: segment\nname: Around\nrules: {all: [{any: [{kind: segment, segment: Pro}]}]}\n"
    items = put(workflow, report.replace("segment: Pro", "segment: Around"), around, segment)
    assert [one.name for one in items] == ["Pro", "Around", "Pros", "Tell"]
    loop = (
        around.replace("segment: Pro", "segment: Other"),
        around.replace("Around", "Other").replace("segment: Pro", "segment: Around"),
    )
    with pytest.raises(ArrivalsError, match="name each other"):
        put(*loop)


def test_the_state_that_is_wanted_is_planned_with_numbers_and_done(fresh: Warehouse) -> None:
    makers.come(fresh, "ann", "bob")
    [*_, planned] = put(f"{PRO}state: on\nexisting: run\n", plan=True)
    assert planned.turn is not None
    assert (planned.turn.was, planned.turn.to, planned.turn.on_report, planned.turn.will_run) == ("off", "on", 2, 2)
    assert not Workflow.objects.exists()
    put(f"{PRO}state: on\nexisting: run\n")
    enqueue.enqueue_all()
    assert sorted(Run.objects.values_list("member", flat=True)) == ["ann", "bob"]
    again = put(f"{PRO}state: on\nexisting: run\n")
    assert [one.turn for one in again] == [None] * 3
    put(f"{PRO}state: off\n")
    assert Workflow.objects.get().state == "paused"
    [*_, resumed] = put(f"{PRO}state: on\n")
    assert (resumed.action, Workflow.objects.get().state) == ("leave", "on")
    put(PRO)
    assert Workflow.objects.get().state == "on"
    makers.come(fresh, "cid")
    moved = PRO.replace("name: Pros", "name: Other").replace("report: Pros", "report: Other")
    [*_, asked] = put(f"{moved}existing: run\n", plan=True)
    assert asked.turn is not None
    assert (asked.turn.was, asked.turn.to, asked.turn.on_report, asked.turn.will_run) == ("on", "on", 3, 3)
    put(f"{moved}existing: skip\n")
    assert (Workflow.objects.get().state, Workflow.objects.get().report.name) == ("on", "Other")  # type: ignore[union-attr]


def test_a_draft_of_somebody_is_said_to_be_replaced(fresh: Warehouse) -> None:
    put(PRO)
    stored = Workflow.objects.get()
    workflows.save_draft(stored.pk, makers.definition(Report.objects.get(), makers.post("mine")), by="ada@example.com")
    assert put(PRO)[-1].action == "leave"
    [*_, item] = put(PRO.replace("{{ visitor.id }}", "hello"), plan=True)
    assert item.text[-1] == "The draft of ada@example.com is replaced."


Command = Callable[..., Result]


@pytest.fixture
def run(fresh: Warehouse, live_server: Any) -> Command:
    _, secret = keys.create("tests", write=True, by="ada@example.com")
    environ = {"ARRIVALS_URL": live_server.url, "ARRIVALS_KEY": secret}
    return lambda *arguments, **more: CliRunner().invoke(main, ["workflow", *arguments], env=environ, **more)


def test_the_command_plans_asks_applies_and_exports(
    run: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "in" / "tell.yaml"
    file.parent.mkdir()
    file.write_text(f"{PRO}state: on\n")
    planned = run("apply", str(file.parent), "--plan")
    assert planned.stdout.splitlines() == [
        "+ segment Pro: is made",
        "+ report Pros: is made",
        "+ workflow Tell [tell]: is made",
        "    state: off -> on; 0 on the report, 0 run now",
        "3 to make, 0 to change, 0 to leave.",
    ]
    assert not Workflow.objects.exists()

    monkeypatch.setattr("click.confirm", lambda text: False)
    monkeypatch.setattr(workflow_files, "_terminal", lambda: True)
    refused = run("apply", str(file))
    assert (refused.exit_code, refused.stderr) == (1, "arrivals: Nothing was changed.\n")
    assert not Workflow.objects.exists()
    done = run("apply", str(file), "--yes", "--note", "First")
    assert (done.exit_code, done.stdout.splitlines()[-1]) == (0, "Done.")
    stored = Workflow.objects.get()
    assert stored.state == "on"
    again = run("apply", str(file))
    assert again.stdout.splitlines()[-1] == "0 to make, 0 to change, 3 to leave."
    as_json = json.loads(run("apply", str(file), "--json").stdout)
    assert (as_json["applied"], {one["action"] for one in as_json["changes"]}) == (True, {"leave"})
    out = tmp_path / "out"
    assert run("export", "--all", str(out)).stdout == f"Wrote 1 file into {out}.\n"
    assert [one.name for one in out.iterdir()] == ["tell.yaml"]
    assert run("export", stored.pk).stdout == (out / "tell.yaml").read_text()
    assert run("apply", str(out)).exit_code == 0
    run("export", stored.pk, "-o", str(tmp_path / "one.yaml"))
    assert (tmp_path / "one.yaml").read_text() == (out / "tell.yaml").read_text()
    for wrong in (["export"], ["export", stored.pk, "--all", str(out)], ["apply"], ["apply", str(tmp_path / "none")]):
        assert run(*wrong).exit_code == 2
    empty = tmp_path / "empty"
    empty.mkdir()
    assert "has no files that end in" in run("apply", str(empty)).stderr
    assert run("export", "wf_x").exit_code == 1
    activation.pause(stored.pk)


def test_the_example_of_the_documentation_is_made(fresh: Warehouse) -> None:
    page = (Path(__file__).parents[1] / "docs" / "workflows.md").read_text(encoding="utf-8")
    [example] = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    connections.create("slack", "Team", {"bot_token": "xoxb-1234567890"})
    put(example)
    assert (Workflow.objects.get().key, Workflow.objects.get().state) == ("tell", "on")
