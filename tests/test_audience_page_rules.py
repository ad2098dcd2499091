"""Which addresses a page's rules mean: one by one, and against an evaluator of its own over generated addresses."""

from fnmatch import fnmatchcase
from typing import Any
from urllib.parse import parse_qsl, quote, unquote_to_bytes, urlsplit

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from arrivals.audience import page_rules, tagged
from arrivals.audience.comparisons import Binder
from arrivals.errors import InvalidTag
from arrivals.warehouse.client import Warehouse


def asked(store: Warehouse, kind: str, rules: Any, rows: list[list[Any]]) -> list[bool]:
    """Which of these rows (kind, name, url, properties) the rules mean, asked in one question without any table."""
    bind = Binder("r_")
    condition = tagged.matching(kind, rules, "", bind)
    columns = ("Array(String)",) * 4
    given_ = [bind.add(list(column), type_) for column, type_ in zip(zip(*rows, strict=True), columns, strict=True)]
    zipped = f"SELECT arrayJoin(arrayZip({', '.join(given_)}, range({len(rows)}))) AS row"
    inner = f"SELECT row.1 AS kind, row.2 AS name, row.3 AS url, row.4 AS properties, row.5 AS number FROM ({zipped})"
    found = {one for (one,) in store.query(f"SELECT number FROM ({inner}) WHERE {condition}", bind.parameters)}
    return [number in found for number in range(len(rows))]


def is_page(store: Warehouse, rule: dict[str, Any], url: str, title: str = "") -> bool:
    return asked(store, "page", [rule], [["page", "", url, f'{{"title":"{title}"}}']])[0]


SHOP = "https://shop.example"
CASES: list[tuple[dict[str, str], str, bool]] = [
    ({"exact": f"{SHOP}/orders"}, f"{SHOP}/orders", True),
    ({"exact": f"{SHOP}/orders"}, f"{SHOP}/orders/", True),
    ({"exact": f"{SHOP}/orders/"}, f"{SHOP}/orders", True),
    ({"exact": f"{SHOP}/orders"}, f"{SHOP}/orders?tab=new#top", True),
    ({"exact": f"{SHOP}/orders"}, f"{SHOP}/orders;jsessionid=1", True),
    ({"exact": f"{SHOP}/orders"}, f"{SHOP}/orders/7", False),
    ({"exact": f"{SHOP}/orders"}, f"{SHOP}/orders2", False),
    ({"exact": f"{SHOP}/orders"}, "http://shop.example/orders", False),
    ({"exact": "//shop.example/orders"}, "http://shop.example/orders", True),
    ({"exact": "HTTPS://Shop.Example/orders"}, f"{SHOP}/orders", True),
    ({"exact": f"{SHOP}/orders"}, f"{SHOP}/Orders", False),
    ({"exact": f"{SHOP}/orders?tab=new"}, f"{SHOP}/orders?tab=new", True),
    ({"exact": f"{SHOP}/orders?tab=new"}, f"{SHOP}/orders?tab=new#x", True),
    ({"exact": f"{SHOP}/orders?tab=new"}, f"{SHOP}/orders?tab=new&more=1", False),
    ({"exact": f"{SHOP}/orders?tab=new"}, f"{SHOP}/orders", False),
    ({"exact": SHOP}, f"{SHOP}/", True),
    ({"exact": SHOP}, f"{SHOP}/x", False),
    ({"exact": "/orders"}, f"{SHOP}/orders", True),
    ({"exact": "/orders"}, "/orders", True),
    ({"exact": "/orders"}, f"{SHOP}/a/orders", False),
    ({"exact": "/"}, f"{SHOP}/", True),
    ({"exact": "/"}, "", False),
    ({"exact": f"{SHOP}/a.b*c"}, f"{SHOP}/a.b*c", True),
    ({"exact": f"{SHOP}/a.b*c"}, f"{SHOP}/aXbYc", False),
    ({"exact": f"{SHOP}/café"}, f"{SHOP}/caf%C3%A9", True),
    ({"exact": f"{SHOP}/café"}, f"{SHOP}/café", True),
    ({"exact": f"{SHOP}/#/orders"}, f"{SHOP}/#/orders?tab=1", True),
    ({"exact": f"{SHOP}/#/orders"}, f"{SHOP}/?x=1#/orders/", True),
    ({"exact": f"{SHOP}/#/orders"}, f"{SHOP}/#/orders/7", False),
    ({"contains": "/orders"}, f"{SHOP}/a/orders/7", True),
    ({"contains": "tab=new"}, f"{SHOP}/orders?tab=new", True),
    ({"contains": "/Orders"}, f"{SHOP}/orders", False),
    ({"contains": ".*"}, f"{SHOP}/orders", False),
    ({"contains": "%"}, f"{SHOP}/a%20b", True),
    ({"wildcard": f"{SHOP}/orders/*/edit"}, f"{SHOP}/orders/7/edit?x=1", True),
    ({"wildcard": f"{SHOP}/orders/*/edit"}, f"{SHOP}/orders/7/8/edit", False),
    ({"wildcard": f"{SHOP}/orders/*/edit"}, f"{SHOP}/orders//edit", False),
    ({"wildcard": f"{SHOP}/orders/*"}, f"{SHOP}/orders", False),
    ({"wildcard": f"{SHOP}/orders/**"}, f"{SHOP}/orders", True),
    ({"wildcard": f"{SHOP}/orders/**"}, f"{SHOP}/orders/7/edit", True),
    ({"wildcard": f"{SHOP}/orders/**"}, f"{SHOP}/orders7", False),
    ({"wildcard": "//*/orders/**"}, f"{SHOP}/orders", True),
    ({"wildcard": "/a/**/b"}, f"{SHOP}/a/b", True),
    ({"wildcard": f"{SHOP}/**/edit"}, f"{SHOP}/edit", True),
    ({"wildcard": f"{SHOP}/**/edit"}, f"{SHOP}/a/b/edit", True),
    ({"wildcard": f"{SHOP}/**/edit"}, f"{SHOP}/a/bedit", False),
    ({"wildcard": f"{SHOP}/o**t"}, f"{SHOP}/orders/7/edit", True),
    ({"wildcard": "//*/orders"}, "http://other.example:8080/orders", True),
    ({"wildcard": "//*/orders"}, "http://other.example/a/orders", False),
    ({"wildcard": "//*.example/orders"}, f"{SHOP}/orders", True),
    ({"wildcard": "/orders/*"}, f"{SHOP}/orders/7", True),
    ({"wildcard": f"{SHOP}/item-*"}, f"{SHOP}/item-7", True),
    ({"wildcard": f"{SHOP}/orders?id=*"}, f"{SHOP}/orders?id=7", True),
    ({"wildcard": f"{SHOP}/orders?id=*"}, f"{SHOP}/orders?id=7&x=1", False),
    ({"wildcard": f"{SHOP}/orders?id=**"}, f"{SHOP}/orders?id=7&x=1", True),
    ({"wildcard": f"{SHOP}/#/orders/*"}, f"{SHOP}/#/orders/7?x=1", True),
    ({"wildcard": f"{SHOP}/#/orders/*"}, f"{SHOP}/#/orders/7/edit", False),
    ({"wildcard": f"{SHOP}/#/orders/**"}, f"{SHOP}/#/orders/7/edit", True),
]


@pytest.mark.parametrize(("rule", "url", "expected"), CASES)
def test_an_address_is_the_page(store: Warehouse, transactional_db: None, rule: Any, url: str, expected: bool) -> None:
    assert is_page(store, {"url": rule}, url) == expected


PARAMETERS: list[tuple[list[dict[str, str]], str, bool]] = [
    ([{"name": "tab"}], "?tab=new", True),
    ([{"name": "tab"}], "?tab", True),
    ([{"name": "tab"}], "?stab=1", False),
    ([{"name": "tab"}], "", False),
    ([{"name": "tab", "value": "new"}], "?a=1&tab=new", True),
    ([{"name": "tab", "value": "new"}], "?tab=newer", False),
    ([{"name": "tab", "value": ""}], "?tab=", True),
    ([{"name": "tab", "value": ""}], "?tab=1", False),
    ([{"name": "q", "value": "a b&c=d"}], "?q=a+b%26c%3Dd", True),
    ([{"name": "q", "value": "x=y"}], "?q=x=y", True),
    ([{"name": "é"}], "?%C3%A9=1", True),
    ([{"name": "a"}, {"name": "b", "value": "2"}], "?b=2&a=1", True),
    ([{"name": "a"}, {"name": "b", "value": "2"}], "?a=1", False),
    ([{"name": "tab", "value": "new"}], "#/orders?tab=new", True),
    ([{"name": "tab"}], "#tab=1", False),
]


@pytest.mark.parametrize(("parameters", "query", "expected"), PARAMETERS)
def test_parameters_have_to_be_there(
    store: Warehouse, transactional_db: None, parameters: Any, query: str, expected: bool
) -> None:
    rule = {"url": {"exact": f"{SHOP}/orders"}, "parameters": parameters}
    assert is_page(store, rule, f"{SHOP}/orders{query}") == expected


def test_a_title_can_say_it_too(store: Warehouse, transactional_db: None) -> None:
    rule = {"url": {"contains": SHOP}, "title": {"contains": "order"}}
    assert is_page(store, rule, f"{SHOP}/x", "Your Orders")
    assert not is_page(store, rule, f"{SHOP}/x", "Cart")
    assert is_page(store, {"title": {"is": "Cart"}}, "", "Cart")
    assert not is_page(store, {"title": {"is": "Cart"}}, "", "My Cart")


WRONG: list[tuple[Any, str, str]] = [
    ({}, "rules", "a list of 1 to 50 rules"),
    ([], "rules", "a list of 1 to 50 rules"),
    (["x"], "rules[0]", "an object with url, parameters, title"),
    ([{}], "rules[0]", "needs a url, a title or both"),
    ([{"uri": 1}], "rules[0].uri", "allowed are url, parameters, title"),
    ([{"url": "https://x"}], "rules[0].url", '{"wildcard": address}'),
    ([{"url": {"regex": "x"}}], "rules[0].url", '{"wildcard": address}'),
    ([{"url": {"exact": ""}}], "rules[0].url.exact", "without spaces"),
    ([{"url": {"exact": "shop.example/x"}}], "rules[0].url.exact", "must begin with https://host"),
    ([{"url": {"wildcard": "///x"}}], "rules[0].url.wildcard", "must begin with"),
    ([{"url": {"wildcard": "/**"}}], "rules[0].url.wildcard", "every page"),
    ([{"url": {"contains": "x"}, "parameters": "tab"}], "rules[0].parameters", "a list of at most 10"),
    ([{"url": {"contains": "x"}, "parameters": [{"value": "x"}]}], "rules[0].parameters[0].name", "1 to 200"),
    ([{"url": {"contains": "x"}, "parameters": [{"name": "x", "value": 1}]}], "rules[0].parameters[0].value", "a text"),
    ([{"url": {"contains": "x"}, "title": "x"}], "rules[0].title", '{"contains": text}'),
]


@pytest.mark.parametrize(("rules", "path", "sentence"), WRONG)
def test_a_wrong_rule_is_refused_with_its_place(rules: Any, path: str, sentence: str) -> None:
    with pytest.raises(InvalidTag) as refused:
        page_rules.parse(rules)
    assert (refused.value.path, sentence in refused.value.message) == (path, True), refused.value.message


# An evaluator of its own: segments of the path are compared one by one, nothing is made into an expression.
WORD = st.sampled_from(["a", "b", "orders", "7", "ed.it", "x+y", "(z)", "$", "é", "A"])
PART = st.lists(WORD, max_size=4)
STARRED = st.lists(st.one_of(WORD, st.sampled_from(["*", "**", "o*s", "*.it"])), max_size=4)
HOST = st.sampled_from(["shop.example", "other.example", "a.shop.example", "localhost:8080"])
QUERY = st.lists(
    st.tuples(st.sampled_from(["tab", "é", "q", "a b"]), st.sampled_from(["", "new", "a&b", "é=", "1"])), max_size=3
)


def same_segments(rule: list[str], path: list[str]) -> bool:
    if not rule:
        return not path
    if rule[0] == "**":
        return any(same_segments(rule[1:], path[number:]) for number in range(len(path) + 1))
    if not path or not path[0]:
        return False
    if "*" in rule[0]:
        fits = fnmatchcase(path[0], rule[0].replace("*", "?*")) if "[" not in rule[0] else False
    else:
        fits = rule[0] == path[0]
    return fits and same_segments(rule[1:], path[1:])


def same_address(match: str, rule: dict[str, Any], url: str) -> bool:
    parts = urlsplit(url)
    segments = [unquote_to_bytes(one).decode() for one in parts.path.split("/")[1:] if one]
    wanted = rule["path"] if match == "wildcard" else [one.replace("*", "\x00") for one in rule["path"]]
    if match == "exact":
        wanted = [one.replace("\x00", "*") for one in wanted]
        fits = wanted == segments
    else:
        fits = same_segments(wanted, segments)
    return fits and (rule["host"] in (parts.netloc, "*" if match == "wildcard" else None))


def has_parameters(wanted: list[tuple[str, str | None]], url: str) -> bool:
    there = parse_qsl(urlsplit(url).query, keep_blank_values=True)
    return all(any(name == one and value in (None, two) for one, two in there) for name, value in wanted)


@st.composite
def addresses(draw: Any) -> str:
    path = "/".join(quote(one, safe="+()$") for one in draw(PART))
    pairs = "&".join(f"{quote(name)}={quote(value)}" for name, value in draw(QUERY))
    end = draw(st.sampled_from(["", "#top", "#"]))
    return f"{draw(st.sampled_from(['https', 'http']))}://{draw(HOST)}/{path}{'?' + pairs if pairs else ''}{end}"


@st.composite
def rules(draw: Any) -> tuple[str, dict[str, Any], list[tuple[str, str | None]]]:
    match = draw(st.sampled_from(["exact", "wildcard"]))
    host = draw(HOST if match == "exact" else st.one_of(HOST, st.just("*")))
    wanted = draw(
        st.lists(
            st.tuples(st.sampled_from(["tab", "é", "q", "a b"]), st.sampled_from([None, "new", "a&b", ""])), max_size=2
        )
    )
    return match, {"host": host, "path": draw(STARRED)}, wanted


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rule=rules(), urls=st.lists(addresses(), min_size=10, max_size=15))
def test_the_warehouse_says_the_same_as_an_evaluator_of_its_own(
    store: Warehouse, transactional_db: None, rule: Any, urls: list[str]
) -> None:
    match, address, wanted = rule
    # Some that are near: the rule's own, with its stars filled.
    filled = "/".join({"**": "a/b", "*": "7"}.get(one, one.replace("*", "ed")) for one in address["path"])
    bare = "/".join("7" if one == "*" else one.replace("*", "ed") for one in address["path"] if one != "**")
    urls.append(f"https://{address['host'].replace('*', 'shop.example')}/{quote(bare, safe='/+()$')}")
    urls += [
        f"https://{address['host'].replace('*', 'shop.example')}/{quote(filled, safe='/+()$')}{end}"
        for end in ("", "?tab=new&q=a%26b")
    ]
    data = {"url": {match: f"//{address['host']}/{'/'.join(address['path'])}"}}
    if wanted:
        data["parameters"] = [
            {"name": name} if value is None else {"name": name, "value": value} for name, value in wanted
        ]
    told = asked(store, "page", [data], [["page", "", url, "{}"] for url in urls])
    assert told == [same_address(match, address, url) and has_parameters(wanted, url) for url in urls], (data, urls)
