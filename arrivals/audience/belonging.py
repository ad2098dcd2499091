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
    # The states of one id are joined with what it is linked to, and not its events.
    counted = name == "visitors"
    state = "0" if counted else metrics.state(name, asking.bind)
    each = (
        f"SELECT visitor, account_id, {state} AS state FROM events WHERE {who} AND {asking.times(window)} "
        "GROUP BY visitor, account_id"
    )
    events = asking.owner(each, "s.account_id AS named, s.state AS state", links=LINKS)
    value = "uniqExact(e.visitor)" if counted else metrics.merged(name, "e.state", asking.bind)
    belongs = _newest(asking, who, table=asking.live)
    return (
        f"SELECT if(e.named != '', e.named, ifNull(n.account, '')) AS account, {value} AS m FROM ({events}) AS e "
        f"LEFT JOIN ({belongs}) AS n ON e.visitor = n.visitor GROUP BY account HAVING account != ''"
    )


def _newest(asking: Asking, who: str, *, table: bool) -> str:
    """``who``: a condition on ``visitor``. ``table``: from the table of accounts' visitors, which knows the present."""
    if table:
        rows = (
            "SELECT visitor, argMax(account_id, tuple(last, account_id)) AS acc, max(last) AS at "
            f"FROM account_visitors WHERE {who} GROUP BY visitor"
        )
    else:
        rows = (
            "SELECT visitor, argMax(account_id, tuple(ts, account_id)) AS acc, max(ts) AS at FROM events "
            f"WHERE {who} AND account_id != '' AND {asking.times()} GROUP BY visitor"
        )
    newest = "argMax(s.acc, tuple(s.at, s.acc)) AS account"
    return asking.owner(rows, newest, "GROUP BY visitor", links=LINKS)


def _theirs(asking: Asking) -> str:
    """The condition that an event may belong to the account of the person that is asked about."""
    accounts = f"SELECT cityHash64(account) FROM ({newest(asking)})"
    named = f"SELECT visitor FROM account_visitors WHERE account IN ({accounts})"
    if not asking.linked:
        return f"visitor IN ({named})"
    people = f"SELECT coalesce(l.visitor, s.visitor) FROM ({named}) AS s LEFT JOIN {LINKS} AS l ON s.visitor = l.alias"
    return f"visitor IN ({people} UNION DISTINCT SELECT alias FROM {LINKS} WHERE visitor IN ({people}))"
