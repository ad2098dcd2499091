"""Files that were uploaded to the server, by a page or over the API, and are imported in the background.

The file lies in the folder ``imports`` of the home folder, under the id of its import, until it is done; the rows that were
refused stay there beside it.
"""

import asyncio
import hashlib
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.db.models import F, Q

from arrivals import background, clock, config, ids
from arrivals.collect import imports, mapping
from arrivals.collect.files import LONGEST_EXPORTED, LONGEST_ROW, File, Row
from arrivals.collect.models import Import
from arrivals.collect.sending import Named, Rejected, batches
from arrivals.collect.writer import Writer
from arrivals.errors import ArrivalsError, Conflict, Invalid, NotFound, TooLarge, TooMany, Unavailable

MOST_BYTES = 4 * 1024**3
PIECE = 1024 * 1024
LOOK_SECONDS = 2.0
REJECTED_DAYS = 30  # refused rows are somebody's data too
TIDY_SECONDS = 3600.0
LEASE = timedelta(minutes=2)  # renewed with each batch
log = logging.getLogger(__name__)


def folder() -> Path:
    """Where uploaded files lie."""
    return config.current().home / "imports"


def path_of(found: Import) -> Path:
    return folder() / found.id


def rejected_of(import_id: str) -> Path:
    """The file of the rows that were refused. Raises NotFound: none were, or the file was not uploaded here."""
    path = folder() / f"{imports.get(import_id).id}.rejected"
    if not path.exists():
        raise NotFound("There is no file of rejected rows of this import on this server.")
    return path


def pieces_of(path: Path) -> Iterator[bytes]:
    """The bytes of a file, piece by piece."""
    with path.open("rb") as file:
        while piece := file.read(PIECE):
            yield piece


def take(source_id: str, filename: str, given: dict[str, Any], pieces: Iterator[bytes]) -> Import:
    """Keep an uploaded file and begin its import, or find the one that it has had. Blocks.

    Raises:
        NotFound: no such source. Invalid: the map, or a file that is empty or of no known form. TooLarge: over 4 GiB.
    """
    place = folder()
    place.mkdir(parents=True, exist_ok=True)
    draft = place / f"{ids.new('tmp')}.part"
    try:
        digest, size = _write(draft, pieces)
        read = File(draft, longest=LONGEST_EXPORTED if given else LONGEST_ROW)
        map_ = given or (imports.SEGMENT if read.segment else _by_names(read))
        found, new = imports.begin(source_id, filename=filename, digest=digest, mapping=map_)
        lost = found.uploaded and found.state == Import.State.RUNNING and not path_of(found).exists()
        if new or lost or found.state == Import.State.FAILED:
            draft.replace(path_of(found))
            state = {"state": Import.State.RUNNING, "error": "", "uploaded": True, "size": size}
            Import.objects.filter(pk=found.pk).update(**state)
        elif found.state == Import.State.RUNNING and not found.uploaded:
            raise Conflict("This file is being sent by `arrivals import`; let that end, or run it again.")
    except Invalid as error:
        message = error.message.replace(str(draft), "The file")
        raise type(error)(message, path=error.path or "file") from error
    finally:
        draft.unlink(missing_ok=True)
    return imports.get(found.id)


def _by_names(read: File) -> dict[str, Any]:
    """The map of a file whose columns have the names of our fields, or of those that other tools give them."""
    columns = {mapping.SYNONYMS.get(name, name): name for name in read.columns}
    return {"columns": {field: name for field, name in columns.items() if mapping.is_field(field)}, "constants": {}}


def mapping_of(product: str, group: str, time_zone: str) -> dict[str, Any]:
    """The map that the fields of a form say. Without a product it is empty: calls of the tracking API, or columns that
    have the names of our fields."""
    if not product:
        return {}
    return {"from": product, **{name: one for name, one in (("group", group), ("time_zone", time_zone)) if one}}


def _write(path: Path, pieces: Iterator[bytes]) -> tuple[str, int]:
    digest, size = hashlib.sha256(), 0
    with path.open("wb") as file:
        for piece in pieces:
            size += len(piece)
            if size > MOST_BYTES:
                raise TooLarge(f"The file has more than {MOST_BYTES // 1024**3} GiB; use `arrivals import`.")
            digest.update(piece)
            file.write(piece)
    if not size:
        raise Invalid("The file is empty.", path="file")
    return digest.hexdigest(), size


class Worker(background.Loop):
    """Imports the uploaded files of this server, one after the other, through the writer of this process."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer

    async def _run(self) -> None:
        tidied = -TIDY_SECONDS
        while True:
            try:
                if time.monotonic() - tidied > TIDY_SECONDS:
                    await asyncio.to_thread(tidy)
                    tidied = time.monotonic()
                while await self.work():
                    pass
            except Exception:
                log.exception("An uploaded file could not be imported; it is tried again.")
            await asyncio.sleep(LOOK_SECONDS)

    async def work(self) -> bool:
        """Import one file; return whether there was one.

        1. Claim an import that is running and whose file lies here, by a conditional update.
        2. Read the file from its begin. Batches that are settled are passed over; the others are kept (``imports.add``:
           the events on disk, then the offset moved on), the refused rows written down, the claim renewed.
        3. Say that it is done, and delete the file.
        Killed anywhere, the claim ends and the import goes on at its offset. A file that breaks off is a failed import:
        what was read of it stays.
        """
        found = await asyncio.to_thread(imports.db, _claimed)
        if found is None:
            return False
        try:
            await self._import(found)
        except (TooMany, Unavailable, Conflict):
            await asyncio.sleep(1)
            return True
        except ArrivalsError as error:
            await asyncio.to_thread(imports.db, _fail, found, str(error).replace(str(path_of(found)), found.filename))
        return True

    async def _import(self, found: Import) -> None:
        read = await asyncio.to_thread(
            File, path_of(found), longest=LONGEST_EXPORTED if "from" in found.mapping else LONGEST_ROW
        )
        refused = Rejected(folder() / f"{found.id}.rejected", fresh=found.offset == 0)
        named, position, offset = Named(found.mapping), [0], found.offset
        rows = batches(read, lambda at: position.__setitem__(0, at))
        following: Callable[[], list[Row] | None] = lambda: next(rows, None)  # noqa: E731
        while (batch := await asyncio.to_thread(following)) is not None:
            given = await asyncio.to_thread(named.rows, batch)
            first = batch[0].number - 1
            if first + len(batch) < offset:
                continue
            answer = await imports.add(found.id, offset=first, rows=given, writer=self._writer)
            offset = answer["offset"]
            await asyncio.to_thread(refused.note, batch, answer["refused"])
            await asyncio.to_thread(imports.db, _renew, found, position[0])
        await asyncio.to_thread(imports.db, _finish, found)


def tidy() -> None:
    """Delete what uploads that broke off left, after a day, and refused rows after 30 days."""
    for pattern, days in (("*.part", 1), ("*.rejected", REJECTED_DAYS)):
        for path in folder().glob(pattern):
            with suppress(OSError):
                if time.time() - path.stat().st_mtime > days * 86_400:
                    path.unlink()


def forget_claims() -> None:
    """Free every import: right at the start of the only process there is, whose forerunner may have died in one."""
    Import.objects.exclude(claim="").update(claim="", claimed_until=None)


def _claimed() -> Import | None:
    now = clock.now()
    free = Q(claim="") | Q(claimed_until__lt=now)
    for found in Import.objects.filter(free, state=Import.State.RUNNING, uploaded=True).order_by("id")[:20]:
        if not path_of(found).exists():
            continue  # it lies on another server
        token = ids.new("clm")
        if Import.objects.filter(free, pk=found.pk, state=Import.State.RUNNING).update(
            claim=token, claimed_until=now + LEASE
        ):
            return Import.objects.get(pk=found.pk)
    return None


def _renew(found: Import, position: int) -> None:
    """Raises Conflict: the claim ended, and another process reads the file."""
    mine = Import.objects.filter(pk=found.pk, claim=found.claim)
    if not mine.update(claimed_until=clock.now() + LEASE, read=position):
        raise Conflict("Another process imports this file.")


def _finish(found: Import) -> None:
    imports.finish(found.id)
    Import.objects.filter(pk=found.pk).update(claim="", claimed_until=None, read=F("size"))
    path_of(found).unlink(missing_ok=True)


def _fail(found: Import, reason: str) -> None:
    state = {"state": Import.State.FAILED, "error": reason, "finished_at": clock.now()}
    Import.objects.filter(pk=found.pk, claim=found.claim).update(claim="", claimed_until=None, **state)
    with suppress(OSError):
        path_of(found).unlink(missing_ok=True)
