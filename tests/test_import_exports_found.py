"""Exports as they are found: what each row becomes where products, warehouses and senders write otherwise than documented.

Each row has the shape of one of a real file; its values are made up.
"""

import json
import math
from typing import Any

import pytest

from arrivals.collect import formats
from arrivals.collect.event import MOST_FIELDS, Event, identifier
from arrivals.collect.formats.common import moment
from arrivals.errors import InvalidEvent
from tests.exports import AMPLITUDE, ga4, known, mixpanel, ms, param, posthog, properties, read

MAY = "2022-05-17T22:05:48"


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (1652825148, f"{MAY}Z"),
        (1652825148.002, f"{MAY}.002Z"),
        ("1652825148.002", f"{MAY}.002Z"),
        (1652825148123, f"{MAY}.123Z"),
        (1652825148123999, f"{MAY}.123Z"),
        (1652825148123999999, f"{MAY}.123Z"),
        ("1652825148123999", f"{MAY}.123Z"),
        ("2022-05-17 22:05:48.123 UTC", f"{MAY}.123Z"),
        ("2022-05-17 22:05:48.123 Z", f"{MAY}.123Z"),
        ("2022-05-18 03:35:48.123 +0530", f"{MAY}.123Z"),
        ("2022-05-17 22:05:48+00", f"{MAY}Z"),
        ("2022-05-17 22:05:48.123456789", f"{MAY}.123Z"),
    ],
)
def test_a_time_is_read_in_any_unit_and_with_any_zone(told: Any, expected: str) -> None:
    assert moment(told, "time") == ms(expected)


def test_every_thousandth_of_a_second_is_read_from_a_fraction() -> None:
    """1721228056.002 is a float, and most of them lie a little below the thousandth."""
    assert [moment((1721228056000 + n) / 1000, "time") - 1721228056000 for n in range(1000)] == list(range(1000))


@pytest.mark.parametrize("told", [math.nan, math.inf, True, [], "soon"])
def test_what_is_no_time_is_refused(told: Any) -> None:
    with pytest.raises(InvalidEvent):
        moment(told, "time")


def test_an_id_that_is_a_number_keeps_all_its_digits_or_is_refused() -> None:
    assert read("mixpanel", mixpanel("x", distinct_id=9007199254740993)).visitor_id == "9007199254740993"
    assert identifier(12345.0, "user_id") == "12345"
    with pytest.raises(InvalidEvent, match="lost digits"):
        identifier(1.2345678901234568e23, "user_id")


NOBODY = ["null", "undefined", "None", "NaN", "[object Object]", "00000000-0000-0000-0000-000000000000"]


@pytest.mark.parametrize("nobody", NOBODY)
def test_an_id_that_means_nobody_links_no_devices(nobody: str) -> None:
    events = [
        read("amplitude", {**AMPLITUDE, "user_id": nobody}),
        read("mixpanel", mixpanel("x", distinct_id="dev-1", **{"$device_id": "dev-1", "$user_id": nobody})),
        read("posthog", posthog("$identify", "dev-1", **{"$anon_distinct_id": nobody})),
        read("ga4", ga4("x", user_id=nobody, user_pseudo_id="dev-1")),
        read("segment", {"type": "track", "event": "x", "userId": nobody, "anonymousId": "dev-1", "messageId": "m"}),
    ]
    assert [(event.visitor_id, event.alias_id) for event in events] == [("dev-1", "")] * 5


def test_somebody_with_hundreds_of_traits_keeps_the_event_and_the_traits() -> None:
    many = {f"$initial_{n}": n for n in range(MOST_FIELDS + 50)}
    event = read("posthog", {**posthog("x"), "person_properties": {**many, "x" * 200: 1, " ": 2}})
    assert len(event.visitor_fields) == MOST_FIELDS + 50
    endless = read("posthog", {**posthog("x"), "person_properties": {f"f{n}": n for n in range(5_000)}})
    assert (endless.name, len(endless.visitor_fields)) == ("x", 1_000)


def test_columns_in_capitals_are_those_of_snowflake() -> None:
    row = {"ID": "m9", "ANONYMOUS_ID": "a9", "USER_ID": "u1", "EVENT": "order_completed", "EVENT_TEXT": "Order Completed",
           "RECEIVED_AT": "2020-01-01 10:00:00.000 Z", "TIMESTAMP": "2020-01-01 09:59:00.000", "REVENUE": 3,
           "CONTEXT_PAGE_URL": "https://x.example/"}  # fmt: skip
    event = read("segment", row)
    assert (event.name, event.visitor_id, event.alias_id, event.url, event.message_id) == (
        "Order Completed", "u1", "a9", "https://x.example/", "m9",
    )  # fmt: skip
    assert (event.ts, properties(event)) == (ms("2020-01-01T09:59:00Z"), {"revenue": 3})


def test_what_a_server_tells_of_a_group_is_of_the_account_and_of_no_visitor() -> None:
    told = {"$group_type": "company", "$group_key": "acme", "$group_set": {"seats": 7}}
    events = [
        read("posthog", posthog("$groupidentify", "$company_acme", **told)),
        read("posthog", posthog("$groupidentify", "company_acme", **told)),
        read("amplitude", {**AMPLITUDE, "event_type": "$groupidentify", "user_id": None, "device_id": None}),
    ]
    for event in events:
        assert (event.kind, event.visitor_id, event.account_id) == ("", "", "acme")
        assert [(field.name, field.value) for field in event.account_fields] == [("seats", "7")]
        assert event.visitor_fields == ()
    somebody = read("posthog", posthog("$groupidentify", "ada", **told))
    assert (somebody.kind, somebody.visitor_id) == ("group", "ada")


# Mixpanel


def test_mixpanels_profile_of_merged_ids_and_its_user_are_one() -> None:
    """Before 2023 the exported distinct_id, and that of the profile, was one of the merged ids, not always the user's."""
    late = mixpanel("x", distinct_id="225CC746", **{"$device_id": "48B5", "$user_id": "324172", "$distinct_id_before_identity": "324172"})  # fmt: skip
    early = mixpanel("x", distinct_id="225CC746", **{"$device_id": "48B5"})
    assert [(event.visitor_id, event.alias_id) for event in (read("mixpanel", late), read("mixpanel", early))] == [
        ("324172", "225CC746"), ("225CC746", "48B5"),
    ]  # fmt: skip


def test_mixpanels_merge_needs_no_distinct_id() -> None:
    event = read("mixpanel", mixpanel("$merge", **{"$distinct_ids": ["m1", "m2"]}))
    assert (event.visitor_id, event.alias_id, event.overrides) == ("m1", "m2", True)
    old = read("mixpanel", mixpanel("$identify", distinct_id="u8", **{"$anon_distinct_id": "$device:a8"}))
    assert (old.visitor_id, old.alias_id) == ("u8", "a8")


@pytest.mark.parametrize(
    "row",
    [
        {
            "$distinct_id": "u",
            "$properties": {"$email": "u@x.example", "plan": "pro", "$last_seen": "2025-01-15T14:30:00"},
        },
        {"$distinct_id": "u", "$email": "u@x.example", "plan": "pro", "$last_seen": "2025-01-15T14:30:00", "empty": ""},
        {"distinct_id": "u", "properties": {"email": "u@x.example", "plan": "pro"}, "last_seen": "2025-01-15T14:30:00"},
    ],
    ids=["the export", "as CSV", "a library's"],
)
def test_a_profile_of_mixpanel_is_read_however_it_was_written(row: dict[str, Any]) -> None:
    event = read("mixpanel", row)
    assert (event.kind, event.visitor_id, event.ts) == ("", "u", ms("2025-01-15T14:30:00Z"))
    assert {name: value for name, value in known(event).items() if name != "last_seen"} == {
        "email": "u@x.example", "plan": "pro",
    }  # fmt: skip


# PostHog


def test_a_person_who_was_deleted_does_not_come_back() -> None:
    row = {"distinct_id": "u", "person_id": "p", "properties": '{"plan":"pro"}', "created_at": "2026-01-31T12:00:00Z"}
    assert read("posthog", {**row, "is_deleted": False}).visitor_id == "u"
    with pytest.raises(InvalidEvent, match="deleted"):
        read("posthog", {**row, "is_deleted": True})


CHAIN = (
    'button.btn.hover:bg-x:attr__class="btn hover:bg-x"attr__type="button"nth-child="1"nth-of-type="1"text="Upload";'
    'div.flex:attr__class="flex"nth-child="1"nth-of-type="1";body:nth-child="2"nth-of-type="1"'
)


@pytest.mark.parametrize("times", [0, 1, 2])
def test_a_click_exported_to_a_warehouse_has_its_element_in_another_column(times: int) -> None:
    chain = CHAIN
    for _ in range(times):  # as Snowflake, BigQuery and Postgres have it
        chain = json.dumps(chain)
    row = {**posthog("$autocapture", **{"$event_type": "click"}), "elements": chain, "people_set": '{"team": "x"}'}
    event = read("posthog", row)
    assert (event.kind, event.name) == ("click", 'button "Upload"')
    assert properties(event)["path"] == ["button.btn.hover:bg-x[type=button]", "div.flex", "body"]
    assert known(event) == {"team": "x"}


def test_elements_that_are_none_cost_only_themselves() -> None:
    for elements in ("", "[]", '"', "null", [], None, '{"a": 1}'):
        event = read("posthog", {**posthog("$autocapture", **{"$event_type": "click"}), "elements": elements})
        assert event.kind == "click"


# Google Analytics 4


def test_parameters_written_as_text_are_read() -> None:
    told = [param("page_title", string_value="Pay"), {"key": "all_data", "value": None}]
    row = ga4("page_view", *told, user_properties=[param("plan", string_value="pro")], items=[{"item_id": "sku"}])
    texts = {
        key: json.dumps(value, indent=2) if isinstance(value, list | dict) else value for key, value in row.items()
    }
    plain, written = read("ga4", row), read("ga4", texts)
    assert written == plain
    assert (written.name, known(written)) == ("Pay", {"plan": "pro"})
    assert read("ga4", {key.upper(): value for key, value in texts.items()}) == plain


@pytest.mark.parametrize("wrong", ["{nope", "7", 7])
def test_parameters_that_cannot_be_read_refuse_the_event_and_are_not_lost(wrong: Any) -> None:
    with pytest.raises(InvalidEvent, match="event_params"):
        read("ga4", {**ga4("x"), "event_params": wrong})


def test_equal_events_of_one_batch_are_told_apart_by_their_place_in_it() -> None:
    def scroll(**more: Any) -> Event:
        return read("ga4", ga4("scroll", param("percent", int_value="90"), **more))

    place = {"batch_page_id": "1611797508519", "batch_ordering_id": "1"}
    ids = [scroll(**place, batch_event_index=index).message_id for index in ("1", "2")]
    assert ids[0] != ids[1]
    assert ids[0] == scroll(**{key: int(value) for key, value in place.items()}, batch_event_index=1).message_id
    assert scroll().message_id == scroll(batch_page_id=None, batch_event_index=None).message_id


def test_an_order_and_the_apps_version_are_kept() -> None:
    event = read("ga4", ga4("purchase", ecommerce={"transaction_id": "T1", "purchase_revenue": 12.0, "tax_value": None, "coupon": "(not set)"},
                            app_info={"id": "com.x", "version": "1.2.8", "install_source": "y"}, device="macOS"))  # fmt: skip
    told = properties(event)
    assert told["ecommerce"] == {"transaction_id": "T1", "purchase_revenue": 12.0}
    assert told["app_info"] == {"id": "com.x", "version": "1.2.8"}


def test_a_row_without_consent_names_nobody_and_is_refused() -> None:
    with pytest.raises(InvalidEvent, match="tells no visitor"):
        read("ga4", ga4("page_view", user_pseudo_id=None, privacy_info={"analytics_storage": "No"}))


# Segment


def test_a_user_whose_page_is_known_is_no_page_view() -> None:
    event = read("segment", {"id": "w1", "email": "w@x.example", "url": "https://me.example", "received_at": "2023-01-01 00:00:00 UTC"})  # fmt: skip
    assert (event.kind, event.visitor_id, known(event)) == ("", "w1", {"email": "w@x.example", "url": "https://me.example"})  # fmt: skip


@pytest.mark.parametrize(
    ("table", "kind"), [("screens.csv", "screen"), ("screens-000.gz", "screen"), ("identifies.csv", "identify")]
)
def test_the_files_name_tells_screens_from_identifies(table: str, kind: str) -> None:
    row = {"id": "m", "anonymous_id": "a", "user_id": "u", "name": "Main", "received_at": "2023-01-01 00:00:00 UTC"}
    event = formats.event({"from": "segment"}, "src_1", row, row_id="r", received_at=ms("2024-01-01"), table=table)
    assert (event.kind, known(event).get("name")) == (kind, None if kind == "screen" else "Main")
