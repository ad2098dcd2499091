"""A connection's form. Secrets go in and never come out."""

from typing import Any

from asgiref.sync import async_to_sync
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_POST

from arrivals.accounts import audit
from arrivals.apps import connections, limits
from arrivals.apps.catalogue import Catalogue
from arrivals.apps.models import Connection
from arrivals.errors import AppError, Invalid, NotFound
from arrivals.web.pages import admin_only, flash, go, person, render
from arrivals.workflows import actions


@admin_only
def new(request: HttpRequest, app: str) -> HttpResponse:
    found = _app(app)
    if request.method != "POST":
        return _form(request, found, None)
    try:
        made = connections.create(app, request.POST.get("name", ""), _fields(request, found))
    except Invalid as error:
        return _form(request, found, None, error=error)
    audit.note(person(request).email, "connection.create", made.id, app=app)
    flash(request, "Connected.")
    return go(f"/connections/{made.id}")


@admin_only
def edit(request: HttpRequest, connection_id: str) -> HttpResponse:
    """A secret that is left empty stays as it is."""
    connection = connections.get(connection_id)
    app = _app(connection.app)
    if request.method != "POST":
        return _form(request, app, connection)
    secret = {field["name"] for field in app["auth"] if field["secret"]}
    fields = {name: value for name, value in _fields(request, app).items() if value or name not in secret}
    try:
        connections.change(connection_id, name=request.POST.get("name", ""), fields=fields)
    except Invalid as error:
        return _form(request, app, connection, error=error)
    audit.note(person(request).email, "connection.change", connection_id)
    flash(request, "Saved. Runs that waited for it go on.")
    return go(f"/connections/{connection_id}")


@require_POST
@admin_only
def limit(request: HttpRequest, connection_id: str) -> HttpResponse:
    """How many calls it takes; with every field empty, what its app says."""
    given: dict[str, int] = {}
    for name in limits.MOST:
        text = request.POST.get(name, "").strip()
        if text and not (text.isascii() and text.isdigit()):
            raise Invalid(f"It must be a whole number; got {text!r:.40}.", path=f"limits.{name}")
        if text:
            given[name] = int(text)
    connections.limit(connection_id, given or None)
    audit.note(person(request).email, "connection.limits", connection_id, **given)
    flash(request, "Saved. All workflows that use it keep to it from now on.")
    return go(f"/connections/{connection_id}")


@require_POST
@admin_only
def test(request: HttpRequest, connection_id: str) -> HttpResponse:
    """Try it, with a catalogue of its own: this thread has an event loop only for the length of the call."""

    async def tried() -> None:
        catalogue = Catalogue()
        try:
            await catalogue.test(connection_id)
        finally:
            await catalogue.close()

    try:
        async_to_sync(tried)()
    except AppError as error:
        flash(request, str(error), wrong=True)
    else:
        flash(request, "It works, as far as can be told without sending anything.")
    return go(f"/connections/{connection_id}")


@require_POST
@admin_only
def delete(request: HttpRequest, connection_id: str) -> HttpResponse:
    connection = connections.get(connection_id)
    connections.delete(connection_id)
    audit.note(person(request).email, "connection.delete", connection_id, app=connection.app)
    flash(request, f"{connection.name} was deleted.")
    return go("/connections")


def _app(app: str) -> dict[str, Any]:
    found = next((one for one in actions.catalogue().apps() if one["id"] == app and one["auth"]), None)
    if found is None:
        raise NotFound(f"There is no app {app!r:.60} that takes a connection.")
    return found


def _fields(request: HttpRequest, app: dict[str, Any]) -> dict[str, str]:
    return {field["name"]: request.POST.get(f"field-{field['name']}", "") for field in app["auth"]}


def _form(
    request: HttpRequest, app: dict[str, Any], connection: Connection | None, *, error: Invalid | None = None
) -> HttpResponse:
    kept = connection.public if connection else {}
    posted = request.method == "POST"
    fields = []
    for field in app["auth"]:
        value = (
            ""
            if field["secret"]
            else request.POST.get(f"field-{field['name']}", "")
            if posted
            else kept.get(field["name"], "")
        )
        fields.append({**field, "value": value, "kept": kept.get(field["name"], "") if field["secret"] else ""})
    name = request.POST.get("name", "") if posted else connection.name if connection else app["name"]
    status = 422 if error else 200
    return render(
        request,
        "connections_edit",
        status=status,
        app=app,
        connection=connection,
        fields=fields,
        name=name,
        limits=connection.limits if connection else None,
        usual=app["limits"],
        error=error,
    )
