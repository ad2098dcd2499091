"""A million rows out and a million ids in: ``python -m benchmarks.million [EVENTS]``.

A report of everybody who was active, of 1,025,000 visitors who did 10 million things, as CSV with six columns, read piece by
piece as the server sends it; then a file of a million ids becomes a list, and a segment is asked who is on it. Measured: seconds,
and how much more memory than before the process had at most.
"""

import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

from benchmarks.beside import forget_peak, loaded, resident
from benchmarks.report import COLUMNS

VISITORS, IDS = 1_025_000, 1_000_000


def measured(what: str, do: Callable[[], int], unit: str) -> None:
    """Do it once, and print what it took."""
    forget_peak()
    before, cpu, began = resident(), time.process_time(), time.perf_counter()
    many = do()
    took, used = time.perf_counter() - began, time.process_time() - cpu
    more = resident("VmHWM") - before
    print(
        f"{what}: {many:,} {unit} in {took:.1f} s, {many / took:,.0f} a second ({used:.1f} s of the processor), {more} MB more than {before}"
    )


def main() -> None:
    if len(sys.argv) < 2:
        sys.argv.append("10000000")
    with loaded(visitors=VISITORS):
        from arrivals.audience import compiler, lists, reports, rows
        from arrivals.warehouse import client

        report = reports.create({"name": "All", "range": {"within": "365d"}, "columns": COLUMNS})

        def csv() -> int:
            return sum(piece.count("\r\n") for piece in rows.csv(report)) - 1

        measured("CSV", csv, "rows")
        with tempfile.TemporaryFile() as file:
            file.writelines(b"visitor-%d\n" % number for number in range(IDS))
            file.seek(0)
            made: list[Any] = []

            def upload() -> int:
                made.append(lists.upload(file, name="A million").made)
                return int(made[0].size)

            measured("list", upload, "ids")

        def asked() -> int:
            rules = {"all": [{"any": [{"kind": "list", "list": made[0].id}]}]}
            query = compiler.segment_ids(rules)
            [(many,)] = client.warehouse().query(f"SELECT count() FROM ({query.sql})", query.parameters)
            return int(many)

        measured("segment of the list", asked, "visitors")


if __name__ == "__main__":
    main()
