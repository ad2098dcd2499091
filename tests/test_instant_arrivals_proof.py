"""Looking at single visitors by a question about them alone finds what looking at everybody finds."""

from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from arrivals import clock
from arrivals.audience import candidates
from arrivals.warehouse.client import Warehouse
from arrivals.watch import checks, told
from tests.test_watch_incremental import EXAMPLES, PEOPLE, World, groups, ledger_of, spans, steps, stored


class Told(World):
    """Of each pair one report is looked at for its people by name, where that is possible; the other as a whole."""

    def check(self) -> None:
        with clock.standing(self.now):
            near = [one for one, _ in self.pairs]
            first = not self.ways
            whole = [one for one in near if first or not candidates.plan(one).local]
            for one in whole:
                checks.check(one.id)
            told.check(PEOPLE, [one.id for one in near if one not in whole])
            self.ways["check"] += 1
            for _, full in self.pairs:
                checks.check(full.id)
        for one, full in self.pairs:
            assert stored(one) == stored(full)
            assert ledger_of(self.store, one) == ledger_of(self.store, full)


@settings(
    max_examples=EXAMPLES,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(st.lists(st.tuples(groups, spans), min_size=2, max_size=4), steps)
def test_who_is_looked_at_by_name_enters_and_leaves_as_by_a_look_at_everybody(
    fresh: Warehouse, chosen: Any, course: Any
) -> None:
    world = Told(fresh, chosen)
    world.check()
    for one in [*course, ("check",), ("time", 45), ("check",)]:
        world.step(*one)
