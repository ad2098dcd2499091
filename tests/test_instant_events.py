"""The trigger "event": a run for each event that comes in and matches, once, whatever dies."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from arrivals import clock
from arrivals.audience import segments
from arrivals.engine import event_runs, incoming
from arrivals.engine.incoming import Incoming
from arrivals.engine.models import Run
from arrivals.errors import Conflict, InvalidDefinition
from arrivals.warehouse import recent
from arrivals.warehouse.client import Warehouse
from arrivals.workflows import activation, workflows
from arrivals.workflows.models import Workflow
from tests import events, makers

BOUGHT = {"kind": "track", "name": "bought", "where": [{"property": "price", "op": "gt", "value": 10}]}


def on(event: dict[str, Any] | None = None, reentry: Any = "each_return", **more: Any) -> Workflow:
    trigger = {"kind": "event", "event": event or BOUGHT, **more}
    made = workflows.create({"name": "Tell", "trigger": trigger, "reentry": reentry, "steps": [makers.post()]})
    activation.activate(made.id)
    return made


def bought(store: Warehouse, visitor: str, price: int = 20, at: datetime | None = None, **more: Any) -> str:
    [message] = events.add(store, (visitor, "track", "bought", at or clock.now(), {"price": price, **more}))
    return message


def ran() -> list[str]:
    return list(Run.objects.order_by("created_at", "id").values_list("input__visitor__id", flat=True))


def looked(one: Incoming | None = None) -> Incoming:
    """As a runner that was started: the first look takes the cursor."""
    one = one or Incoming()
    one.look()
    return one


def test_each_matching_event_starts_one_run_with_what_it_is_about(fresh: Warehouse) -> None:
    on()
    one = looked()
    events.metadata(fresh, "ada", clock.now(), email="ada@example.com")
    message = bought(fresh, "ada", 20)
    bought(fresh, "ada", 5)
    events.add(fresh, ("ada", "track", "sold", clock.now(), {"price": 20}, "acme"))
    assert one.look() == 1
    run = Run.objects.get()
    assert (run.kind, run.member, run.entry) == ("evt", f"src_t:{message}", 1)
    assert run.input["visitor"] == {"id": "ada", "agent": {"email": "ada@example.com"}}
    assert run.input["account"]["id"] == "acme"
    shown = run.input["event"]
    assert (shown["kind"], shown["name"], shown["id"]) == ("track", "bought", message)
    assert shown["properties"] == {"price": 20}
    assert one.look() == 0


def test_a_repeated_look_from_an_old_cursor_makes_no_run_again(fresh: Warehouse) -> None:
    on()
    one = looked()
    for number in range(5):
        bought(fresh, f"v{number}")
    assert one.look() == 5
    incoming.Cursor.objects.update(received=0)
    incoming.forget_leases()
    assert Incoming().look() == 0
    assert Run.objects.count() == 5


def test_killed_between_the_runs_and_the_end_of_the_look_nothing_doubles_or_is_lost(
    fresh: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    on()
    looked()
    for number in range(7):
        bought(fresh, f"v{number}")
    monkeypatch.setattr("arrivals.audience.happenings.PAGE", 2)
    insert, calls = event_runs.insert, []

    def die(*given: Any) -> int:
        made = insert(*given)
        calls.append(made)
        if len(calls) % 2 == 0:
            raise RuntimeError("killed")
        return made

    monkeypatch.setattr(event_runs, "insert", die)
    for _ in range(10):
        incoming.forget_leases()
        try:
            Incoming().look()
        except RuntimeError:
            continue
        break
    monkeypatch.setattr(event_runs, "insert", insert)
    incoming.forget_leases()
    Incoming().look()
    assert sorted(ran()) == [f"v{number}" for number in range(7)]


def test_what_came_in_while_no_runner_was_there_is_not_missed(fresh: Warehouse) -> None:
    on()
    looked().release()
    bought(fresh, "ada")
    fresh.command("TRUNCATE TABLE recent")  # it fell out of what is kept in memory
    recent.disturb()
    assert Incoming().look() == 1


def test_another_epoch_is_gone_through_from_the_events(fresh: Warehouse) -> None:
    on()
    one = looked()
    bought(fresh, "ada")
    fresh.command("TRUNCATE TABLE recent")
    recent.disturb()
    assert one.look() == 1
    bought(fresh, "bob")
    assert (one.look(), one.look()) == (1, 0)


def test_an_event_up_to_30_days_late_runs_and_an_older_one_does_not(fresh: Warehouse) -> None:
    on()
    one = looked()
    now = clock.now()
    rows = [
        ["src_t", n, f"late{n}", "track", "bought", f"d{days}", "", now - timedelta(days=days), now, "", '{"price":20}']
        for n, days in enumerate((29, 31), 10**6)
    ]
    fresh.insert("events", rows, events.EVENT)
    one.look()
    assert ran() == ["d29"]


def test_history_that_is_imported_starts_nothing(fresh: Warehouse) -> None:
    on()
    one = looked()
    now = clock.now()
    row = ["src_t", 10**7, "past", "track", "bought", "ada", "", now, now, "", '{"price":20}', True]
    fresh.insert("events", [row], (*events.EVENT, "history"))
    assert one.look() == 0


@pytest.mark.parametrize(
    ("policy", "times"), [("never", 1), ("each_return", 3), ({"every_days": 1}, 1)], ids=["never", "each", "days"]
)
def test_the_reentry_policy_is_asked_for_each_visitor(fresh: Warehouse, policy: Any, times: int) -> None:
    on(reentry=policy)
    one = looked()
    bought(fresh, "ada")
    bought(fresh, "ada")
    one.look()
    bought(fresh, "ada")
    bought(fresh, "bob")
    one.look()
    assert (ran().count("ada"), ran().count("bob")) == (times, 1)


def test_an_anonymous_visitor_who_is_known_later_is_the_same(fresh: Warehouse) -> None:
    on(reentry="never")
    one = looked()
    bought(fresh, "anon")
    one.look()
    events.link(fresh, "anon", "ada")
    bought(fresh, "ada")
    bought(fresh, "anon")
    one.look()
    assert ran() == ["anon"]


def test_only_those_of_the_segment_run(fresh: Warehouse) -> None:
    rules = {"all": [{"any": [{"kind": "visitor", "field": "agent.plan", "op": "is", "value": "pro"}]}]}
    on(segment=segments.create("Pro", rules).id)
    one = looked()
    events.metadata(fresh, "ada", clock.now(), plan="pro")
    events.metadata(fresh, "bob", clock.now(), plan="free")
    events.link(fresh, "anon", "ada")
    for visitor in ("ada", "bob", "anon"):
        bought(fresh, visitor)
    one.look()
    assert sorted(ran()) == ["ada", "ada"]


def test_a_segment_that_a_trigger_names_is_not_deleted(fresh: Warehouse) -> None:
    pro = segments.create("Pro", {"all": []})
    on(segment=pro.id)
    with pytest.raises(Conflict, match="The workflow 'Tell' uses it"):
        segments.delete(pro.id)


def test_events_before_the_activation_do_not_count_and_those_right_after_do(fresh: Warehouse) -> None:
    other = on({"kind": "track", "name": "other"})
    one = looked()
    bought(fresh, "before")
    assert other.id
    on()
    bought(fresh, "after")
    one.look()
    assert ran() == ["after"]


def test_an_event_between_a_look_and_an_activation_that_was_under_way_is_not_passed_over(fresh: Warehouse) -> None:
    """The row of the workflow is seen only after the event was passed over."""
    on({"kind": "track", "name": "other"})
    one = looked()
    made = on()
    Workflow.objects.filter(pk=made.id).update(state="off")
    bought(fresh, "ada")
    assert one.look() == 0
    Workflow.objects.filter(pk=made.id).update(state="on")
    assert one.look() == 1


def test_while_paused_nothing_runs_and_resuming_asks_with_a_number(fresh: Warehouse) -> None:
    from arrivals.engine import enqueue

    made = on()
    one = looked()
    bought(fresh, "ada")
    one.look()
    activation.pause(made.id)
    bought(fresh, "bob")
    bought(fresh, "cai")
    one.look()
    assert ran() == ["ada"]
    assert activation.numbers(made.id)["will_run"] == {"skip": 0, "run": 2, "since": None}
    assert activation.resume(made.id, "run").will_run == 2
    bought(fresh, "dan")
    one.look()
    assert enqueue.enqueue_all() == 2
    assert sorted(ran()) == ["ada", "bob", "cai", "dan"]
    activation.pause(made.id)
    bought(fresh, "eve")
    assert activation.resume(made.id, "skip").will_run == 0
    one.look()
    enqueue.enqueue_all()
    assert sorted(ran()) == ["ada", "bob", "cai", "dan"]


def test_of_two_runners_one_looks_and_the_other_takes_over(fresh: Warehouse) -> None:
    on()
    one, other = looked(), Incoming()
    bought(fresh, "ada")
    assert (other.look(), one.look()) == (0, 1)
    bought(fresh, "bob")
    incoming.Cursor.objects.update(lease=clock.now() - timedelta(seconds=1))
    assert (other.look(), ran()) == (1, ["ada", "bob"])


@pytest.mark.parametrize(
    ("event", "path"),
    [
        ({"kind": "visitor"}, "trigger.event.kind"),
        ({"kind": "track"}, "trigger.event.name"),
        ({"kind": "track", "name": "x", "times": {"at_least": 2}}, "trigger.event.times"),
        ({"kind": "track", "name": "x", "where": [{"property": "p"}]}, "trigger.event.where[0].op"),
    ],
)
def test_a_wrong_event_is_refused_with_its_path(fresh: Warehouse, event: dict[str, Any], path: str) -> None:
    with pytest.raises(InvalidDefinition) as refused:
        on(event)
    assert refused.value.path == path
