"""Exports of other products: what each row becomes.

The rows are written by the products' documentation, which the readers name.
"""

import json
from typing import Any

import pytest

from arrivals.collect import formats
from arrivals.collect.event import Field
from arrivals.errors import Invalid, InvalidEvent
from tests.exports import (
    AMPLITUDE,
    MIXPANEL,
    POSTHOG,
    SEGMENT,
    ga4,
    known,
    mixpanel,
    ms,
    param,
    posthog,
    properties,
    read,
)

# Segment


def test_a_call_of_segments_archive_keeps_the_time_that_segment_gave_it() -> None:
    event = read("segment", SEGMENT)
    assert (event.kind, event.name, event.visitor_id, event.alias_id) == (
        "track", "Order Completed", "97980cfea0067", "507f191e810c19729de860ea",
    )  # fmt: skip
    assert (event.ts, event.message_id, event.account_id) == (ms("2015-02-23T22:28:56.900Z"), "ajs-1", "acme")
    assert event.url == "https://shop.example/pay"


def test_a_call_without_a_timestamp_is_put_right_by_its_own_three_times() -> None:
    late = {key: value for key, value in SEGMENT.items() if key != "timestamp"}
    assert read("segment", late).ts == ms("2015-02-23T22:28:57.276Z")
    bare = {key: value for key, value in late.items() if key not in ("originalTimestamp", "sentAt")}
    assert read("segment", bare).ts == ms("2015-02-23T22:28:57.000Z")


TABLES: list[tuple[str, dict[str, Any], tuple[Any, ...]]] = [
    ("tracks", {"id": "m1", "anonymous_id": "a1", "user_id": "u1", "event": "order_completed", "event_text": "Order Completed",
                "received_at": "2020-01-01 10:00:00 UTC", "timestamp": "2020-01-01 09:59:00 UTC", "revenue": 12.5,
                "context_page_url": "https://x.example/"},
     ("track", "Order Completed", "u1", "a1", {"revenue": 12.5}, "https://x.example/")),
    ("pages", {"id": "m2", "anonymous_id": "a1", "user_id": None, "name": "Home", "path": "/", "url": "https://x.example/",
               "received_at": "2020-01-01 10:00:00 UTC", "timestamp": "2020-01-01 09:59:00 UTC"},
     ("page", "Home", "a1", "", {"path": "/", "url": "https://x.example/"}, "https://x.example/")),
    ("identifies", {"id": "m3", "anonymous_id": "a1", "user_id": "u1", "email": "ada@example.com", "plan": "pro", "name": "Ada",
                    "received_at": "2020-01-01 10:00:00 UTC", "timestamp": "2020-01-01 09:59:00 UTC"},
     ("identify", "", "u1", "a1", {"name": "Ada", "email": "ada@example.com", "plan": "pro"}, "")),
    ("groups", {"id": "m4", "anonymous_id": "a1", "user_id": "u1", "group_id": "acme", "name": "Acme", "employees": 7,
                "received_at": "2020-01-01 10:00:00 UTC", "timestamp": "2020-01-01 09:59:00 UTC"},
     ("group", "", "u1", "a1", {"name": "Acme", "employees": 7}, "")),
    ("aliases", {"id": "m5", "user_id": "u1", "previous_id": "old", "received_at": "2020-01-01 10:00:00 UTC",
                 "timestamp": "2020-01-01 09:59:00 UTC"},
     ("alias", "", "u1", "old", {}, "")),
    ("users", {"id": "u1", "email": "ada@example.com", "received_at": "2020-01-01 10:00:00 UTC"},
     ("", "", "u1", "", {}, "")),
]  # fmt: skip


@pytest.mark.parametrize(("table", "row", "expected"), TABLES, ids=[one[0] for one in TABLES])
def test_a_row_of_segments_warehouse_is_its_call(table: str, row: dict[str, Any], expected: tuple[Any, ...]) -> None:
    event = read("segment", row)
    assert (event.kind, event.name, event.visitor_id, event.alias_id, properties(event), event.url) == expected
    assert event.ts == ms("2020-01-01T10:00:00Z") - (60_000 if table != "users" else 0)
    assert table == "users" or event.message_id == row["id"]
    if table in ("identifies", "users"):
        assert known(event)["email"] == "ada@example.com"
    if table == "groups":
        assert event.account_id == "acme"
        assert {field.name: field.value for field in event.account_fields} == {"name": "Acme", "employees": "7"}


# Mixpanel


def test_an_event_of_mixpanel_links_the_device_to_the_user() -> None:
    event = read("mixpanel", MIXPANEL)
    assert (event.kind, event.name, event.visitor_id, event.alias_id) == ("track", "Played Song", "ada", "191b-9a")
    assert event.ts == 1601412131000
    assert event.url == "https://x.example/song"
    assert set(properties(event)) == {"artist", "$city", "mp_country_code", "$current_url"}


WHO: list[tuple[str, dict[str, Any], tuple[str, str, bool]]] = [
    ("a device", mixpanel("x", distinct_id="$device:d1", **{"$device_id": "d1"}), ("d1", "", False)),
    ("a device of older libraries", mixpanel("x", distinct_id="d1", **{"$device_id": "d1"}), ("d1", "", False)),
    ("a user", mixpanel("x", distinct_id="u1"), ("u1", "", False)),
    ("a user by distinct_id and device", mixpanel("x", distinct_id="u1", **{"$device_id": "d1"}), ("u1", "d1", False)),
    ("one merged since", mixpanel("x", distinct_id="u1", **{"$distinct_id_before_identity": "old"}), ("u1", "old", False)),
    ("$identify", mixpanel("$identify", distinct_id="u1", **{"$identified_id": "u1", "$anon_id": "$device:d2"}), ("u1", "d2", False)),
    ("$create_alias", mixpanel("$create_alias", distinct_id="u1", alias="mail"), ("u1", "mail", True)),
    ("$merge", mixpanel("$merge", distinct_id="u1", **{"$distinct_ids": ["u1", "u0"]}), ("u1", "u0", True)),
]  # fmt: skip


@pytest.mark.parametrize(("_case", "row", "expected"), WHO, ids=[one[0] for one in WHO])
def test_mixpanels_ids_say_who_is_who(_case: str, row: dict[str, Any], expected: tuple[str, str, bool]) -> None:
    event = read("mixpanel", row)
    assert (event.visitor_id, event.alias_id, event.overrides) == expected


def test_mixpanels_times_are_seconds_or_milliseconds_and_perhaps_of_the_projects_clock() -> None:
    assert read("mixpanel", mixpanel("x", distinct_id="u", time=1618716477123)).ts == 1618716477123
    summer = mixpanel("x", distinct_id="u", time=ms("2021-07-01T12:00:00Z") // 1000)
    assert read("mixpanel", summer, time_zone="Europe/Berlin").ts == ms("2021-07-01T10:00:00Z")


def test_mixpanels_page_views_and_clicks_are_ours() -> None:
    page = read("mixpanel", mixpanel("$mp_web_page_view", distinct_id="u", current_page_title="Pay", current_url="https://x.example/pay?a=1"))  # fmt: skip
    assert (page.kind, page.name, page.url) == ("page", "Pay", "https://x.example/pay?a=1")
    chain = [
        {"$tag_name": "button", "$id": "save", "$classes": ["primary", ""], "$attr-type": "submit", "$nth_child": 3, "$nth_of_type": 2},
        {"$tag_name": "body", "$classes": [""], "$nth_child": 2, "$nth_of_type": 1},
    ]  # fmt: skip
    click = read("mixpanel", mixpanel("$mp_click", distinct_id="u", **{"$elements": chain, "$el_text": "Save  all"}))
    assert (click.kind, click.name) == ("click", "button#save")
    assert properties(click) == {"path": ["button#save.primary[type=submit]:nth(2)", "body"], "text": "Save all"}
    field = [{"$tag_name": "input", "$classes": [], "$attr-name": "card"}]
    change = read("mixpanel", mixpanel("$mp_input_change", distinct_id="u", **{"$elements": field, "$el_text": "4111"}))
    assert (change.kind, change.name, properties(change)) == (
        "change", "input[name=card]", {"path": ["input[name=card]"]},
    )  # fmt: skip


def test_a_property_may_be_mixpanels_account() -> None:
    row = mixpanel("x", distinct_id="u", company=["Acme"])
    assert read("mixpanel", row, group="company").account_id == "Acme"
    assert read("mixpanel", row).account_id == ""


def test_a_profile_of_mixpanel_is_metadata_as_of_when_it_was_seen() -> None:
    row = {
        "$distinct_id": "ada",
        "$properties": {"$email": "ada@example.com", "plan": "pro", "$last_seen": "2021-07-01T12:00:00"},
    }
    event = read("mixpanel", row)
    assert (event.kind, event.visitor_id, event.ts) == ("", "ada", ms("2021-07-01T12:00:00Z"))
    assert known(event) == {"email": "ada@example.com", "plan": "pro", "last_seen": "2021-07-01T12:00:00"}


# Amplitude


def test_an_event_of_amplitude_brings_its_user_its_device_and_its_group() -> None:
    event = read("amplitude", AMPLITUDE)
    assert (event.kind, event.name, event.visitor_id, event.alias_id) == ("track", "Export", "ada", "dev-1")
    assert (event.ts, event.account_id) == (ms("2026-01-31T12:00:00.123Z"), "acme")
    assert properties(event) == {"platform": "Web", "country": "Germany", "format": "csv", "pages": 3}
    assert event.visitor_fields == (Field("agent", "plan", "pro", "string"),)
    assert event.account_fields == (Field("agent", "seats", "7", "number"),)


def test_amplitudes_anonymous_are_their_device_or_their_number() -> None:
    anonymous = {**AMPLITUDE, "user_id": None}
    assert (read("amplitude", anonymous).visitor_id, read("amplitude", anonymous).alias_id) == ("dev-1", "")
    assert read("amplitude", {**anonymous, "device_id": None}).visitor_id == "amplitude:9911"


def test_amplitudes_insert_id_is_of_one_device() -> None:
    first, other = read("amplitude", AMPLITUDE), read("amplitude", {**AMPLITUDE, "device_id": "dev-2", "uuid": "u2"})
    assert first.message_id == read("amplitude", {**AMPLITUDE, "uuid": "u3"}).message_id != other.message_id
    assert read("amplitude", {**AMPLITUDE, "$insert_id": None}).message_id == "0b4fbbde-0001"


def test_amplitudes_autocapture_is_ours() -> None:
    page = read("amplitude", {**AMPLITUDE, "event_type": "[Amplitude] Page Viewed", "event_properties": {
        "[Amplitude] Page Title": "Pay", "[Amplitude] Page URL": "https://x.example/pay"}})  # fmt: skip
    assert (page.kind, page.name, page.url) == ("page", "Pay", "https://x.example/pay")
    hierarchy = [
        {"tag": "a", "id": "", "classes": ["nav", "link"], "attrs": {"href": "/x", "data-test": "go"}, "index": 4, "indexOfType": 1},
        {"tag": "body", "index": 1, "indexOfType": 0, "prevSib": "head"},
        {"tag": "html", "index": 0, "indexOfType": 0},
    ]  # fmt: skip
    for told in (hierarchy, json.dumps(hierarchy)):
        click = read("amplitude", {**AMPLITUDE, "event_type": "[Amplitude] Element Clicked", "event_properties": {
            "[Amplitude] Element Hierarchy": told, "[Amplitude] Element Text": "Go on", "[Amplitude] Element Tag": "a"}})  # fmt: skip
        assert (click.kind, click.name) == ("click", "a[data-test=go]")
        assert properties(click)["path"] == ["a.nav.link[data-test=go]:nth(2)", "body"]
        assert properties(click)["text"] == "Go on"
    plain = read("amplitude", {**AMPLITUDE, "event_type": "[Amplitude] Element Changed", "event_properties": {
        "[Amplitude] Element Tag": "INPUT", "[Amplitude] Element ID": "mail"}})  # fmt: skip
    assert (plain.kind, plain.name, properties(plain)["path"]) == ("change", "input#mail", ["input#mail"])


# PostHog


@pytest.mark.parametrize("as_text", [False, True])
def test_an_event_of_posthog_brings_its_person_and_its_company(as_text: bool) -> None:
    row = {k: json.dumps(v) if as_text and isinstance(v, dict) else v for k, v in POSTHOG.items()}
    event = read("posthog", row)
    assert (event.kind, event.name, event.visitor_id, event.alias_id) == ("track", "export", "ada", "dev-1")
    assert (event.ts, event.message_id) == (ms("2026-01-31T12:00:00.123Z"), "018f6c4e-1")
    assert (event.account_id, event.url) == ("acme", "https://x.example/pay")
    assert known(event) == {"plan": "pro", "email": "ada@example.com"}
    assert set(properties(event)) == {"format", "$current_url", "$device_id", "$user_id", "$lib"}
    assert read("posthog", row, group="project").account_id == "p1"


MERGES: list[tuple[str, dict[str, Any], tuple[Any, ...]]] = [
    ("identify", posthog("$identify", **{"$anon_distinct_id": "anon", "$set": {"plan": "pro"}}), ("identify", "ada", "anon", False)),
    ("alias", posthog("$create_alias", alias="old"), ("alias", "ada", "old", True)),
    ("merge", posthog("$merge_dangerously", alias="old"), ("alias", "ada", "old", True)),
    ("anonymous", posthog("x", "dev-1", **{"$device_id": "dev-1"}), ("track", "dev-1", "", False)),
    ("page", posthog("$pageview", title="Pay"), ("page", "ada", "", False)),
    ("screen", posthog("$screen", **{"$screen_name": "Pay"}), ("screen", "ada", "", False)),
    ("leaving a page", posthog("$pageleave"), ("track", "ada", "", False)),
]  # fmt: skip


@pytest.mark.parametrize(("_case", "row", "expected"), MERGES, ids=[one[0] for one in MERGES])
def test_posthogs_own_events_mean_what_they_mean_there(
    _case: str, row: dict[str, Any], expected: tuple[Any, ...]
) -> None:
    event = read("posthog", row)
    assert (event.kind, event.visitor_id, event.alias_id, event.overrides) == expected


def test_a_group_of_posthog_is_an_account_with_what_is_known_of_it() -> None:
    event = read("posthog", posthog("$groupidentify", **{"$group_type": "company", "$group_key": "acme", "$group_set": {"seats": 7}}))  # fmt: skip
    assert (event.kind, event.account_id) == ("group", "acme")
    assert event.account_fields == (Field("agent", "seats", "7", "number"),)


def test_a_chain_of_elements_is_a_path() -> None:
    chain = (
        'span:nth-child="1"nth-of-type="1"text="Save";'
        'button.btn.btn:primary:attr__class="btn btn:primary"attr__data-testid="save;all"attr_id="go"nth-child="2"nth-of-type="2"text="Sa\\"ve";'
        'body:nth-child="2"nth-of-type="1"'
    )
    event = read("posthog", {**posthog("$autocapture", **{"$event_type": "click"}), "elements_chain": chain})
    assert (event.kind, event.name) == ("click", "button#go")
    assert properties(event)["path"] == ["span", "button#go.btn.btn:primary[data-testid=save;all]:nth(2)", "body"]
    assert properties(event)["text"] == "Save"
    listed = [{"tag_name": "select", "attr__name": "plan", "classes": ["wide"], "$el_text": "secret", "nth_of_type": 1}]
    change = read("posthog", posthog("$autocapture", **{"$event_type": "change", "$elements": listed}))
    assert (change.kind, change.name, properties(change)) == (
        "change", "select[name=plan]", {"path": ["select.wide[name=plan]"]},
    )  # fmt: skip


def test_a_person_of_posthog_is_metadata() -> None:
    row = {
        "team_id": 1,
        "distinct_id": "ada",
        "person_id": "p",
        "properties": '{"plan":"pro"}',
        "created_at": "2026-01-31T12:00:00Z",
    }
    event = read("posthog", row)
    assert (event.kind, event.visitor_id, known(event)) == ("", "ada", {"plan": "pro"})


def test_a_csv_of_posthog_may_have_a_column_for_each_property() -> None:
    row = {"id": "u1", "event": "$pageview", "distinct_id": "ada", "timestamp": "2026-01-31T12:00:00Z", "properties.$current_url": "https://x.example/", "person.properties.plan": "pro", "properties.empty": ""}  # fmt: skip
    event = read("posthog", row)
    assert (event.kind, event.url, event.message_id, known(event)) == (
        "page",
        "https://x.example/",
        "u1",
        {"plan": "pro"},
    )


# Google Analytics 4


def test_an_event_of_ga4_has_its_parameters_as_properties() -> None:
    row = ga4(
        "purchase", param("currency", string_value="EUR"), param("value", double_value=12.5),
        param("ga_session_id", int_value="1661084800"), user_id="ada", items=[{"item_id": "sku", "price": 12.5, "coupon": None}],
        user_properties=[param("plan", string_value="pro")],
    )  # fmt: skip
    event = read("ga4", row)
    assert (event.kind, event.name, event.visitor_id, event.alias_id) == ("track", "purchase", "ada", "1026454.4271")
    assert event.ts == 1769860800123
    assert properties(event) == {
        "device": {"category": "desktop", "operating_system": "Web", "browser": "Chrome"}, "geo": {"country": "Germany"},
        "platform": "WEB", "currency": "EUR", "value": 12.5, "ga_session_id": 1661084800,
        "items": [{"item_id": "sku", "price": 12.5}],
    }  # fmt: skip
    assert known(event) == {"plan": "pro"}


def test_ga4s_pages_clicks_and_forms_are_ours() -> None:
    page = read("ga4", ga4("page_view", param("page_location", string_value="https://x.example/pay?a=1"), param("page_title", string_value="Pay")))  # fmt: skip
    assert (page.kind, page.name, page.url) == ("page", "Pay", "https://x.example/pay?a=1")
    click = read("ga4", ga4("click", param("link_text", string_value="Docs"), param("link_url", string_value="https://y.example/")))  # fmt: skip
    assert (click.kind, click.name) == ("click", 'a "Docs"')
    form = read("ga4", ga4("form_submit", param("form_id", string_value="order")))
    assert (form.kind, form.name) == ("submit", "form#order")


def test_an_event_of_ga4_is_told_from_others_by_all_that_it_says() -> None:
    first = read("ga4", ga4("scroll", param("percent", int_value="90"))).message_id
    assert (
        first == read("ga4", ga4("scroll", param("percent", int_value=90), event_timestamp=1769860800123456)).message_id
    )
    assert first != read("ga4", ga4("scroll", param("percent", int_value="50"))).message_id
    assert first != read("ga4", ga4("scroll", param("percent", int_value="90"), user_pseudo_id="2")).message_id


# What is refused

BAD: list[tuple[str, dict[str, Any], str]] = [
    ("mixpanel", {"properties": {}}, "event: The row has no event."),
    ("mixpanel", {"event": "x", "properties": {"distinct_id": "u"}}, "properties.time: The event has no time."),
    ("mixpanel", mixpanel("x"), "visitor: The row tells no visitor."),
    ("mixpanel", mixpanel("x", distinct_id="u", time="soon"), "properties.time: 'soon' is not a time."),
    ("mixpanel", mixpanel("x", distinct_id="u", time=-5), "properties.time: '-5' is not between 1970 and 2199."),
    ("amplitude", {**AMPLITUDE, "event_time": None}, "event_time: The event has no event_time."),
    ("amplitude", {**AMPLITUDE, "event_properties": [1]}, "event_properties: It must be an object."),
    ("amplitude", {"event_type": "x", "event_time": "2026-01-01 00:00:00"}, "visitor: The row tells no visitor."),
    ("posthog", {**POSTHOG, "properties": "{nope"}, "properties: It is not JSON"),
    ("posthog", {**POSTHOG, "timestamp": ""}, "timestamp: The event has no timestamp."),
    ("ga4", ga4("x", {"key": 1}), "event_params[0]: It must be an object with key and value."),
    ("ga4", ga4("x", user_pseudo_id=None), "visitor: The row tells no visitor."),
    ("segment", {"type": "track", "userId": "u", "timestamp": "2020-01-01"}, "event: A track call needs an event"),
    ("arrivals", {"report_id": "rep_1", "member_id": "u"}, "It is not a row of events, visitors, accounts or links."),
]  # fmt: skip


@pytest.mark.parametrize(("product", "row", "reason"), BAD)
def test_a_row_that_cannot_be_kept_says_which_part_is_wrong(product: str, row: dict[str, Any], reason: str) -> None:
    with pytest.raises(InvalidEvent) as refusal:
        read(product, row)
    assert str(refusal.value).startswith(reason)


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"from": "heap"}, "mapping.from: It must be one of segment, mixpanel"),
        ({"from": "ga4", "x": 1}, "mapping: The map of an export has"),
        ({"from": "ga4", "group": 1}, "mapping.group"),
        ({"from": "mixpanel", "time_zone": "Mars/Phobos"}, "mapping.time_zone"),
        ({"from": "mixpanel", "time_zone": "../etc/passwd"}, "mapping.time_zone"),
    ],
)
def test_a_map_of_an_export_that_is_wrong_is_refused(given: dict[str, Any], reason: str) -> None:
    with pytest.raises(Invalid) as refusal:
        formats.parse(given)
    assert reason in str(refusal.value)
