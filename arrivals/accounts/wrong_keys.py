"""Counts every use of a wrong integration key, by hour and address. Blocks.

What is counted waits in the process and is written at most once a second: a flood of wrong keys must not keep the
control database busy with writing. A process that is killed forgets the wrong keys of its last second.
"""

import threading
import time
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import F, Sum

from arrivals import clock
from arrivals.accounts.models import WrongKeys

DAY = timedelta(days=1)
WRITE_EVERY = 1.0  # seconds
MOST_ADDRESSES = 500  # an hour; what comes from further ones is counted together
OTHERS = "others"


@dataclass(frozen=True)
class Summary:
    """The uses of wrong keys in the last day: how many, from how many addresses; when and where from the last was."""

    uses: int
    addresses: int
    last_at: datetime | None
    last_from: str


class _Tally:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: dict[str, tuple[int, datetime]] = {}
        self._written = 0.0

    def add(self, address: str) -> bool:
        """Count one; say whether it is time to write."""
        with self._lock:
            uses, _ = self._waiting.get(address, (0, None))
            self._waiting[address] = (uses + 1, clock.now())
            due = time.monotonic() - self._written >= WRITE_EVERY
            if due:
                self._written = time.monotonic()
            return due

    def take(self) -> dict[str, tuple[int, datetime]]:
        with self._lock:
            taken, self._waiting = self._waiting, {}
            return taken


_tally = _Tally()


def count(address: str) -> None:
    """Count one use of a wrong key from this network address ("" where it is not known)."""
    if _tally.add(address[:64] or "unknown"):
        write()


def write() -> None:
    """Write what this process has counted, and forget what is older than a day."""
    now = clock.now()
    hour = now.replace(minute=0, second=0, microsecond=0)
    for address, (uses, last_at) in _tally.take().items():
        this_hour = WrongKeys.objects.filter(hour=hour)
        if not this_hour.filter(address=address).exists() and this_hour.count() >= MOST_ADDRESSES:
            address = OTHERS
        row, _ = WrongKeys.objects.get_or_create(address=address, hour=hour, defaults={"last_at": last_at})
        WrongKeys.objects.filter(pk=row.pk).update(uses=F("uses") + uses, last_at=last_at)
    WrongKeys.objects.filter(hour__lt=now - DAY - timedelta(hours=1)).delete()


def last_day() -> Summary:
    """What was counted in the last 24 hours, to the hour."""
    write()
    found = WrongKeys.objects.filter(last_at__gt=clock.now() - DAY)
    newest = found.order_by("-last_at").first()
    return Summary(
        uses=found.aggregate(sum=Sum("uses"))["sum"] or 0,
        addresses=found.values("address").distinct().count(),
        last_at=newest.last_at if newest else None,
        last_from=newest.address if newest else "",
    )
