"""The workspace's time zone: who sets it, and what a day, a date and a week are in it."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.test import Client

from arrivals import clock
from arrivals.accounts import people, workspace
from arrivals.accounts.models import AuditEntry
from arrivals.audience import moments, reports, rows, segments, windows
from arrivals.errors import Invalid
from arrivals.warehouse import client as warehouse
from arrivals.warehouse.client import Warehouse
from tests import events

pytestmark = pytest.mark.django_db
PASSWORD = "a long password"
CHANGING = ["Europe/Berlin", "America/New_York", "America/Sao_Paulo", "Africa/Cairo", "Asia/Beirut", "America/Havana",
            "Australia/Lord_Howe", "Asia/Kathmandu", "Pacific/Apia", "UTC"]  # fmt: skip


def signed_in(role: str) -> Client:
    client = Client()
    client.force_login(people.create(f"{role}@example.com", password=PASSWORD, role=role))
    return client


def window(data: Any) -> tuple[str, str]:
    read = windows.parse(data, "range", Invalid)
    first, last = read.bounds(datetime(2026, 12, 1, tzinfo=UTC))
    assert first is not None
    return (clock.iso(datetime.fromtimestamp(first / 1000, UTC)), clock.iso(datetime.fromtimestamp(last / 1000, UTC)))


def test_until_it_is_set_it_is_utc_and_weeks_start_on_monday() -> None:
    assert workspace.settings() == workspace.Settings("UTC", "monday")
    assert workspace.first_day("week", date(2026, 11, 25)) == date(2026, 11, 23)


@pytest.mark.parametrize("name", ["Berlin", "europe/berlin", "+02:00", "posix/UTC", "localtime", "Mars/Base"])
def test_what_is_no_time_zone_is_refused(name: str) -> None:
    with pytest.raises(Invalid) as refusal:
        workspace.change(time_zone=name)
    assert refusal.value.path == "time_zone"
    assert workspace.time_zone() == "UTC"


def test_every_zone_that_may_be_chosen_is_known_to_the_warehouse(fresh: Warehouse) -> None:
    known = {name for (name,) in warehouse.warehouse().query("SELECT time_zone FROM system.time_zones")}
    assert set(workspace.time_zones()) <= known


def test_an_admin_changes_it_on_the_page_and_a_member_may_not() -> None:
    admin, member = signed_in("admin"), signed_in("member")
    assert member.get("/settings/workspace").status_code == 403
    assert member.post("/settings/workspace", {"time_zone": "UTC", "week_starts": "sunday"}).status_code == 403
    assert 'value="UTC"' in admin.get("/settings/workspace").content.decode()
    wrong = admin.post("/settings/workspace", {"time_zone": "Nowhere", "week_starts": "monday"})
    assert (wrong.status_code, "is not a time zone" in wrong.content.decode()) == (422, True)
    assert admin.post("/settings/workspace", {"time_zone": "Asia/Tokyo", "week_starts": "sunday"}).status_code == 302
    assert workspace.settings() == workspace.Settings("Asia/Tokyo", "sunday")
    assert workspace.first_day("week", date(2026, 11, 25)) == date(2026, 11, 22)
    assert AuditEntry.objects.get().details == {"time_zone": "Asia/Tokyo", "week_starts": "sunday"}


def test_the_page_tells_what_time_it_is_in_the_zone() -> None:
    admin = signed_in("admin")
    workspace.change(time_zone="Asia/Tokyo")
    with clock.standing(datetime(2026, 11, 25, 17, 37, tzinfo=UTC)):
        assert "Now it is Thursday, 02:37 in it." in admin.get("/settings/workspace").content.decode()


def test_an_admin_changes_it_over_the_api() -> None:
    admin = signed_in("admin")
    changed = admin.put("/api/v2/workspace", {"time_zone": "Europe/Berlin"}, content_type="application/json")
    assert changed.json() == {"time_zone": "Europe/Berlin", "week_starts": "monday"}
    assert admin.get("/api/v2/workspace").json() == changed.json()
    refused = admin.put("/api/v2/workspace", {"week_starts": "friday"}, content_type="application/json").json()
    assert (refused["code"], refused["path"]) == ("invalid", "week_starts")


def test_dates_without_a_time_are_whole_days_of_the_zone() -> None:
    workspace.change(time_zone="America/New_York")
    assert window({"since": "2026-01-31"})[0] == "2026-01-31T05:00:00.000Z"
    assert window({"between": ["2026-03-08", "2026-03-08"]}) == ("2026-03-08T05:00:00.000Z", "2026-03-09T03:59:59.999Z")
    assert window({"between": ["2026-11-01", "2026-11-01"]}) == ("2026-11-01T04:00:00.000Z", "2026-11-02T04:59:59.999Z")
    assert window({"since": "2026-01-31T12:00"})[0] == "2026-01-31T17:00:00.000Z"
    assert window({"since": "2026-01-31T12:00Z"})[0] == "2026-01-31T12:00:00.000Z"


def test_today_is_a_day_of_the_zone_also_where_clocks_change() -> None:
    workspace.change(time_zone="America/New_York")
    evening = datetime(2026, 3, 8, 2, tzinfo=UTC)  # still the 7th in New York
    said = {("today", False): "2026-03-07T05:00", ("today+1d", False): "2026-03-08T05:00"}
    said |= {("today+2d", False): "2026-03-09T04:00", ("today+1d", True): "2026-03-09T03:59"}
    said |= {("today+36h", False): "2026-03-08T17:00", ("now+1d", False): "2026-03-09T02:00"}
    for (text, last), expected in said.items():
        moment = moments.parse(text, last=last)
        assert moment is not None
        assert clock.iso(moment.at(evening))[:16] == expected, text


@pytest.mark.parametrize("name", CHANGING)
def test_a_day_is_the_same_here_and_in_the_warehouse(fresh: Warehouse, name: str) -> None:
    workspace.change(time_zone=name)
    first = date(2010, 1, 1)
    days = [first + timedelta(days=number) for number in range(6000)]
    starts = [round(workspace.midnight(day).timestamp()) for day in days]
    found = fresh.query(
        "SELECT toDate(toDateTime(s, 'UTC'), {zone:String}), toDate(toDateTime(s - 1, 'UTC'), {zone:String}) "
        "FROM (SELECT arrayJoin({starts:Array(UInt32)}) AS s)",
        {"starts": starts, "zone": name},
    )
    wrong = []
    for day, start, (its, before) in zip(days, starts, found, strict=True):
        skipped = workspace.day(datetime.fromtimestamp(start, UTC)) != day  # Apia had no 30 December 2011
        if not skipped and not (its == day and before < day):
            wrong.append((day, its, before))
    assert wrong == []


def test_days_active_are_days_of_the_zone(fresh: Warehouse) -> None:
    # Two events of one day in UTC, on two days in Berlin; two of two days in UTC, on one in New York.
    events.add(fresh, ("ann", "track", "x", datetime(2026, 5, 1, 12, tzinfo=UTC)))
    events.add(fresh, ("ann", "track", "x", datetime(2026, 5, 1, 23, tzinfo=UTC)))
    events.add(fresh, ("bob", "track", "x", datetime(2026, 5, 1, 23, tzinfo=UTC)))
    events.add(fresh, ("bob", "track", "x", datetime(2026, 5, 2, 1, tzinfo=UTC)))
    columns = ["visitor.id", "metric.days_active"]
    report = reports.create({"name": "All", "range": {"between": ["2026-04-29", "2026-05-04"]}, "columns": columns})
    rule = {"kind": "visitor", "field": "metric.days_active", "op": "is", "value": 2}
    said = {
        "UTC": {"ann": 1, "bob": 2},
        "Europe/Berlin": {"ann": 2, "bob": 1},
        "America/New_York": {"ann": 1, "bob": 1},
    }
    for name, days in said.items():
        workspace.change(time_zone=name)
        assert {row["visitor.id"]: row["metric.days_active"] for row in rows.page(report).items} == days
        two = [visitor for visitor, number in days.items() if number == 2]
        assert segments.preview({"all": [{"any": [rule]}]}).sample == two


def test_dates_in_metadata_and_times_of_visits_are_compared_in_the_zone(fresh: Warehouse) -> None:
    workspace.change(time_zone="America/New_York")
    events.add(fresh, ("ann", "track", "x", datetime(2026, 5, 2, 3, 30, tzinfo=UTC)))  # the 1st in New York
    events.metadata(fresh, "ann", datetime(2026, 5, 2, tzinfo=UTC), trial_ends="2026-05-09")
    asked = {
        ("metric.first_visit", "lt", "2026-05-02"): 1,
        ("metric.first_visit", "lt", "2026-05-01"): 0,
        ("agent.trial_ends", "between", ("2026-05-09", "2026-05-09")): 1,
        ("agent.trial_ends", "lt", "2026-05-09"): 0,
    }
    for (field, op, value), number in asked.items():
        rule = {"kind": "visitor", "field": field, "op": op, "value": list(value) if op == "between" else value}
        assert segments.preview({"all": [{"any": [rule]}]}).count == number, (field, op, value)
