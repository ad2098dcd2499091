"""Reports that are watched while events come in: ``python -m benchmarks.watching [EVENTS] [REPORTS] [SECONDS] [RATE]``.

20 million events of 500,000 visitors are there (``generate``), and those of an hour at RATE, so that it goes on as it went before
and not everybody is somebody who returns; then RATE events a second come in, groups of a fifth of that as the
collector's writer commits them, and REPORTS reports are watched each minute by the watcher's own loop. Measured is the processor
time of the whole process over SECONDS with the watcher, less the same without it, as a share of one core; and how the checks went.
The reports: counts of an event in a span with and without a metadata field, activity with a field, "did not", nested segments,
what a visitor has by a date, and a survey's responses.
"""

import asyncio
import random
import resource
import sys
import time
from collections import Counter
from typing import Any

from benchmarks.beside import loaded

NAMES = 50


def argument(place: int, default: int) -> int:
    return int(sys.argv[place]) if len(sys.argv) > place else default


def rules(number: int, nested: str) -> tuple[list[dict[str, Any]], str]:
    """The rules of the report of that number, and its range."""
    name, days = f"name_{number % NAMES}", (7, 30)[number // NAMES % 2]
    did = {"kind": "track", "name": name, "times": {"at_least": 5 + number % 5}, "when": {"within": f"{days}d"}}
    pro = {"kind": "visitor", "field": "agent.plan", "op": "is", "value": "pro"}
    never = {"kind": "track", "name": name, "did": False, "when": {"within": f"{days}d"}}
    inside = {"kind": "segment", "segment": nested}
    new = {"kind": "visitor", "field": "metric.first_visit", "op": "gte", "value": f"now-{days}d"}
    kinds = ([did, pro], [did, pro], [did], [did, inside], [did, pro], [pro, never], [did, pro], [did, inside])
    if number % 50 == 7:
        return [new, pro], f"{days}d"
    if number % 50 == 11:
        return [pro], "30d"
    return kinds[number % len(kinds)], f"{days}d"


def reports(amount: int) -> list[str]:
    from arrivals.audience import reports, segments
    from arrivals.watch import watches

    pro = {"kind": "visitor", "field": "agent.plan", "op": "is", "value": "pro"}
    nested = segments.create("Pro", {"all": [{"any": [pro]}]})
    made = [reports.responses_to("nps").id]
    for number in range(amount - 1):
        chosen, span = rules(number, nested.id)
        segment = segments.create(f"S{number}", {"all": [{"any": [one]} for one in chosen]})
        made.append(reports.create({"name": f"R{number}", "segment": segment.id, "range": {"within": span}}).id)
    for report_id in made:
        watches.start(report_id, minutes=1)
    return made


class Incoming:
    """Events that come in, in a thread of their own, until stopped."""

    def __init__(self, rate: int, visitors: int) -> None:
        from arrivals.warehouse.events import EventStore

        self.store, self.rate, self.visitors = EventStore(), rate, visitors
        self.random, self.number, self.stopped = random.Random(11), 0, False

    def run(self) -> None:
        from arrivals.collect.event import Event

        while not self.stopped:
            began = time.monotonic()
            now = int(time.time() * 1000)
            size = max(self.rate // 5, 1)
            group = []
            for _ in range(size):
                self.number += 1
                who = int(self.visitors * self.random.random() ** 2)
                name = f"name_{int(NAMES * self.random.random() ** 1.5)}"
                group.append(
                    Event(
                        source_id="src_bench", message_id=f"in-{self.number}", kind="track", name=name, ts=now, received_at=now,
                        visitor_id=f"visitor-{who}", account_id=f"account-{who % 20_000}", properties='{"revenue":1}',
                    )
                )  # fmt: skip
            self.store.append(group, [hash((self.number, place)) & (2**64 - 1) for place in range(size)])
            time.sleep(max(0.0, 0.2 - (time.monotonic() - began)))


def used() -> float:
    own = resource.getrusage(resource.RUSAGE_SELF)
    return own.ru_utime + own.ru_stime


def last_hour(store: Any, rate: int, visitors: int) -> None:
    """What came in during the hour before, by the same visitors and of the same names as what will."""
    store.command(
        "INSERT INTO events (source_id, message_hash, message_id, kind, name, visitor_id, account_id, ts, received_at, url, properties) "
        "WITH sipHash64(number, 5) AS a, sipHash64(a) AS b, toUInt64({visitors:UInt64} * pow(a / 18446744073709551616., 2)) AS who, "
        "now64(3) - toIntervalMillisecond(intDiv(number * 1000, {rate:UInt64})) AS at "
        "SELECT 'src_bench', a, concat('hour-', toString(number)), 'track', "
        f"concat('name_', toString(toUInt64({NAMES} * pow(b / 18446744073709551616., 1.5)))), concat('visitor-', toString(who)), "
        "concat('account-', toString(who % 20000)), at, at, '', '{\"revenue\":1}' FROM numbers({rate:UInt64} * 3600)",
        {"rate": rate, "visitors": visitors},
    )


async def caught_up() -> None:
    """Wait until each report was looked at once: that look is about all that came in since the first checks."""
    from arrivals import clock
    from arrivals.watch.models import Watch

    began = clock.now()
    while await Watch.objects.filter(active=True, checked_at__lt=began).aexists():
        await asyncio.sleep(1)


async def measured(seconds: int, incoming: Incoming, *, watched: bool) -> tuple[float, int]:
    """Processor seconds in a second, and events that came in."""
    from arrivals.watch.watcher import Watcher

    watcher = Watcher()
    if watched:
        await watcher.start()
        await caught_up()
    began, before, number = time.monotonic(), used(), incoming.number
    await asyncio.sleep(seconds)
    took, cpu, came = time.monotonic() - began, used() - before, incoming.number - number
    if watched:
        await watcher.stop()
    return cpu / took, came


async def main_loop(seconds: int, rate: int, visitors: int, ids: list[str]) -> None:
    from arrivals.watch import checks
    from arrivals.watch.models import Arrival, Check

    for report_id in ids:
        await asyncio.to_thread(checks.check, report_id)
    full = [one async for one in Check.objects.order_by("ms")]
    print(f"first checks, of everybody: {len(full)}, median {full[len(full) // 2].ms} ms, slowest {full[-1].ms} ms")
    incoming = Incoming(rate, visitors)
    thread = asyncio.create_task(asyncio.to_thread(incoming.run))
    await asyncio.sleep(5)
    alone, came = await measured(seconds, incoming, watched=False)
    print(f"without the watcher: {alone:.1%} of a core, {came / seconds:,.0f} events/s")
    last = full and max(one.id for one in full)
    both, came = await measured(seconds, incoming, watched=True)
    incoming.stopped = True
    await thread
    print(f"with it:             {both:.1%} of a core, {came / seconds:,.0f} events/s")
    print(f"the watcher:         {both - alone:.1%} of a core")
    ways: Counter[str] = Counter()
    times: list[int] = []
    async for one in Check.objects.filter(id__gt=last):
        ways[one.error or one.why or ("with news" if one.candidates else "no news")] += 1
        times.append(one.ms)
    print(f"checks: {dict(ways)}, arrivals and departures: {await Arrival.objects.acount():,}")
    print(f"largest time of a check: {max(times, default=0)} ms (of all that are looked at together)")


def main() -> None:
    events, amount = argument(1, 20_000_000), argument(2, 300)
    seconds, rate = argument(3, 180), argument(4, 1_000)
    with loaded() as store:
        last_hour(store, rate, max(events // 40, 1))
        ids = reports(amount)
        asyncio.run(main_loop(seconds, rate, max(events // 40, 1), ids))


if __name__ == "__main__":
    main()
