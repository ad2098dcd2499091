"""The inbox: each call one message, however often it is made."""

from typing import Any

import pytest
from asgiref.sync import sync_to_async

from arrivals.apps import inbox_messages
from arrivals.apps.contract import Call
from arrivals.apps.inbox.app import post_message
from arrivals.apps.outbound import Outbound
from arrivals.errors import Invalid
from arrivals.warehouse.client import Warehouse


def call(key: str, **inputs: Any) -> Call:
    return Call({"text": "hi", **inputs}, {}, key, {"visitor": {"id": "ann"}}, Outbound())


async def test_a_repeated_call_keeps_one_message(fresh: Warehouse) -> None:
    first = await post_message(call("run_1:tell", channel="#nps", title="T"))
    assert await post_message(call("run_1:tell", text="other")) == first
    await post_message(call("run_2:tell"))
    items, next_ = await sync_to_async(inbox_messages.page)()
    assert [(one["text"], one["visitor"], one["run"], one["channel"]) for one in items] == [
        ("hi", "ann", "run_2", ""),
        ("hi", "ann", "run_1", "#nps"),
    ]
    assert next_ is None


def test_messages_are_paged(fresh: Warehouse) -> None:
    ids = [inbox_messages.keep(key=str(number), channel="", title="", text="x", visitor="") for number in range(5)]
    seen: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        items, cursor = inbox_messages.page(limit=2, cursor=cursor)
        seen += [one["id"] for one in items]
    assert sorted(seen) == sorted(ids)
    for wrong in ({"limit": 0}, {"limit": 1001}, {"cursor": "x"}):
        with pytest.raises(Invalid):
            inbox_messages.page(**wrong)  # type: ignore[arg-type]
