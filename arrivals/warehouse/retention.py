"""Events that are too old to keep, deleted, and what is known of their visitors put right. Blocks.

Each statement may be repeated with the same result.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from arrivals.warehouse import client, recent
from arrivals.warehouse.events import NOT_YET_MS

SECONDS = 3600
SLICE = 500_000  # so many visitors are corrected at a time
MOMENT = "fromUnixTimestamp64Milli({{{0}:Int64}}, 'UTC')"


def older(cutoffs: Mapping[str, int]) -> dict[str, int]:
    """How many events each source has that happened before its cutoff (milliseconds)."""
    if not cutoffs:
        return {}
    where, given = _condition(cutoffs)
    found = client.warehouse().query(
        f"SELECT source_id, count() FROM events WHERE {where} GROUP BY source_id", given, seconds=SECONDS
    )
    return {str(source): int(number) for source, number in found}


def delete(cutoffs: Mapping[str, int], *, everywhere: bool) -> list[str]:
    """Delete events before their source's cutoff, month by month; return the months that were dropped as a whole.

    ``everywhere``: each source that there is has a cutoff. Only then a month is dropped: what comes late into it meanwhile
    would be deleted as well.
    """
    where, given = _condition(cutoffs)
    dropped = []
    for month, foreign in client.warehouse().query(
        "SELECT toYYYYMM(ts) AS month, countIf(source_id NOT IN {sources:Array(String)}) FROM events "
        "WHERE toYYYYMM(ts) <= toYYYYMM("
        + MOMENT.format("newest")
        + f") GROUP BY month HAVING countIf({where}) > 0 ORDER BY month",
        {**given, "sources": list(cutoffs), "newest": max(cutoffs.values())},
        seconds=SECONDS,
    ):
        if everywhere and not foreign and _end(month) <= min(cutoffs.values()):
            client.warehouse().command(f"ALTER TABLE events DROP PARTITION {int(month)}", seconds=SECONDS)
            dropped.append(f"{month // 100}-{month % 100:02}")
        else:
            client.warehouse().command(
                f"ALTER TABLE events DELETE IN PARTITION {int(month)} WHERE {where} SETTINGS mutations_sync = 2",
                given,
                seconds=SECONDS,
            )
    if dropped:  # a partition that is gone is told by no mutation
        recent.disturb()
    return dropped


def correct(newest_ms: int) -> None:
    """Put the first and last times of visitors right after events before ``newest_ms`` were deleted.

    1. Of those who were there before that moment, look up first and last in the events that are left.
    2. Take out who has none left and of whom nothing is known; the others without events stay as known only.
    3. Raise the first times to what is left, and the last times that were before the moment. Times since then stay as
       they are, so that what comes in meanwhile is not lost; a late event that does is put back by ``EventStore.mend``.
    The same for the visitors of accounts.
    """
    given = {"newest": newest_ms, "never": NOT_YET_MS}
    newest = MOMENT.format("newest")
    touched = f"SELECT visitor FROM visitors GROUP BY visitor HAVING min(first) < {newest}"
    [(number,)] = client.warehouse().query(f"SELECT count() FROM ({touched})", given, seconds=SECONDS)
    slices = int(number) // SLICE + 1
    for slice_ in range(slices):
        _correct({**given, "slices": slices, "slice": slice_}, newest)


def _correct(given: Mapping[str, Any], newest: str) -> None:
    _keep(
        "kept_visitors",
        ("visitor",),
        f"SELECT visitor FROM visitors WHERE visitor % {{slices:UInt64}} = {{slice:UInt64}} GROUP BY visitor HAVING min(first) < {newest}",
        "",
        given,
    )
    gone = f"first < {newest} AND visitor IN (SELECT visitor FROM kept_visitors WHERE toUnixTimestamp64Milli(last) = 0)"
    _alter("visitors", f"DELETE WHERE {gone} AND visitor NOT IN (SELECT visitor FROM visitor_fields)", given)
    _raise("visitors", "kept_visitors", "visitor", newest, given)
    _keep(
        "kept_account_visitors",
        ("account", "visitor"),
        "SELECT account, visitor FROM account_visitors WHERE visitor % {slices:UInt64} = {slice:UInt64} "
        f"GROUP BY account, visitor HAVING min(first) < {newest}",
        "account_id != '' AND ",
        given,
    )
    gone = "(account, visitor) IN (SELECT account, visitor FROM kept_account_visitors WHERE toUnixTimestamp64Milli(last) = 0)"
    _alter("account_visitors", f"DELETE WHERE first < {newest} AND {gone}", given)
    _raise("account_visitors", "kept_account_visitors", "account, visitor", newest, given)
    for table in ("kept_visitors", "kept_account_visitors"):
        client.warehouse().command(f"TRUNCATE TABLE {table}")


def _keep(table: str, keys: tuple[str, ...], touched: str, only: str, given: Mapping[str, Any]) -> None:
    """Fill a table with first and last of ``touched`` in the events; never and not yet for those without one."""
    named = ", ".join(keys)
    event_keys = ", ".join("cityHash64(account_id) AS account" if key == "account" else key for key in keys)
    matched = " AND ".join(f"t.{key} = e.{key}" for key in keys)
    client.warehouse().command(f"TRUNCATE TABLE {table}")
    client.warehouse().command(
        f"INSERT INTO {table} ({named}, first, last) SELECT {', '.join(f't.{key}' for key in keys)}, "
        f"ifNull(e.first, {MOMENT.format('never')}), ifNull(e.last, fromUnixTimestamp64Milli(0, 'UTC')) "
        f"FROM ({touched}) AS t LEFT JOIN (SELECT {event_keys}, min(ts) AS first, max(ts) AS last FROM events "
        f"WHERE {only}visitor IN (SELECT visitor FROM ({touched})) GROUP BY {named}) AS e ON {matched}",
        given,
        seconds=SECONDS,
    )


def _raise(table: str, kept: str, keys: str, newest: str, given: Mapping[str, Any]) -> None:
    place = f"'{client.warehouse().database}.{kept}'"
    first, last = (f"joinGet({place}, '{name}', {keys})" for name in ("first", "last"))
    _alter(
        table,
        f"UPDATE first = greatest(first, {first}), last = if(last < {newest}, {last}, last) "
        f"WHERE first < {newest} AND ({keys}) IN (SELECT {keys} FROM {kept})",
        given,
    )


def _condition(cutoffs: Mapping[str, int]) -> tuple[str, dict[str, Any]]:
    """Events before their source's cutoff: a condition and its parameters."""
    parts, given = [], dict[str, Any]()
    for number, (source, cutoff) in enumerate(sorted(cutoffs.items())):
        parts.append(f"(source_id = {{s{number}:String}} AND ts < {MOMENT.format(f'c{number}')})")
        given.update({f"s{number}": source, f"c{number}": cutoff})
    return f"({' OR '.join(parts)})", given


def _end(month: int) -> int:
    """The first millisecond after a month such as 202601."""
    last = datetime(month // 100, month % 100, 28, tzinfo=UTC) + timedelta(days=4)
    return round(last.replace(day=1).timestamp() * 1000)


def _alter(table: str, action: str, given: Mapping[str, Any]) -> None:
    client.warehouse().command(f"ALTER TABLE {table} {action} SETTINGS mutations_sync = 2", given, seconds=SECONDS)
