"""What the warehouse holds of visitors and accounts, deleted. Blocks.

Every statement is a mutation that is waited for: on return the rows are in no part of a table that questions read.
The parts that held them are removed from disk by the engine some minutes later. Each may be repeated.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from arrivals.warehouse import client

CHUNK = 5_000
SECONDS = 3600
KEYS = "(SELECT cityHash64(arrayJoin({ids:Array(String)})))"


def fence(erasure_id: str, members: Sequence[str]) -> None:
    """From now on checks see these members (visitors, accounts) neither enter nor leave."""
    for chunk in _chunks(members):
        client.warehouse().command(
            "INSERT INTO erasing (erasure_id, member) SELECT {erasure:String}, cityHash64(arrayJoin({ids:Array(String)}))",
            {"erasure": erasure_id, "ids": chunk},
        )


def unfence(erasure_id: str) -> None:
    """The end of ``fence``."""
    _alter("erasing", "DELETE WHERE erasure_id = {erasure:String}", {"erasure": erasure_id})


def person(visitor_ids: Sequence[str]) -> list[str]:
    """These ids and all that are linked with them: one person's ids together."""
    found = dict.fromkeys(visitor_ids)
    for chunk in _chunks(visitor_ids):
        rows = client.warehouse().query(
            f"WITH people AS (SELECT visitor FROM links FINAL WHERE alias IN {KEYS} UNION DISTINCT SELECT arrayJoin("
            "arrayMap(x -> cityHash64(x), {ids:Array(String)}))) SELECT alias_id, visitor_id FROM links FINAL "
            "WHERE visitor IN (SELECT visitor FROM people)",
            {"ids": chunk},
        )
        for alias, visitor in rows:
            found.update({str(alias): None, str(visitor): None})
    return list(found)


def responses(visitor_ids: Sequence[str]) -> list[str]:
    """The ids of the answers that these visitors gave to surveys: those of their events."""
    found: list[str] = []
    for chunk in _chunks(visitor_ids):
        rows = client.warehouse().query(
            f"SELECT DISTINCT message_id FROM events WHERE kind = 'survey_answered' AND visitor IN {KEYS}",
            {"ids": chunk},
        )
        found += [str(one) for (one,) in rows]
    return found


def visitors(visitor_ids: Sequence[str]) -> None:
    """Delete what visitors did, what is known of them, and that they were there."""
    for chunk in _chunks(visitor_ids):
        given = {"ids": chunk}
        for table in ("events", "visitor_fields", "visitors", "account_visitors", "list_members", "recent"):
            _alter(table, f"DELETE WHERE visitor IN {KEYS}", given)
        _alter("links", f"DELETE WHERE visitor IN {KEYS} OR alias IN {KEYS}", given)
        # Events that came in between stay, as those of somebody new: without this they would have no visitor.
        client.warehouse().command(
            f"INSERT INTO visitors (visitor_id, first, last) SELECT visitor_id, min(ts), max(ts) FROM events WHERE visitor IN {KEYS} "
            "GROUP BY visitor_id",
            given,
        )
        _name_accounts(f"visitor IN {KEYS}", given)


def accounts(account_ids: Sequence[str]) -> None:
    """Delete what is known of accounts; what their visitors did stays, without the account."""
    for chunk in _chunks(account_ids):
        given = {"ids": chunk}
        which = "account_id IN {ids:Array(String)}"
        _alter("account_fields", f"DELETE WHERE {which}", given)
        _alter("recent", f"DELETE WHERE sort = 'account' AND visitor IN {KEYS}", given)
        emptied = "properties = if(kind = 'group', '{}', properties)"
        _alter("events", f"UPDATE account_id = '', {emptied} WHERE {which}", given)
        _alter("account_visitors", f"DELETE WHERE account IN {KEYS}", given)
        _name_accounts(which, given)


def _name_accounts(which: str, given: Mapping[str, Any]) -> None:
    """Note again the accounts of events that came in between."""
    client.warehouse().command(
        "INSERT INTO account_visitors (account, account_id, visitor, first, last) "
        "SELECT cityHash64(account_id), account_id, visitor, min(ts), max(ts) FROM events "
        f"WHERE account_id != '' AND {which} GROUP BY account_id, visitor",
        given,
    )


def memberships(
    member_ids: Sequence[str], *, reports: Sequence[str], remote: Sequence[str], activations: Sequence[str]
) -> None:
    """Delete members from the ledgers of these reports, and from what these activations chose.

    ``remote`` are reports of another product. Who is still on one there stays in its ledger: each fetch brings them
    again, and without the ledger as somebody new.
    """
    for chunk in _chunks(member_ids):
        given = {"ids": chunk, "reports": list(reports), "remote": list(remote), "activations": list(activations)}
        _alter("memberships", f"DELETE WHERE report_id IN {{reports:Array(String)}} AND member IN {KEYS}", given)
        if remote:
            there = "(SELECT report_id, member FROM remote_rows WHERE report_id IN {remote:Array(String)})"
            which = f"report_id IN {{remote:Array(String)}} AND member IN {KEYS} AND (report_id, member) NOT IN {there}"
            _alter("memberships", f"DELETE WHERE {which}", given)
        chosen = f"DELETE WHERE activation_id IN {{activations:Array(String)}} AND member IN {KEYS}"
        _alter("activation_members", chosen, given)


def fetched(member_ids: Sequence[str], reports: Sequence[str]) -> None:
    """Delete members from the rows that were fetched for these reports of another product.

    Only after ``memberships``: that asks these rows who is still on a report there, and may be asked again.
    """
    for chunk in _chunks(member_ids) if reports else ():
        for table in ("remote_rows", "remote_left"):
            which = "report_id IN {reports:Array(String)} AND member_id IN {ids:Array(String)}"
            _alter(table, f"DELETE WHERE {which}", {"ids": chunk, "reports": list(reports)})


def left_of(lists: Sequence[tuple[str, int]]) -> dict[str, int]:
    """How many ids these lists (id, version) have now."""
    rows = client.warehouse().query(
        "SELECT list_id, version, count() FROM list_members FINAL WHERE list_id IN {ids:Array(String)} GROUP BY list_id, version",
        {"ids": [list_id for list_id, _ in lists]},
    )
    sizes = {(str(list_id), int(version)): int(size) for list_id, version, size in rows}
    return {list_id: sizes.get((list_id, version), 0) for list_id, version in lists}


def _alter(table: str, action: str, parameters: Mapping[str, Any]) -> None:
    client.warehouse().command(f"ALTER TABLE {table} {action} SETTINGS mutations_sync = 2", parameters, seconds=SECONDS)


def _chunks(ids: Sequence[str]) -> Iterator[list[str]]:
    for start in range(0, len(ids), CHUNK):
        yield list(ids[start : start + CHUNK])
