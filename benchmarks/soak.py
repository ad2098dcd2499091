"""Months of small inserts: ``python -m benchmarks.soak [COMMITS] [LATE]``.

The collector's store writes COMMITS groups of 20 events one after the other, as a product with little traffic makes them: most are
of now, one in LATE is of some day in the past half year, so that it makes a part in an old partition. The clock of the events moves
on by an hour a commit, so that 2,000 commits go through three months. Printed is what may grow: parts in all and in the fullest
partition, the size on disk, how long an insert takes, and the engine's own logs.
"""

import random
import sys
import tempfile
import time
from pathlib import Path

GROUP = 20
HOUR = 3_600_000


def main() -> None:
    commits = int(sys.argv[1]) if len(sys.argv) > 1 else 2_000
    late = int(sys.argv[2]) if len(sys.argv) > 2 else 5
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        from arrivals.collect.event import Event, Field
        from arrivals.warehouse import client, migrate, upkeep
        from arrivals.warehouse.events import EventStore

        client.use(client.Warehouse(f"chdb://{Path(folder) / 'soak'}"))
        migrate.migrate(client.warehouse())
        store, chance, took, number = EventStore(), random.Random(5), [], 0
        now = int(time.time() * 1000) - commits * HOUR
        print(f"{'commits':>8} {'parts':>6} {'fullest':>8} {'MB':>7} {'p50 ms':>7} {'p99 ms':>7}")
        for commit in range(1, commits + 1):
            now += HOUR
            group = []
            for _ in range(GROUP):
                number += 1
                ago = chance.randrange(180 * 24) * HOUR if chance.randrange(late) == 0 else chance.randrange(HOUR)
                fields = (Field("agent", "plan", chance.choice(("pro", "free")), "string"),)
                group.append(
                    Event(
                        source_id="src_soak", message_id=str(number), kind="track", name=f"name_{chance.randrange(50)}",
                        visitor_id=f"visitor-{chance.randrange(20_000)}", account_id=f"account-{chance.randrange(500)}",
                        ts=now - ago, received_at=now, properties='{"n":1}', visitor_fields=fields,
                    )
                )  # fmt: skip
            began = time.perf_counter()
            store.append(group, list(range(number, number + GROUP)))
            took.append((time.perf_counter() - began) * 1000)
            if commit % max(commits // 10, 1) == 0:
                tables = upkeep.tables()
                lately = sorted(took[-max(commits // 10, 1) :])
                size = sum(one.size for one in tables) / upkeep.MEGABYTE
                print(
                    f"{commit:>8} {sum(one.parts for one in tables):>6} {max(one.most for one in tables):>8} {size:>7.1f} "
                    f"{lately[len(lately) // 2]:>7.1f} {lately[int(len(lately) * 0.99)]:>7.1f}"
                )
        print("merges and mutations under way:", upkeep.under_way(), "logs of the engine over 100 MB:", upkeep.logs())
        print("advice:", upkeep.advice() or "none")
        client.warehouse().close()


if __name__ == "__main__":
    main()
