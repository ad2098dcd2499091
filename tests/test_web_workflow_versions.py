"""The pages of a workflow's versions, of what would run, and of why it did or did not."""

import re

import pytest
from django.test import Client

from arrivals.accounts import people
from arrivals.warehouse.client import Warehouse
from arrivals.watch import checks
from arrivals.workflows import activation, workflows
from arrivals.workflows.models import Workflow
from tests import makers


@pytest.fixture
def ada(fresh: Warehouse) -> Client:
    client = Client()
    client.force_login(people.create("ada@example.com", password="a long password", role="member"))
    return client


def text(client: Client, path: str, status: int = 200) -> str:
    answer = client.get(path)
    assert answer.status_code == status, answer.content
    return re.sub(r"\s+", " ", answer.content.decode())


def test_a_draft_is_compared_published_with_a_note_and_taken_back(ada: Client, fresh: Warehouse) -> None:
    report, other = makers.report("One"), makers.report("Two")
    makers.come(fresh, "ann", "bob")
    workflow = makers.workflow(report)
    activation.activate(workflow.id)
    place = f"/workflows/{workflow.id}"
    workflows.save_draft(workflow.id, makers.definition(other, makers.post("<b>two</b>")), by="bob@example.com")
    page = text(ada, place)
    assert "Step tell: inputs.text from “{{ visitor.id }}” to “&lt;b&gt;two&lt;/b&gt;”." in page
    assert "bob@example.com" in page
    assert f'{place}/numbers" hx-trigger="dialog-opened, change from:#publication-since' in page
    assert "<b>Run for all 2</b>" in text(ada, f"{place}/numbers?of=draft")
    assert "“Two”" in text(ada, f"{place}/numbers?of=draft")
    assert re.findall(r'href="/visitors/(\w+)"', text(ada, f"{place}/will-run?existing=run&of=draft")) == ["ann", "bob"]
    compared = text(ada, f"{place}/compare")
    assert "<ins>+ &quot;inputs&quot;" in compared or "&lt;b&gt;two&lt;/b&gt;" in compared
    assert "<b>two</b>" not in compared
    late = ada.post(f"{place}/publish", {"revision": "1"})
    assert "bob@example.com changed the draft since you began" in text(ada, late["Location"])
    ada.post(f"{place}/publish", {"revision": "2", "existing": "skip", "untested": "on", "note": "To the\nothers"})
    listed = text(ada, f"{place}/versions")
    assert "To the<br>others" in listed
    assert "Trigger: from when a visitor is new on the report “One”" in listed
    back = text(ada, f"{place}/compare?from=1&to=2")
    assert "Make it run, as version 3" in back
    assert f'hx-get="{place}/numbers"' in back
    ada.post(f"{place}/rollback", {"version": "1", "draft": "1"})
    assert workflows.get(workflow.id).draft is not None
    ada.post(f"{place}/discard", {"revision": str(workflows.get(workflow.id).revision)})
    ada.post(f"{place}/rollback", {"version": "1", "existing": "skip"})
    assert (workflows.get(workflow.id).version.number, workflows.get(workflow.id).draft) == (3, None)  # type: ignore[union-attr]
    assert "what version 1 was" in text(ada, f"{place}/versions")
    assert "They are the same" in text(ada, f"{place}/compare?from=1&to=3")
    text(ada, f"{place}/compare?from=9&to=3", 404)


def test_the_form_refuses_what_somebody_else_changed_and_keeps_what_was_typed(ada: Client) -> None:
    report = makers.report()
    workflow = makers.workflow(report)
    activation.activate(workflow.id)
    place = f"/workflows/{workflow.id}/edit"
    assert 'name="revision" value="1"' in text(ada, place)
    workflows.save_draft(workflow.id, makers.definition(report, makers.post("bob")), by="bob@example.com")
    definition = '{"name": "Mine", "trigger": {"kind": "manual"}, "steps": []}'.replace(
        '"steps": []', '"steps": [{"id": "t", "type": "delay", "for": "1h"}]'
    )
    refused = ada.post(place, {"definition": definition, "revision": "1"})
    page = refused.content.decode()
    assert refused.status_code == 422
    assert "bob@example.com changed the draft since you began" in page
    assert "&quot;Mine&quot;" in page
    assert 'name="revision" value="1"' in page
    assert ada.post(place, {"definition": definition, "revision": "1", "keep": "1"}).status_code == 422
    assert workflows.get(workflow.id).draft_by == "bob@example.com"
    assert ada.post(place, {"definition": definition, "revision": "2"}).status_code == 302


def test_what_would_have_run_and_why_it_did_not_are_parts_of_the_page(ada: Client, fresh: Warehouse) -> None:
    report = makers.report()
    makers.come(fresh, "ann")
    workflow: Workflow = makers.workflow(report)
    place = f"/workflows/{workflow.id}"
    assert "it would have started <b>0</b> times in the past" in text(ada, f"{place}/dry-run")
    assert "Who would run now?" in text(ada, f"{place}/numbers")
    assert "Nobody." in text(ada, f"{place}/will-run?existing=skip")
    activation.activate(workflow.id)
    checks.check(report.id)
    assert "This one was on the report when it was first looked at" in text(ada, f"{place}/why?visitor=ann")
    assert f'hx-get="{place}/why"' in text(ada, place)
