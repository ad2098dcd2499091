"""Imports: the server's side of ``arrivals import``. Blocks (Django ORM); the writer is handed in."""

from typing import Any

from arrivals.collect.models import Import


def begin(source_id: str, *, filename: str, digest: str, mapping: dict[str, Any]) -> tuple[Import, bool]:
    """Find or make the import of this file with this map; return it and whether it is new.

    ``digest`` is the SHA-256 of the file's bytes and of the map, in hex, so that the same file twice is found.

    Raises:
        NotFound: no such source.
    """
    raise NotImplementedError


async def add(import_id: str, *, offset: int, rows: list[dict[str, Any]], writer: Any) -> dict[str, Any]:
    """Take rows from ``offset`` on (mapped to events, see docs/import.md) and keep them durably.

    Rows below the import's own offset were settled before and are skipped. Returns
    ``{"offset", "kept", "repeated", "refused": [{"row", "reason"}]}``.

    Raises:
        Conflict: ``offset`` leaves a gap, or the import is done.
    """
    raise NotImplementedError


def finish(import_id: str) -> Import:
    raise NotImplementedError
