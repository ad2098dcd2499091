"""Which account a visitor belongs to, what is known of accounts, and what their visitors did: SELECTs for rules.

A visitor belongs to the account that the newest of its events names that names one (of two at the same time, to the one
whose id sorts last). An event belongs to the account that it names, else to that of its visitor: as in reports.
"""

from arrivals.audience import metrics
from arrivals.audience.asking import LINKS, Asking
from arrivals.audience.windows import Window


def newest(asking: Asking) -> str:
    """A SELECT of ``visitor`` and ``account``: those asked about who belong to one, at the moment of asking."""
    return _newest(asking, asking.own(), table=asking.live and not asking.keys)


def metric(asking: Asking, name: str, window: Window) -> str:
    """A SELECT of ``account`` and ``m``, a metric over the events in the span: accounts that have such events.

    Of accounts of the person that is asked about, or all.
    """
    who = _theirs(asking) if asking.keys else "1"
    happened = f"{who} AND {asking.times(window)}"
    if name == "visitors":
        # Of whom: the ids are joined with what they are linked to, and not their events.
        each = (
            f"SELECT visitor, account_id FROM events WHERE {happened} AND account_id != '' GROUP BY visitor, account_id"
        )
        named = asking.owner(each, "s.account_id AS account, s.visitor AS state", links=LINKS)
        named = f"SELECT account, visitor AS state FROM ({named})"
        state, value = "any(visitor)", "uniqExact(state)"
    else:
        state, value = metrics.state(name, asking.bind), metrics.merged(name, "state", asking.bind)
        named = f"SELECT account_id AS account, {state} AS state FROM events WHERE {happened} AND account_id != '' GROUP BY account"
    # Few events, or none, name no account: only they need to know whose visitor it is.
    unnamed = f"events WHERE {happened} AND account_id = ''"
    events = asking.owner(
        f"SELECT visitor, {state} AS state FROM {unnamed} GROUP BY visitor", "s.state AS state", links=LINKS
    )
    if not asking.keys:
        who = f"visitor IN (SELECT visitor FROM {unnamed})"
        if asking.linked:
            who = f"({who} OR visitor IN (SELECT arrayJoin([alias, visitor]) FROM {LINKS}))"
    belongs = _newest(asking, who, table=asking.live)
    shown = "e.visitor" if name == "visitors" else "e.state"
    others = f"SELECT n.account AS account, {shown} AS state FROM ({events}) AS e INNER JOIN ({belongs}) AS n ON e.visitor = n.visitor"
    return f"SELECT account, {value} AS m FROM ({named} UNION ALL {others}) GROUP BY account"


def _newest(asking: Asking, who: str, *, table: bool) -> str:
    """``who``: a condition on ``visitor``. ``table``: from the table of accounts' visitors, which knows the present."""
    # argMax over a tuple is dear, so it is done once, over as few rows as there are.
    if table:
        rows = f"SELECT visitor, account_id AS acc, last AS at FROM account_visitors WHERE {who}"
    else:
        rows = (
            "SELECT visitor, account_id AS acc, max(ts) AS at FROM events "
            f"WHERE {who} AND account_id != '' AND {asking.times()} GROUP BY visitor, account_id"
        )
    newest = "argMax(s.acc, tuple(s.at, s.acc)) AS account"
    return asking.owner(rows, newest, "GROUP BY visitor", links=LINKS)


def _theirs(asking: Asking) -> str:
    """The condition that an event may belong to the account of the person that is asked about."""
    known = f"= {asking.bind.add(asking.account, 'UInt64')}" if asking.account is not None else ""
    account = known or f"IN (SELECT cityHash64(account) FROM ({newest(asking)}))"
    named = f"SELECT visitor FROM account_visitors WHERE account {account}"
    if not asking.linked:
        return f"visitor IN ({named})"
    people = f"SELECT coalesce(l.visitor, s.visitor) FROM ({named}) AS s LEFT JOIN {LINKS} AS l ON s.visitor = l.alias"
    return f"visitor IN ({people} UNION DISTINCT SELECT alias FROM {LINKS} WHERE visitor IN ({people}))"
