"""The table of endpoints, and the way from an address to its view.

Ids may hold any character: the address is split at its slashes before it is unquoted, so that "%2F" in an id is part
of the id. An id that came with bare slashes is understood where no other endpoint has that address.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import unquote

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import path, re_path
from django.views.decorators.csrf import csrf_exempt

from arrivals.api.pendo import aggregation, answers, bulkdelete, metadata, objects, people, reports, segments, token
from arrivals.errors import Invalid, MethodNotAllowed, NotFound

PREFIX = "/api/v1/"


@dataclass(frozen=True)
class Endpoint:
    """One row of the table: ``method`` and ``path`` below /api/v1, its view, and what is supported."""

    method: str
    path: str
    view: Callable[..., Any]
    needs: str  # read or write
    supported: str


def _rows() -> Iterator[Endpoint]:
    get, post, put = partial(Endpoint, "GET"), partial(Endpoint, "POST"), partial(Endpoint, "PUT")
    read, write = "read", "write"
    yield get("/token/verify", token.verify, read, "Fully.")
    yield get(
        "/report",
        reports.all_reports,
        read,
        "Reports of visitors and accounts made here that are shared with everyone.",
    )
    for name in ("results.json", "json"):
        yield get(f"/report/{{id}}/{name}", reports.results_json, read, "Streamed, in the order of the id.")
    yield get("/report/{id}/results.csv", reports.results_csv, read, "Streamed; formulas are guarded.")
    yield post("/aggregation", aggregation.view, read, "Pendo's pipelines, compiled to SQL.")
    yield get("/segment", segments.all_segments, read, "All of them; all are shared.")
    yield post("/segment/upload", segments.upload, write, "Up to 1,000,000 ids, 20 MB.")
    yield get("/segment/{id}", segments.get, read, "Without the rules.")
    yield put("/segment/{id}", segments.change, write, "`visitors` only of an uploaded segment.")
    yield Endpoint("DELETE", "/segment/{id}", segments.delete, write, "409 while a report or a segment uses it.")
    yield Endpoint("PATCH", "/segment/{id}/visitor", segments.patch, write, "All operations or none; 409 when busy.")
    yield post("/segment/{id}/visitors", segments.export, read, "The job's id is in `jobId` and `id`.")
    yield get("/segment/{id}/visitors/{job}/status", segments.export_status, read, "`status` is `complete` at once.")
    yield get("/segment/{id}/visitors/{job}/results/csv", segments.export_csv, read, "As of the fetch; for a day.")
    yield get("/visitor/{id}", people.visitor, read, "By any id the visitor has had; 404 for an unknown one.")
    yield get("/visitor/{id}/history", people.history, read, "24 hours from `starttime`, however long ago.")
    yield get("/account/{id}", people.account, read, "404 for an unknown one.")
    yield get("/metadata/schema/{kind}", metadata.schema, read, "`visitor`, `account`, `parentAccount`.")
    yield post("/metadata/{kind}/{group}/value", metadata.write, write, "Up to 10,000 a call; `?create=true`.")
    place = "/metadata/visitor/pendo/value/{id}/donotprocess"
    yield put(place, metadata.do_not_process, write, "Kept and shown.")
    place = "/metadata/{kind}/{group}/value/{id}/{field}"
    yield put(place, metadata.put, write, "Groups `agent`, `custom` and `pendo`; null unsets.")
    yield get(place, metadata.get, read, "404 without a value.")
    for name, several, one in (
        ("page", objects.pages, objects.page),
        ("feature", objects.features, objects.feature),
        ("tracktype", objects.track_types, objects.track_type),
        ("guide", objects.guides, objects.guide),
    ):
        state = ", `?state=`; our surveys" if name == "guide" else ""
        yield get(f"/{name}", several, read, f"`?id=`, `?appId=`, `?expand=*`{state}.")
        yield get(f"/{name}/{{id}}", one, read, "One of them.")
    yield post("/guide/{id}/visitor/{visitor}/reset", objects.reset, write, "Checked; there is nothing to undo.")
    yield post("/bulkdelete/visitor", bulkdelete.visitors, write, "Up to 5,000 ids. See [erasure](erasure.md).")
    yield post("/bulkdelete/account", bulkdelete.accounts, write, "Up to 5,000 ids. See [erasure](erasure.md).")
    yield get("/bulkdelete", bulkdelete.recent, read, "The newest 100.")
    yield get("/bulkdelete/{id}", bulkdelete.status, read, "`status` is `pending`, `running` or `complete`.")


ENDPOINTS = tuple(_rows())


def matches(parts: list[str]) -> list[tuple[Endpoint, dict[str, str]]]:
    """The endpoints of an address in parts, with the ids in it: first those whose path says most of it in words."""
    for match in (_exactly, _loosely):
        found = [(one, values) for one in ENDPOINTS if (values := match(one.path, parts)) is not None]
        if found:
            return sorted(found, key=lambda one: len(one[1]) - one[0].path.count("/"))
    return []


@csrf_exempt
def dispatch(request: HttpRequest, **_values: str) -> HttpResponseBase:
    """The view of every address below /api/v1."""
    parts = parts_of(request)
    if any("\x00" in part for part in parts) or "%00" in request.META.get("QUERY_STRING", ""):
        return answers.error(Invalid("The address holds the character NUL, which is not allowed.", path="path"))
    found = matches(parts)
    if not found:
        return answers.error(NotFound("There is nothing at this address."))
    method = "GET" if request.method == "HEAD" else request.method
    for endpoint, values in found:
        if endpoint.method == method:
            answer: HttpResponseBase = endpoint.view(request, **values)
            return answer
    allowed = ", ".join(sorted({endpoint.method for endpoint, _ in found}))
    refused = answers.error(MethodNotAllowed(f"{request.method} is not allowed here; allowed: {allowed}."))
    refused["Allow"] = allowed
    return refused


urlpatterns = [path("api/v1", dispatch), re_path(r"^api/v1/.*$", dispatch)]


def parts_of(request: HttpRequest) -> list[str]:
    """The parts of the address, from the bytes that were sent where the server keeps them."""
    raw = getattr(request, "scope", {}).get("raw_path")
    address = raw.decode("latin-1").partition("?")[0] if isinstance(raw, bytes) else ""
    if not address.startswith(PREFIX):
        return request.path.removeprefix(PREFIX).rstrip("/").split("/")
    return [unquote(part) for part in address.removeprefix(PREFIX).rstrip("/").split("/")]


def _exactly(template: str, parts: list[str]) -> dict[str, str] | None:
    wanted = template.strip("/").split("/")
    if len(wanted) != len(parts):
        return None
    values: dict[str, str] = {}
    for name, part in zip(wanted, parts, strict=True):
        if name.startswith("{"):
            if not part:
                return None
            values[name.strip("{}")] = part
        elif name != part:
            return None
    return values


def _loosely(template: str, parts: list[str]) -> dict[str, str] | None:
    """As ``_exactly``, with one of the ids taking all parts that would be too many."""
    wanted = template.strip("/").split("/")
    more = len(parts) - len(wanted)
    for place, name in enumerate(wanted):
        if more > 0 and name in {"{id}", "{visitor}"}:
            joined = "/".join(parts[place : place + more + 1])
            values = _exactly(template, [*parts[:place], joined, *parts[place + more + 1 :]])
            if values is not None:
                return values
    return None
