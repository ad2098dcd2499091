"""Floods: more arrivals at once than anybody expects are held, told of, and released or discarded by a person."""

import dataclasses
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from django.test import Client

from arrivals import clock, config
from arrivals.accounts import people
from arrivals.engine import enqueue, floods
from arrivals.engine.models import Notice, Run
from arrivals.warehouse.client import Warehouse
from arrivals.watch import checks
from arrivals.workflows import activation, workflows
from arrivals.workflows.models import Workflow
from tests import makers


@pytest.fixture(autouse=True)
def five(monkeypatch: pytest.MonkeyPatch) -> None:
    real = config.current()
    assert real.flood == 100
    monkeypatch.setattr(config, "current", lambda: dataclasses.replace(real, flood=5))


def on(fresh: Warehouse, existing: str = "skip", **more: Any) -> Workflow:
    made = makers.workflow(makers.report(), **more)
    activation.activate(made.id, existing)
    return made


def arrive(store: Warehouse, workflow: Workflow, number: int, name: str = "v") -> None:
    makers.come(store, *(f"{name}{index}" for index in range(number)))
    checks.check(workflow.report_id or "")
    enqueue.enqueue_all()


def states(**where: Any) -> dict[tuple[str, str], int]:
    counted: dict[tuple[str, str], int] = {}
    for state, held_for in Run.objects.filter(**where).values_list("state", "held_for"):
        counted[state, held_for] = counted.get((state, held_for), 0) + 1
    return counted


def test_so_many_run_and_one_more_is_a_flood(fresh: Warehouse) -> None:
    workflow = on(fresh)
    arrive(fresh, workflow, 5)
    assert states() == {("waiting", ""): 5}
    workflow = on(fresh)
    arrive(fresh, workflow, 6, "w")
    assert states(workflow=workflow) == {("held", "flood"): 6}
    assert not Run.objects.filter(workflow=workflow, due__isnull=False).exists()


def test_a_flood_of_several_batches_is_held_from_its_first(fresh: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(enqueue, "BATCH", 4)
    workflow = on(fresh)
    people.create("ada@example.com", password="a long password", role="admin")
    arrive(fresh, workflow, 11)
    assert states() == {("held", "flood"): 11}
    assert list(Notice.objects.values_list("kind", flat=True)) == ["flood_held"], "one notice for one flood"


def test_arrivals_that_are_seen_one_by_one_count_together_for_a_minute(fresh: Warehouse) -> None:
    workflow = on(fresh)
    for number in range(8):
        arrive(fresh, workflow, 1, f"v{number}_")
    assert states() == {("waiting", ""): 5, ("held", "flood"): 3}
    Workflow.objects.filter(pk=workflow.pk).update(burst_at=clock.now() - timedelta(seconds=61))
    arrive(fresh, workflow, 1, "later")
    assert states() == {("waiting", ""): 6, ("held", "flood"): 3}


def test_those_that_were_chosen_at_the_activation_are_no_flood(fresh: Warehouse) -> None:
    report = makers.report()
    makers.come(fresh, *(f"v{index}" for index in range(20)))
    workflow = makers.workflow(report)
    activation.activate(workflow.id, "run")
    enqueue.enqueue_all()
    assert states() == {("waiting", ""): 20}
    arrive(fresh, workflow, 5, "w")
    assert states() == {("waiting", ""): 25}


def test_those_that_were_chosen_at_a_resume_are_no_flood_and_who_comes_after_them_may_be_one(fresh: Warehouse) -> None:
    workflow = on(fresh)
    activation.pause(workflow.id)
    arrive(fresh, workflow, 8)
    activation.resume(workflow.id, "run")
    makers.come(fresh, *(f"w{index}" for index in range(6)))
    checks.check(workflow.report_id or "")
    enqueue.enqueue_all()
    assert states() == {("waiting", ""): 8, ("held", "flood"): 6}


@pytest.mark.parametrize(("own", "held"), [(0, 0), (7, 0), (2, 3)])
def test_a_workflow_may_have_its_own_limit(fresh: Warehouse, own: int, held: int) -> None:
    workflow = on(fresh, flood=own)
    arrive(fresh, workflow, 7 if own != 2 else 3)
    assert states().get(("held", "flood"), 0) == held


def test_who_does_not_run_by_the_re_entry_policy_is_part_of_no_flood(fresh: Warehouse) -> None:
    workflow = on(fresh)
    arrive(fresh, workflow, 5)
    makers.leave(fresh, *(f"v{index}" for index in range(5)))
    checks.check(workflow.report_id or "")
    arrive(fresh, workflow, 5)
    assert states() == {("waiting", ""): 5}


def test_the_page_says_how_many_are_held_and_releases_or_discards_them(fresh: Warehouse) -> None:
    workflow = on(fresh)
    arrive(fresh, workflow, 9)
    client = Client()
    client.force_login(people.create("ada@example.com", password="a long password", role="member"))
    page = f"/workflows/{workflow.id}"
    text = client.get(page).content.decode()
    assert "9 arrived at once and are held" in text
    assert "more than 5" in text
    assert client.post(f"{page}/held/release", {"for": "flood"}).status_code == 302
    dues = sorted(run.due for run in Run.objects.all() if run.due)
    assert len(dues) == 9
    assert all(0.9 < (later - sooner).total_seconds() < 1.1 for sooner, later in pairwise(dues))
    assert "at once and are held" not in client.get(page).content.decode()
    arrive(fresh, workflow, 2, "w")
    assert states() == {("waiting", ""): 9, ("held", "flood"): 2}, "what else comes of a flood is held with it"
    client.post(f"{page}/held/discard", {"for": "flood"})
    assert states() == {("waiting", ""): 9, ("cancelled", ""): 2}


def test_limits_of_a_workflow_are_set_on_its_page_and_make_a_version(fresh: Warehouse) -> None:
    workflow = on(fresh)
    client = Client()
    client.force_login(people.create("ada@example.com", password="a long password", role="member"))
    page = f"/workflows/{workflow.id}"
    assert client.post(f"{page}/limits", {"concurrency": "1", "flood": "500"}).status_code == 302
    changed = workflows.get(workflow.id)
    assert changed.version is not None
    assert changed.version.number == 2
    assert (changed.concurrency, changed.version.definition["concurrency"], floods.most(changed)) == (1, 1, 500)
    assert changed.state == "on"
    assert 'value="500"' in client.get(page).content.decode()
    client.post(f"{page}/limits", {"concurrency": "1", "flood": "500"})
    assert workflows.get(workflow.id).version_id == changed.version_id, "the same makes no version"
    client.post(f"{page}/limits", {"concurrency": "many", "flood": ""})
    assert workflows.get(workflow.id).version_id == changed.version_id
    client.post(f"{page}/limits", {"concurrency": "", "flood": "0"})
    assert (workflows.get(workflow.id).concurrency, floods.most(workflows.get(workflow.id))) == (0, 0)


def test_a_draft_gets_the_limits_too(fresh: Warehouse) -> None:
    workflow = on(fresh)
    assert workflow.version is not None
    workflows.save_draft(workflow.id, {**workflow.version.definition, "name": "Draft"})
    workflows.limit(workflow.id, concurrency=4, flood=None)
    kept = workflows.get(workflow.id)
    assert kept.draft is not None
    assert (kept.draft["name"], kept.draft["concurrency"]) == ("Draft", 4)
