"""/imports: the server's side of `arrivals import`."""

from typing import Any

from asgiref.sync import sync_to_async
from django.http import HttpRequest
from ninja import Field, Router, Status

from arrivals import clock
from arrivals.accounts import audit
from arrivals.api.arrivals import pages
from arrivals.api.arrivals.auth import SCOPED_READ, SCOPED_WRITE, caller, own, scope
from arrivals.api.arrivals.bodies import Body
from arrivals.collect import imports, writer
from arrivals.collect.models import Import

router = Router()


class ImportBody(Body):
    source: str
    filename: str = Field(max_length=300)
    digest: str = Field(pattern=r"^[0-9a-f]{64}$", description="SHA-256 of the file's bytes and of the map, in hex.")
    mapping: dict[str, Any] = {}


class RowsBody(Body):
    offset: int = Field(ge=0)
    rows: list[dict[str, Any]] = Field(max_length=10_000)


def as_dict(one: Import) -> dict[str, Any]:
    """id, source, filename, digest, mapping, state, offset, kept, repeated, refused, created_at, finished_at."""
    return {
        "id": one.id,
        "source": one.source_id,
        "filename": one.filename,
        "digest": one.digest,
        "mapping": one.mapping,
        "state": one.state,
        "offset": one.offset,
        "kept": one.kept,
        "repeated": one.repeated,
        "refused": one.refused,
        "created_at": clock.iso(one.created_at),
        "finished_at": clock.iso(one.finished_at) if one.finished_at else None,
    }


@router.get("", auth=SCOPED_READ, response=pages.Page)
def list_imports(request: HttpRequest, limit: pages.Limit, cursor: pages.Cursor) -> dict[str, Any]:
    """The imports, newest first; a key of one source sees those of that source."""
    only = {"source": scope(request)} if scope(request) else {}
    return pages.of(Import.objects.filter(**only), as_dict, limit, cursor)


@router.post("", auth=SCOPED_WRITE, response={200: dict[str, Any], 201: dict[str, Any]})
def begin_import(request: HttpRequest, body: ImportBody) -> Any:
    """Find (200) or make (201) the import of this file with this map, so that it goes on where it stopped."""
    begun, new = imports.begin(
        own(request, body.source), filename=body.filename, digest=body.digest, mapping=body.mapping
    )
    if new:
        audit.note(caller(request).who, "import.begin", begun.id, filename=body.filename)
    return Status(201 if new else 200, as_dict(begun))


@router.post("/{import_id}/rows", auth=SCOPED_WRITE, response=dict[str, Any])
async def add_import_rows(request: HttpRequest, import_id: str, body: RowsBody) -> dict[str, Any]:
    """Keep rows from `offset` on. Answers when they are on disk: `offset`, `kept`, `repeated` and `refused` rows with
    a reason each."""
    if scope(request):
        own(request, (await sync_to_async(imports.get)(import_id)).source_id)
    return await imports.add(import_id, offset=body.offset, rows=body.rows, writer=writer.current())


@router.post("/{import_id}/finish", auth=SCOPED_WRITE, response=dict[str, Any])
def finish_import(request: HttpRequest, import_id: str) -> dict[str, Any]:
    """Say that the whole file was sent."""
    own(request, imports.get(import_id).source_id)
    finished = imports.finish(import_id)
    audit.note(caller(request).who, "import.finish", import_id, kept=finished.kept, refused=finished.refused)
    return as_dict(finished)
