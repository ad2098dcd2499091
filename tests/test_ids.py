"""Ids that are derived from names, and the numbers of apps."""

import re

import pytest

from arrivals import ids
from arrivals.collect import sources
from arrivals.warehouse.client import Warehouse


@pytest.mark.parametrize("name", ["Pricing", "", "päge:1", "a" * 300])
def test_the_warehouse_derives_the_same_id(store: Warehouse, name: str) -> None:
    [(found,)] = store.query(
        "SELECT base64URLEncode(substring(SHA256(concat('page:', {name:String})), 1, 20))", {"name": name}
    )
    assert found == ids.derived("page", name)
    assert re.fullmatch(r"[A-Za-z0-9_-]{27}", found)


@pytest.mark.django_db
def test_an_app_is_found_by_its_number() -> None:
    first, _ = sources.create("first")
    second, _ = sources.create("second")
    number = sources.app_id(second.id)
    assert 0 < number < 2**53
    assert sources.by_app_id(number) == second
    assert sources.by_app_id(sources.FIRST_APP) == first
    assert sources.by_app_id(number + 1) is None
