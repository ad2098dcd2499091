"""Links of identities: an anonymous or former id -> the visitor it belongs to. Blocks.

The table is kept flat: a visitor that others point to is never itself an alias. Only the writer's thread writes it.
"""

import time
from collections import OrderedDict
from collections.abc import Sequence

from arrivals.warehouse import client, recent

REMEMBERED = 100_000
_forgotten = [0]


def forget() -> None:
    """Let every ``Links`` of this process forget the pairs that it has settled: links were deleted."""
    _forgotten[0] += 1


class Links:
    """Notes links. Remembers pairs that it has settled, since a page sends the same pair with every call."""

    def __init__(self) -> None:
        self._settled: OrderedDict[tuple[str, str], None] = OrderedDict()
        self._rank = 0
        self._forgotten = _forgotten[0]

    def note(self, wanted: Sequence[tuple[str, str, bool]]) -> None:
        """Link each (alias, visitor, overrides). The first link of an alias stays, unless a later one overrides.

        A link that would close a circle is left out: the visitor is then an alias of the alias already.
        """
        if self._forgotten != _forgotten[0]:
            self._forgotten = _forgotten[0]
            self._settled.clear()
        new = list(dict.fromkeys(one for one in wanted if one[2] or one[:2] not in self._settled))
        if not new:
            return
        present = self._present([id_ for alias, visitor, _ in new for id_ in (alias, visitor)])
        changed: dict[str, str] = {}
        moved = False
        for alias, visitor, overrides in new:
            self._settled[(alias, visitor)] = None
            target = present.get(visitor, visitor)
            if target == alias or (alias in present and (not overrides or present[alias] == target)):
                continue
            moved = moved or alias in present
            followers = [other for other, its in present.items() if its == alias]
            for id_ in (alias, *followers):
                present[id_] = changed[id_] = target
        while len(self._settled) > REMEMBERED:
            self._settled.popitem(last=False)
        if changed:
            self._rank = max(self._rank + 1, time.time_ns())
            rows = [[alias, visitor, self._rank] for alias, visitor in changed.items()]
            client.warehouse().insert("links", rows, ["alias_id", "visitor_id", "rank"])
            if (
                moved
            ):  # the row says whom the alias belongs to now; whom it is taken from is seen by looking at everybody
                recent.disturb()

    def _present(self, ids: list[str]) -> dict[str, str]:
        """The links that these ids take part in: alias -> visitor."""
        found = client.warehouse().query(
            "WITH (SELECT groupArray(cityHash64(id)) FROM (SELECT arrayJoin({ids:Array(String)}) AS id)) AS keys "
            "SELECT alias_id, visitor_id FROM links FINAL WHERE has(keys, alias) OR has(keys, visitor)",
            {"ids": ids},
        )
        return {str(alias): str(visitor) for alias, visitor in found}
