"""The message ids of the past 7 days, as 64-bit hashes: 8 bytes of memory an event.

Hashes that are new go into a set; a full set becomes a sorted array, which is dropped when all in it are too old.
"""

import hashlib
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

FULL = 100_000
DAYS = 7
SPAN_MS = DAYS * 86_400_000


def message_hash(source_id: str, message_id: str) -> int:
    """64 bits of BLAKE2b of the source and its message id."""
    return int.from_bytes(hashlib.blake2b(f"{source_id}\0{message_id}".encode(), digest_size=8).digest(), "little")


class Known:
    """A set of hashes with an age. Not for use by two threads at once."""

    def __init__(self, loaded: npt.NDArray[np.uint64], now_ms: int) -> None:
        self._arrays: list[tuple[int, npt.NDArray[np.uint64]]] = [(now_ms, np.sort(loaded))] if len(loaded) else []
        self._fresh: set[int] = set()

    def among(self, hashes: list[int]) -> set[int]:
        """Those of ``hashes`` that are known."""
        found = self._fresh.intersection(hashes)
        asked = np.array(hashes, dtype=np.uint64)
        for _newest, array in self._arrays:
            places = np.searchsorted(array, asked)
            places[places == len(array)] = 0
            found.update(asked[array[places] == asked].tolist())
        return found

    def add(self, hashes: Iterable[int], now_ms: int) -> None:
        """Remember ``hashes``, and forget what is older than 7 days."""
        self._fresh.update(hashes)
        if len(self._fresh) >= FULL:
            self._arrays.append((now_ms, np.sort(np.fromiter(self._fresh, dtype=np.uint64, count=len(self._fresh)))))
            self._fresh = set()
            self._arrays = [(newest, array) for newest, array in self._arrays if newest > now_ms - SPAN_MS]
