"""What is known of one visitor or account, and what a visitor did. Blocks.

A visitor is asked for by any of the ids it has had; what linked ids did is its own.
"""

from datetime import datetime, timedelta
from typing import Any

from arrivals import clock, ids
from arrivals.audience import fields, objects
from arrivals.audience.compiler import NEVER
from arrivals.collect import sources
from arrivals.errors import NotFound
from arrivals.warehouse import client

GAP = timedelta(minutes=30)  # after so long without an event, a page was no longer looked at
HISTORY = timedelta(hours=24)
MOST = 10_000
OBJECTS = {
    "page": ("pageId", "page"),
    "screen": ("pageId", "page"),
    "click": ("featureId", "feature"),
    "track": ("trackTypeId", "tracktype"),
    "survey_shown": ("guideId", "guide"),
    "survey_answered": ("guideId", "guide"),
}
# All keys of the person that an id belongs to: the visitor and every id that was linked to it.
PERSON = "WITH coalesce((SELECT anyOrNull(visitor) FROM links FINAL WHERE alias = cityHash64({id:String})), cityHash64({id:String})) AS person "
OWN = "({source:String} = '' OR source_id = {source:String})"
KEYS = "(visitor = person OR visitor IN (SELECT alias FROM links FINAL WHERE visitor = person))"


def visitor(visitor_id: str, *, source_id: str = "") -> dict[str, Any]:
    """``{"id", "metadata": {"auto", "agent", "custom", "pendo", ...}}``; times are datetimes. Of one source or all.

    With a source, the times and the accounts are those seen there. Metadata belongs to no source.

    Raises:
        NotFound: no such visitor (in that source).
    """
    store = client.warehouse()
    seen = store.query(
        f"{PERSON} SELECT any(visitor_id), minIf(first, last > {NEVER}), max(last), any(person) FROM visitors WHERE {KEYS} "
        "HAVING count() > 0",
        {"id": visitor_id},
    )
    by_source = _by_source("visitor", visitor_id, source_id)
    if not seen or (source_id and not by_source):
        raise NotFound(f"There is no visitor {visitor_id!r:.80}.")
    [(_any_id, first, last, person)] = seen
    if source_id:
        first, last = by_source[source_id]
    name = store.query("SELECT any(visitor_id) FROM visitors WHERE visitor = {person:UInt64}", {"person": person})[0][0]
    own = str(name or visitor_id)
    accounts = _accounts(visitor_id, source_id)
    auto = {
        "id": own,
        "idhash": _idhash(own),
        "accountid": accounts[0] if accounts else "",
        "accountids": accounts,
        **_visits(first, last),
    }
    return {"id": own, "metadata": _grouped("visitor", own, auto, by_source, last)}


def account(account_id: str, *, source_id: str = "") -> dict[str, Any]:
    """As ``visitor``, for an account. Raises NotFound."""
    by_source = _by_source("account", account_id, source_id)
    known = fields.metadata("account", account_id)
    if (not by_source and not known) or (source_id and not by_source):
        raise NotFound(f"There is no account {account_id!r:.80}.")
    first = min((one[0] for one in by_source.values()), default=None)
    last = max((one[1] for one in by_source.values()), default=None)
    auto = {"id": account_id, "idhash": _idhash(account_id), **_visits(first, last)}
    return {"id": account_id, "metadata": _grouped("account", account_id, auto, by_source, last)}


def history(visitor_id: str, start: datetime, *, source_id: str = "") -> list[dict[str, Any]]:
    """What a visitor did in the 24 hours from ``start``, in order, at most 10,000 events.

    Each: ``type``, ``ts``, ``lastTs`` (when it ended), ``duration`` in milliseconds, ``appId``, ``accountId``, ``uri``, and the id of its page,
    feature, guide or track type. A page lasts until the next page, or until the last event that is not 30 minutes away
    from the one before; everything else lasts no time.

    Raises:
        NotFound: no such visitor.
    """
    store = client.warehouse()
    found = store.query(
        f"{PERSON} SELECT ts, kind, name, source_id, account_id, url, message_id, JSONExtractString(properties, 'guide_id') FROM events WHERE {KEYS} "
        "AND ts >= fromUnixTimestamp64Milli({first:Int64}, 'UTC') AND ts < fromUnixTimestamp64Milli({last:Int64}, 'UTC') "
        f"AND {OWN} "
        "ORDER BY ts, message_id LIMIT {most:UInt32}",
        {
            "id": visitor_id,
            "first": round(start.timestamp() * 1000),
            "last": round((start + HISTORY).timestamp() * 1000),
            "source": source_id,
            "most": MOST,
        },
    )
    known = f"{PERSON} SELECT 1 FROM visitors WHERE {KEYS} LIMIT 1"
    if not found and not (
        _by_source("visitor", visitor_id, source_id) if source_id else store.query(known, {"id": visitor_id})
    ):
        raise NotFound(f"There is no visitor {visitor_id!r:.80}.")
    ends = _ends([(row[0], row[1]) for row in found])
    return [_entry(row, end) for row, end in zip(found, ends, strict=True)]


def _ends(events: list[tuple[datetime, str]]) -> list[datetime]:
    """When each of the events ended, which are in order."""
    ends: list[datetime] = []
    for number, (at, kind) in enumerate(events):
        end = at
        if kind in {"page", "screen"}:
            for later, its in events[number + 1 :]:
                if later - end > GAP:
                    break
                end = later
                if its in {"page", "screen"}:
                    break
        ends.append(end)
    return ends


def _entry(row: tuple[Any, ...], end: datetime) -> dict[str, Any]:
    at, kind, name, source, account_id, url, message, guide = row
    key, object_kind = OBJECTS.get(kind, ("", ""))
    entry = {
        "type": object_kind or kind,
        "ts": at,
        "lastTs": end,
        "duration": round((end - at) / timedelta(milliseconds=1)),
        "appId": sources.app_id(source),
        "accountId": account_id,
        "name": name,
        "eventId": message,
    }
    if url:
        entry["uri"] = url
    if key and name:
        entry[key] = objects.guide_id(name, guide) if key == "guideId" else ids.derived(object_kind, name)
    return entry


def _by_source(kind: str, id_: str, only: str) -> dict[str, tuple[datetime, datetime]]:
    """First and last event in each source, or in ``only`` one."""
    which = KEYS if kind == "visitor" else "account_id = {id:String}"
    head = PERSON if kind == "visitor" else ""
    sql = f"{head} SELECT source_id, min(ts), max(ts) FROM events WHERE {which} AND {OWN} GROUP BY source_id ORDER BY source_id"
    return {
        str(source): (first, last) for source, first, last in client.warehouse().query(sql, {"id": id_, "source": only})
    }


def _accounts(visitor_id: str, only: str) -> list[str]:
    """The accounts of a visitor, the latest first."""
    found = client.warehouse().query(
        f"{PERSON} SELECT account_id FROM events WHERE {KEYS} AND {OWN} AND account_id != '' GROUP BY account_id ORDER BY max(ts) DESC, account_id",
        {"id": visitor_id, "source": only},
    )
    return [str(one) for (one,) in found]


def _idhash(id_: str) -> int:
    [(number,)] = client.warehouse().query("SELECT cityHash64({id:String}) % 9007199254740991", {"id": id_})
    return int(number)


def _visits(first: datetime | None, last: datetime | None) -> dict[str, Any]:
    """Both times, left out where there was no visit yet."""
    if first is None or last is None or last.timestamp() <= 0:
        return {}
    return {"firstvisit": first, "lastvisit": last}


def _grouped(
    kind: str,
    id_: str,
    auto: dict[str, Any],
    by_source: dict[str, tuple[datetime, datetime]],
    last: datetime | None,
) -> dict[str, Any]:
    changed = _changed(kind, id_)
    times = [one for one in (last, changed) if one is not None and one.timestamp() > 0]
    auto["lastupdated"] = max(times) if times else clock.now()
    known = fields.metadata(kind, id_)
    groups: dict[str, Any] = {
        "auto": {**known.pop("auto", {}), **auto},
        "agent": {},
        "custom": {},
        "pendo": {},
        **known,
    }
    for source, (first, latest) in by_source.items():
        groups[f"auto_{sources.app_id(source)}"] = {"firstvisit": first, "lastvisit": latest, "lastupdated": latest}
    return groups


def _changed(kind: str, id_: str) -> datetime | None:
    """When a metadata value was last set."""
    which = f"visitor_fields WHERE {KEYS}" if kind == "visitor" else "account_fields WHERE account_id = {id:String}"
    head = PERSON if kind == "visitor" else ""
    [(at,)] = client.warehouse().query(f"{head} SELECT max(at) FROM {which}", {"id": id_})
    return at if isinstance(at, datetime) else None
