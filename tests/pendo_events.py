"""A small fixed world for the tests of Pendo's API: two sources, four visitors, two accounts, surveys, a link.

The moment is 2026-03-15 12:00 UTC, a Sunday.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from arrivals.collect.models import Source
from arrivals.warehouse.client import Warehouse
from tests import events

NOW = datetime(2026, 3, 15, 12, tzinfo=UTC)
MADE = datetime(2026, 1, 1, tzinfo=UTC)


def at(day: int, time: str = "10:00:00") -> datetime:
    """A moment of March 2026."""
    return datetime.fromisoformat(f"2026-03-{day:02}T{time}+00:00")


EVENTS: list[tuple[Any, ...]] = [
    # message id, source, visitor, kind, name, time, properties, account, url
    ("m01", "src_web", "ann", "page", "Home", at(14), {}, "acme", "https://app.example/home"),
    ("m02", "src_web", "ann", "page", "Home", at(14, "10:00:30"), {}, "acme", "https://app.example/home"),
    ("m03", "src_web", "ann", "track", "export", at(14, "10:01:00"), {"n": 1}, "acme", ""),
    ("m04", "src_web", "bob", "click", "Save", at(13), {}, "globex", ""),
    ("m05", "src_web", "bob", "track", "export", at(12, "23:59:59"), {"n": 2}, "globex", ""),
    ("m06", "src_web", "_PENDO_T_abc", "page", "Pricing", at(12), {}, "", "https://www.example/pricing"),
    ("m07", "src_web", "anon-7", "page", "Home", at(11), {}, "", ""),
    ("m08", "src_app", "Zoë", "screen", "Start", at(10), {}, "acme", ""),
    ("m09", "src_app", "Zoë", "track", "login", at(1), {}, "acme", ""),
    ("m10", "src_web", "ann", "survey_shown", "nps", at(12, "09:00:00"), {}, "acme", ""),
    ("m11", "src_web", "ann", "survey_answered", "nps", at(12), {"score": 9, "reason": "Fast & \"good\"/\n"}, "acme", ""),
    ("m12", "src_web", "bob", "survey_answered", "nps", at(9), {"score": 7, "reason": "ok"}, "globex", ""),
    ("m13", "src_web", "bob", "survey_answered", "nps", at(14), {"score": 3}, "globex", ""),
    ("m14", "src_web", "ann", "survey_answered", "guide-1", at(13), {"poll_id": "poll-1", "guide_id": "guide-1", "response": 4}, "acme", ""),
    ("m15", "src_web", "ann", "survey_answered", "guide-1", at(13), {"poll_id": "poll-2", "guide_id": "guide-1", "response": "=1+1"}, "acme", ""),
]  # fmt: skip


def add(store: Warehouse) -> None:
    """Make the sources, events, metadata and the link anon-7 -> ann."""
    for id_, name in (("src_web", "Web"), ("src_app", "App")):
        source = Source.objects.create(id=id_, name=name, write_key=f"wk_{id_}", track_secret_digest=id_)
        Source.objects.filter(pk=source.pk).update(created_at=MADE)
    rows, seen = [], []
    for number, (message, source_id, visitor, kind, name, moment, properties, account, url) in enumerate(EVENTS):
        json = orjson.dumps(properties).decode()
        rows.append([source_id, number, message, kind, name, visitor, account, moment, moment, url, json])
        seen.append([visitor, moment, moment])
    store.insert("events", rows, events.EVENT)
    events.visitors(store, *seen)
    events.metadata(store, "ann", at(14), plan="pro", seats=5)
    events.metadata(store, "anon-7", at(11), colour="red", plan="free")
    events.metadata(store, "bob", at(14, "11:00:00"), plan="free")
    columns = ["grp", "field", "account_id", "value", "type", "at"]
    companies = [
        ["agent", "name", "acme", "Acme, Inc.", "string", at(2)],
        ["custom", "mrr", "acme", "12.5", "number", at(3)],
        ["agent", "name", "initech", "Initech", "string", at(4)],
    ]
    store.insert("account_fields", companies, columns)
    flag = [["pendo", "donotprocess", "bob", "true", "boolean", at(5)]]
    store.insert("visitor_fields", flag, ["grp", "field", "visitor_id", "value", "type", "at"])
    events.link(store, "anon-7", "ann")


def ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


DAY = timedelta(days=1)
