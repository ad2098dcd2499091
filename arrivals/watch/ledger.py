"""The ledger in the warehouse: who is on a report, and how many times each has been. Blocks.

One row a member and report, the highest version counts: 2n-1 means entered for the nth time, 2n left again. A member
that was an anonymous id when it entered counts as the visitor it was linked to since.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt

from arrivals.audience.binder import Keys as Keyed
from arrivals.audience.compiler import Query
from arrivals.audience.members import Members
from arrivals.warehouse import client

SECONDS = 30.0  # the time a check's questions have
NAMED = 5_000
EPOCH, MILLISECOND = datetime(1970, 1, 1, tzinfo=UTC), timedelta(milliseconds=1)


@dataclass(frozen=True)
class Change:
    """A member that entered ("in") or left ("out"), for the ``entry``th time.

    ``again``: a further membership of somebody of whom one has ended already, under another id.
    """

    member: str
    kind: str
    entry: int
    again: bool = False


# By the visitor that the members belong to now: the highest version, and the memberships that are open (odd versions).
STATE = (
    "SELECT coalesce(l.visitor, m.member) AS visitor, max(m.version) AS version, "
    "groupArrayIf((m.member_id, m.version), m.version % 2 = 1) AS open FROM "
    "(SELECT member, member_id, version FROM memberships FINAL WHERE report_id = {{report:String}}{only}) AS m "
    "LEFT JOIN ({links}) AS l ON m.member = l.alias GROUP BY visitor"
)


# Of all members in a copy (``near``).
THEIRS = "report_id IN {reports:Array(String)} AND member IN (SELECT visitor FROM people)"
VISITORS = Members(Query("SELECT visitor FROM visitors", {}))

Keys = npt.NDArray[np.uint64]
Numbers = npt.NDArray[np.int64]
Difference = tuple[Any, ...]  # whether gone, the member's key, the entry number, the open memberships


def changes(report_id: str, members: Members) -> Iterator[list[Change]]:
    """Who entered and who left since the ledger was last written, in blocks.

    Where two ids of one visitor were both on the report, both of their memberships end. Those whose erasure is under
    way neither enter nor leave.

    Raises:
        CheckTimeout: it takes longer than 30 s.
    """
    for block in differences(report_id, members):
        yield named(members, block)


def differences(report_id: str, members: Members, *, only: Sequence[int] = ()) -> Iterator[list[Difference]]:
    """The same without names: what ``named`` makes changes of. ``only``: all keys of some members; then ``members`` are
    those among them."""
    ids, state = (
        members.ids,
        STATE.format(links=members.links, only=" AND member IN {only:Array(UInt64)}" if only else ""),
    )
    sql = (
        "SELECT n.here IS NULL AS gone, n.visitor, intDiv(ifNull(s.version, 0), 2) + 1, s.open "
        f"FROM (SELECT visitor, 1 AS here FROM ({ids.sql})) AS n FULL OUTER JOIN ({state}) AS s ON n.visitor = s.visitor "
        "WHERE (n.here IS NULL) = notEmpty(s.open) AND coalesce(n.visitor, s.visitor) NOT IN (SELECT member FROM erasing)"
    )
    given = {**ids.parameters, "report": report_id, "only": Keyed(only)}
    yield from client.warehouse().blocks(sql, given, seconds=SECONDS)


def compared(found: Mapping[str, Keys], *, linked: bool) -> tuple[dict[str, list[Change]], set[str]]:
    """``changes`` of many reports of visitors whose members are ``found``, in a copy of so few people (``near``) that their
    keys are no burden; and the reports on which somebody was under two ids, so that they count as one now.

    What the ledger has of these people is read at once. ``linked``: whether the copy has links.
    """
    reports = list(found)
    state = _state(reports)
    owners = _resolved(state[:, 1]) if linked else state[:, 1]
    keys = np.unique(np.concatenate([owners, *found.values()]))
    size = max(len(keys), 1)

    def pair(place: Any, whose: Keys) -> Numbers:
        """A report and a member of it as one number, by their places."""
        return place * size + np.searchsorted(keys, whose)

    there = np.concatenate([pair(place, found[id_]) for place, id_ in enumerate(reports)])
    known, entries, open_ = pair(state[:, 0].astype(np.int64), owners), state[:, 2] // 2 + 1, state[:, 2] % 2 == 1
    before, times = np.unique(known[open_], return_counts=True)
    joined = {reports[one] for one in np.unique(before[times > 1] // size).tolist()}
    erasing = _keys("SELECT DISTINCT member FROM erasing", {})
    gone, new = (
        one[np.isin(keys[one % size], erasing, invert=True)]
        for one in (np.setdiff1d(before, there, True), np.setdiff1d(there, before, True))
    )
    entry: dict[int, int] = {}
    again = np.isin(known, new)
    for one, number in zip(known[again].tolist(), entries[again].tolist(), strict=True):
        entry[one] = max(entry.get(one, 1), number)
    changed: dict[str, list[Difference]] = {id_: [] for id_ in reports}
    for one in new.tolist():
        changed[reports[one // size]].append((False, int(keys[one % size]), entry.get(one, 1), ()))
    ended: dict[int, list[tuple[str, int]]] = {}
    leaving = open_ & np.isin(known, gone)
    called = _called(reports, np.unique(state[leaving, 1]).tolist())
    for one, (_, member, version) in zip(known[leaving].tolist(), state[leaving].tolist(), strict=True):
        ended.setdefault(one, []).append((called[member], version))
    for one, memberships in ended.items():
        changed[reports[one // size]].append((True, int(keys[one % size]), 0, memberships))
    names = _names(VISITORS, np.unique(keys[new % size]).tolist())
    return {id_: _changes(differences, names) for id_, differences in changed.items()}, joined


def _state(reports: Sequence[str]) -> Keys:
    """Rows of: place among the reports, member, newest version; of all people in the copy that the ledger knows there."""
    return _keys(
        "SELECT transform(toString(report_id), {reports:Array(String)}, {places:Array(UInt64)}, toUInt64(0)), member, "
        f"toUInt64(max(version)) FROM memberships WHERE {THEIRS} GROUP BY report_id, member",
        {"reports": list(reports), "places": list(range(len(reports)))},
    ).reshape(-1, 3)


def _resolved(members: Keys) -> Keys:
    """The visitors that these members are now."""
    links = _keys("SELECT alias, visitor FROM links FINAL ORDER BY alias", {}).reshape(-1, 2)
    places = np.minimum(np.searchsorted(links[:, 0], members), len(links) - 1)
    return np.where(links[places, 0] == members, links[places, 1], members)


def _called(reports: Sequence[str], members: Sequence[int]) -> dict[int, str]:
    """The ids of members as the ledger has them."""
    if not members:
        return {}
    sql = f"SELECT member, any(member_id) FROM memberships WHERE {THEIRS} AND member IN {{members:Array(UInt64)}} GROUP BY member"
    found = client.warehouse().query(sql, {"reports": list(reports), "members": Keyed(members)}, seconds=SECONDS)
    return {int(key): str(id_) for key, id_ in found}


def named(members: Members, found: Sequence[Difference]) -> list[Change]:
    """The changes of differences. Only those who entered are looked up, and not the names of all there are.

    Somebody whose name is not written yet is left out: an insert is under way, and the next check finds them.
    """
    return _changes(found, _names(members, [int(key) for gone, key, _, _ in found if not gone]))


def _keys(sql: str, given: Mapping[str, Any]) -> Keys:
    """As ``Warehouse.numbers``; of no rows it is of the same type."""
    found: Keys = client.warehouse().numbers(sql, given, seconds=SECONDS)
    return found.astype(np.uint64) if len(found) == 0 else found


def _names(members: Members, keys: Sequence[int]) -> dict[int, str]:
    names: dict[int, str] = {}
    for start in range(0, len(keys), NAMED):
        given = {**members.ids.parameters, "entered": Keyed(keys[start : start + NAMED])}
        sql = f"SELECT visitor, id FROM ({members.names}) WHERE visitor IN {{entered:Array(UInt64)}}"
        names |= {int(key): str(name) for key, name in client.warehouse().query(sql, given, seconds=SECONDS)}
    return names


def _changes(found: Sequence[Difference], names: Mapping[int, str]) -> list[Change]:
    read: list[Change] = []
    for gone, key, entry, open_ in found:
        if gone:
            read += [
                Change(str(its), "out", (version + 1) // 2, again=number > 0)
                for number, (its, version) in enumerate(open_)
            ]
        elif int(key) in names:
            read.append(Change(names[int(key)], "in", int(entry)))
    return read


def append(rows: Sequence[tuple[str, Change, datetime]]) -> None:
    """Write changes to the ledger, each with its report and its time. Writing the same again changes nothing."""
    if not rows:
        return
    store = client.warehouse()
    ids = list({change.member for _, change, _ in rows})
    keys = dict(
        store.query("SELECT id, cityHash64(id) FROM (SELECT arrayJoin({ids:Array(String)}) AS id)", {"ids": ids})
    )
    store.insert_columns(
        "memberships",
        {
            "report_id": [report_id for report_id, _, _ in rows],
            "member": [keys[change.member] for _, change, _ in rows],
            "member_id": [change.member for _, change, _ in rows],
            "version": [change.entry * 2 - (change.kind == "in") for _, change, _ in rows],
            "at": [(at - EPOCH) // MILLISECOND for _, _, at in rows],  # cut, as where times are shown
        },
    )


def baseline(report_id: str, members: Members, at: datetime) -> None:
    """Take the first snapshot: all who are on the report, as entered once. Raises CheckTimeout."""
    client.warehouse().command(
        "INSERT INTO memberships (report_id, member, member_id, version, at) SELECT {report:String}, n.visitor, v.id, 1, "
        f"fromUnixTimestamp64Milli({{at:Int64}}, 'UTC') FROM ({members.ids.sql}) AS n INNER JOIN ({members.names}) AS v ON n.visitor = v.visitor",
        {**members.ids.parameters, "report": report_id, "at": round(at.timestamp() * 1000)},
        seconds=SECONDS,
    )


def rebase(report_id: str, members: Members, at: datetime) -> None:
    """Take a further snapshot: the ledger says what is on the report now, and nobody arrives or departs by it."""
    for block in changes(report_id, members):
        append([(report_id, change, at) for change in block])


def replaced(report_id: str, members: Members) -> tuple[int, int, int]:
    """How many the ledger has on the report, how many of these are not among ``members``, and how many are new.

    Raises:
        CheckTimeout: it takes longer than 30 s.
    """
    ids, state = members.ids, STATE.format(links=members.links, only="")
    sql = (
        "SELECT countIf(s.there), countIf(s.there AND n.here IS NULL), countIf(n.here = 1 AND NOT ifNull(s.there, 0)) "
        f"FROM (SELECT visitor, 1 AS here FROM ({ids.sql})) AS n FULL OUTER JOIN "
        f"(SELECT visitor, notEmpty(open) AS there FROM ({state})) AS s ON n.visitor = s.visitor"
    )
    [found] = client.warehouse().query(sql, {**ids.parameters, "report": report_id}, seconds=SECONDS)
    return int(found[0]), int(found[1]), int(found[2])


def entered_before(report_id: str, moment: datetime, *, prefix: str = "p_") -> Query:
    """A SELECT of one column ``visitor``: who has been on the report since before ``moment``, as the ledger knows."""
    return Query(
        f"SELECT member AS visitor FROM memberships FINAL WHERE report_id = {{{prefix}report:String}} AND version % 2 = 1 "
        f"AND at < fromUnixTimestamp64Milli({{{prefix}at:Int64}}, 'UTC')",
        {f"{prefix}report": report_id, f"{prefix}at": round(moment.timestamp() * 1000)},
    )


def present(report_id: str, members: Members) -> int:
    """How many the ledger has on the report."""
    sql = f"SELECT countIf(notEmpty(open)) FROM ({STATE.format(links=members.links, only='')})"
    [(number,)] = client.warehouse().query(sql, {"report": report_id})
    return int(number)


def choose(report_id: str, activation_id: str, members: Members, but: Query | None = None) -> int:
    """Note under ``activation_id`` all whom the ledger has on the report, without those in ``but``; return how many.

    Raises:
        CheckTimeout: it takes longer than 30 s.
    """
    store = client.warehouse()
    state = STATE.format(links=members.links, only="")
    store.command(
        "INSERT INTO activation_members (activation_id, member, member_id, entry) "
        f"SELECT {{activation:String}}, s.visitor, v.id, intDiv(arrayMax(o -> o.2, s.open) + 1, 2) FROM ({state}) AS s "
        f"INNER JOIN ({members.names}) AS v ON s.visitor = v.visitor WHERE notEmpty(s.open) {_without(but)}",
        {**members.ids.parameters, **(but.parameters if but else {}), "report": report_id, "activation": activation_id},
        seconds=SECONDS,
    )
    found = store.query(
        "SELECT count() FROM activation_members FINAL WHERE activation_id = {id:String}", {"id": activation_id}
    )
    return int(found[0][0])


def chosen(activation_id: str, after: int, limit: int) -> list[tuple[int, str, int]]:
    """Member key, member and entry of those noted under ``activation_id``, in the order of the key, after ``after``."""
    found = client.warehouse().query(
        "SELECT member, member_id, entry FROM activation_members FINAL WHERE activation_id = {id:String} "
        "AND (member > {after:UInt64} OR {first:UInt8} = 1) ORDER BY member LIMIT {limit:UInt32}",
        {"id": activation_id, "after": max(after, 0), "first": int(after < 0), "limit": limit},
    )
    return [(int(member), str(named), int(entry)) for member, named, entry in found]


def number(ids: Query, *, seconds: float = SECONDS) -> int:
    """How many there are, of a report that may not be watched yet. Raises CheckTimeout."""
    [(count,)] = client.warehouse().query(f"SELECT count() FROM ({ids.sql})", ids.parameters, seconds=seconds)
    return int(count)


def is_chosen(activation_id: str, members: Sequence[str]) -> bool:
    """Whether one of these ids was noted under ``activation_id``, and is not forgotten yet."""
    sql = "SELECT 1 FROM activation_members WHERE activation_id = {id:String} AND member_id IN {members:Array(String)} LIMIT 1"
    return bool(client.warehouse().query(sql, {"id": activation_id, "members": list(members)}))


def difference(ids: Query, but: Query) -> int:
    """How many of ``ids`` are not in ``but``, for a report that may not be watched yet. Raises CheckTimeout."""
    sql = f"SELECT count() FROM ({ids.sql}) WHERE visitor NOT IN ({but.sql})"
    [(number,)] = client.warehouse().query(sql, {**ids.parameters, **but.parameters}, seconds=SECONDS)
    return int(number)


def listed(members: Members, but: Query | None, *, after: str, limit: int) -> list[str]:
    """The ids of members that are not in ``but``, in order, those after ``after``. Raises CheckTimeout."""
    without = f"AND visitor NOT IN ({but.sql})" if but else ""
    sql = (
        f"SELECT id FROM ({members.names}) WHERE visitor IN ({members.ids.sql}) {without} "
        "AND id > {listed_after:String} ORDER BY id LIMIT {listed_limit:UInt32}"
    )
    given = {**members.ids.parameters, **(but.parameters if but else {}), "listed_after": after, "listed_limit": limit}
    return [str(name) for (name,) in client.warehouse().query(sql, given, seconds=SECONDS)]


def forget(activation_id: str) -> None:
    """Drop the members noted for an activation that is done or was never stored."""
    client.warehouse().command(
        "DELETE FROM activation_members WHERE activation_id = {id:String}", {"id": activation_id}
    )


def _without(but: Query | None) -> str:
    return f"AND s.visitor NOT IN ({but.sql})" if but else ""
