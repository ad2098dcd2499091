"""/imports: the server's side of `arrivals import`."""

from typing import Annotated, Any

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, StreamingHttpResponse
from ninja import Field, Query, Router, Status

from arrivals.accounts import audit
from arrivals.api.arrivals import pages
from arrivals.api.arrivals.auth import SCOPED_READ, SCOPED_WRITE, caller, own, scope
from arrivals.api.arrivals.bodies import Body
from arrivals.audience import rows
from arrivals.collect import imports, uploads, writer
from arrivals.collect.models import Import

router = Router()
Name = Annotated[str, Query(min_length=1, max_length=300, description="What the file is called.")]
Product = Annotated[str, Query("", alias="from", max_length=40, description="The product that exported it.")]
Group = Annotated[str, Query("", max_length=128)]
REJECTED: dict[str, Any] = {"responses": {200: {"content": {"application/x-ndjson": {}}}}}


class ImportBody(Body):
    source: str
    filename: str = Field(max_length=300)
    digest: str = Field(pattern=r"^[0-9a-f]{64}$", description="SHA-256 of the file's bytes and of the map, in hex.")
    mapping: dict[str, Any] = {}


class RowsBody(Body):
    offset: int = Field(ge=0)
    rows: list[dict[str, Any]] = Field(max_length=10_000)


@router.get("", auth=SCOPED_READ, response=pages.Page)
def list_imports(request: HttpRequest, limit: pages.Limit, cursor: pages.Cursor) -> dict[str, Any]:
    """The imports, newest first; a key of one source sees those of that source."""
    only = {"source": scope(request)} if scope(request) else {}
    return pages.of(Import.objects.filter(**only), imports.as_dict, limit, cursor)


@router.post("", auth=SCOPED_WRITE, response={200: dict[str, Any], 201: dict[str, Any]})
def begin_import(request: HttpRequest, body: ImportBody) -> Any:
    """Find (200) or make (201) the import of this file with this map, so that it goes on where it stopped."""
    begun, new = imports.begin(
        own(request, body.source), filename=body.filename, digest=body.digest, mapping=body.mapping
    )
    if new:
        audit.note(caller(request).who, "import.begin", begun.id, filename=body.filename)
    return Status(201 if new else 200, imports.as_dict(begun))


@router.post(
    "/files",
    auth=SCOPED_WRITE,
    response={200: dict[str, Any], 201: dict[str, Any]},
    openapi_extra={
        "requestBody": {
            "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
            "required": True,
        }
    },
)
def upload_import(
    request: HttpRequest, source: str, filename: Name, product: Product = "", group: Group = "", time_zone: Group = ""
) -> Any:
    """Upload a file, as the body, and import it in the background: an export of another product (`from`), calls of the
    tracking API, or CSV with columns that have the names of our fields. 201, or 200 for a file that has come before."""
    begun = uploads.take(
        own(request, source),
        filename,
        uploads.mapping_of(product, group, time_zone),
        iter(lambda: request.read(uploads.PIECE), b""),
    )
    if begun.state == Import.State.RUNNING and not begun.offset:
        audit.note(caller(request).who, "import.begin", begun.id, filename=filename)
    return Status(201 if not begun.offset and begun.state == Import.State.RUNNING else 200, imports.as_dict(begun))


@router.get("/{import_id}", auth=SCOPED_READ, response=dict[str, Any])
def get_import(request: HttpRequest, import_id: str) -> dict[str, Any]:
    """One import: how far it is, and what became of its rows."""
    found = imports.get(import_id)
    own(request, found.source_id)
    return imports.as_dict(found)


@router.get("/{import_id}/rejected", auth=SCOPED_READ, openapi_extra=REJECTED)
def download_rejected(request: HttpRequest, import_id: str) -> StreamingHttpResponse:
    """The rows of an uploaded file that were refused, one JSON object a line: `row`, `file`, `reason`, `text`."""
    own(request, imports.get(import_id).source_id)
    pieces = uploads.pieces_of(uploads.rejected_of(import_id))
    answer = StreamingHttpResponse(
        rows.streamed(pieces) if isinstance(request, ASGIRequest) else pieces, content_type="application/x-ndjson"
    )
    answer["Content-Disposition"] = f'attachment; filename="{import_id}.rejected.jsonl"'
    return answer


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
    return imports.as_dict(finished)
