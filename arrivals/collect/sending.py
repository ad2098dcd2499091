"""What every sender of a file's rows does: take them in batches, and note the refused ones."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from arrivals.collect.files import File, MessageIds, Row, content

BATCH = 2_000
BATCH_CHARACTERS = 1_000_000  # rows of any length stay far under what the server takes as one body


def batches(read: File, progress: Callable[[int], None]) -> Iterator[list[Row]]:
    """The rows of a file in batches."""
    batch: list[Row] = []
    characters = 0
    for row in read.rows(progress):
        batch.append(row)
        characters += len(row.text)
        if len(batch) == BATCH or characters > BATCH_CHARACTERS:
            yield batch
            batch, characters = [], 0
    if batch:
        yield batch


class Named:
    """Rows with the ids that an import wants. Every row takes its turn, so that equal rows have the same ones on the next
    try. Events of an export have an id of their own; where one has none, its content is one."""

    def __init__(self, mapping: dict[str, Any]) -> None:
        self._of = content if "from" in mapping else MessageIds().of

    def rows(self, batch: list[Row]) -> list[dict[str, Any]]:
        """As ``POST /imports/{import_id}/rows`` takes them."""
        return [{"id": self._of(row.values or {"unreadable": row.text}), "row": row.values} for row in batch]


class Rejected:
    """The file of rejected rows, one JSON object a line: row, file (the member of a zip), reason, text."""

    def __init__(self, path: Path, *, fresh: bool) -> None:
        """``fresh``: the import begins anew, so what an older one left there goes."""
        self.path = path
        if fresh:
            path.unlink(missing_ok=True)
        self._known = self._already()

    def note(self, batch: list[Row], refused: list[dict[str, Any]]) -> None:
        """Write down those of a batch that were refused; a row that an earlier try wrote down is not written again."""
        reasons = {one["row"]: one["reason"] for one in refused}
        lines = []
        for row in batch:
            if row.number in reasons and row.number not in self._known:
                member = {"file": row.part} if row.part else {}
                text = row.text.encode("utf-8", "replace").decode()
                told = {"row": row.number, **member, "reason": row.reason or reasons[row.number], "text": text}
                lines.append(json.dumps(told, ensure_ascii=False) + "\n")
        if lines:
            with self.path.open("a", encoding="utf-8") as file:
                file.writelines(lines)

    def _already(self) -> set[int]:
        """The rows that an earlier try wrote down; a line cut off by its death goes."""
        if not self.path.exists():
            return set()
        text = self.path.read_text(encoding="utf-8", errors="replace")
        whole = text[: text.rfind("\n") + 1]
        if whole != text:
            self.path.write_text(whole, encoding="utf-8")
        return {json.loads(line)["row"] for line in whole.splitlines()}
