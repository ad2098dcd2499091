"""Connections: stored, encrypted credentials. Blocks."""

import asyncio
from typing import Any

from django.db import transaction

from arrivals import clock, config
from arrivals.apps import limits, registry, vault
from arrivals.apps.contract import App, Call
from arrivals.apps.models import Connection
from arrivals.apps.outbound import Outbound
from arrivals.audience.models import Report
from arrivals.engine import gates, notices, replay
from arrivals.errors import AppError, AuthorisationExpired, Conflict, InvalidConnection, InvalidSetting, NotFound
from arrivals.watch import watches
from arrivals.workflows.models import Workflow
from arrivals.workflows.scopes import every

LONGEST = 4096


def create(app: str, name: str, fields: Any) -> Connection:
    """Store a connection for ``app``.

    Raises:
        InvalidConnection: with the path of the wrong field and what is allowed, or that the app's test refused them.
    """
    found = _app(app)
    checked = _fields(found, fields)
    named = _name(name or found.name)
    _test(found, checked)
    token, key = vault.encrypt(checked)
    return Connection.objects.create(app=app, name=named, secret=token, key_id=key, public=_public(found, checked))


def get(connection_id: str) -> Connection:
    """Raises NotFound."""
    found = Connection.objects.filter(pk=connection_id).first()
    if found is None:
        raise NotFound(f"There is no connection {connection_id!r:.60}.")
    return found


def all_connections(app: str = "") -> list[Connection]:
    """All connections (of one app), the newest first."""
    found = Connection.objects.order_by("-id")
    return list(found.filter(app=app) if app else found)


def fields_of(connection: Connection) -> dict[str, str]:
    """The decrypted fields; for calls only, never for showing."""
    return vault.decrypt(bytes(connection.secret))


def limit(connection_id: str, data: Any) -> Connection:
    """Set how many calls it takes: see ``limits.parse``. Runs that wait for room ask anew.

    Raises:
        NotFound; InvalidConnection.
    """
    connection = get(connection_id)
    connection.limits = limits.parse(data)
    connection.updated_at = clock.now()
    connection.save(update_fields=["limits", "updated_at"])
    gates.changed(connection_id)
    return connection


def change(connection_id: str, *, name: str | None = None, fields: Any = None) -> Connection:
    """Change the name or fields. A field that is left out stays as it is; an empty text removes it.

    New fields make a stale connection ok again, release the runs that were held for it and have its reports checked.

    Raises:
        NotFound; InvalidConnection: nothing is changed then.
    """
    connection = get(connection_id)
    if name is not None:
        connection.name = _name(name)
    if fields is not None:
        app = _app(connection.app)
        if not isinstance(fields, dict):
            raise InvalidConnection("It must be an object.", path="fields")
        checked = _fields(app, {**fields_of(connection), **fields})
        _test(app, checked)
        connection.secret, connection.key_id = vault.encrypt(checked)
        connection.public, connection.state, connection.reason = _public(app, checked), Connection.State.OK, ""
    connection.updated_at = clock.now()
    connection.save()
    if fields is not None:
        replay.release(connection_id)
        watches.wake(connection_id)
    return connection


def delete(connection_id: str) -> None:
    """Raises NotFound; Conflict when a workflow or report uses it, naming which."""
    connection = get(connection_id)
    for report in Report.objects.filter(origin__connection=connection_id)[:1]:
        raise Conflict(f"The report {report.name!r} comes from it; delete that first.")
    for workflow in Workflow.objects.select_related("version"):
        for definition in (workflow.version.definition if workflow.version else None, workflow.draft):
            if _uses(definition, connection_id):
                raise Conflict(f"The workflow {workflow.name!r} uses it; change that first.")
    connection.delete()


def mark_stale(connection_id: str, reason: str) -> bool:
    """Note that the credentials are no longer accepted; whether that is news. If it is, people are told, once."""
    now = clock.now()
    with transaction.atomic():
        fresh = Connection.objects.filter(pk=connection_id, state=Connection.State.OK)
        if not fresh.update(state=Connection.State.STALE, reason=reason, updated_at=now):
            return False
        connection = get(connection_id)
        running = Workflow.objects.exclude(state=Workflow.State.OFF).select_related("version").order_by("name")
        using = [one for one in running if one.version and _uses(one.version.definition, connection_id)]
        notices.tell(
            "connection_expired",
            f"The connection {connection.name} is no longer accepted",
            [
                f"{registry.APPS[connection.app].name} says: {reason}",
                "Runs that need it are held, not lost. Reconnect it, and they go on by themselves.",
                *(("A workflow that uses it: " + one.name, f"/workflows/{one.pk}") for one in using[:20]),
                ("Reconnect it:", f"/connections/{connection_id}"),
            ],
            once=f"connection_expired:{connection_id}:{clock.iso(now)}",
            workflows=[one.pk for one in using],
        )
    return True


def as_dict(connection: Connection) -> dict[str, Any]:
    """id, app, name, state, reason, fields (public ones; of a secret only its last 4), limits (calls,
    seconds, at_once; 0: any number), limits_set (or they are the app's), created_at, updated_at."""
    return {
        "id": connection.id,
        "app": connection.app,
        "name": connection.name,
        "state": connection.state,
        "reason": connection.reason,
        "fields": connection.public,
        "limits": limits.of(connection).as_dict(),
        "limits_set": connection.limits is not None,
        "created_at": clock.iso(connection.created_at),
        "updated_at": clock.iso(connection.updated_at),
    }


def rotate() -> int:
    """Encrypt every connection with the newest key; return how many were not yet."""
    newest = vault.key_id(config.current().secret_keys[0])
    old = Connection.objects.exclude(key_id=newest)
    for connection in (found := list(old)):
        connection.secret, connection.key_id = vault.encrypt(fields_of(connection))
        connection.save(update_fields=["secret", "key_id"])
    return len(found)


def check_keys() -> None:
    """Refuse to start when a connection was encrypted with a key that is no longer set. Raises InvalidSetting."""
    known = {vault.key_id(secret) for secret in config.current().secret_keys}
    for connection in Connection.objects.exclude(key_id__in=known)[:1]:
        raise InvalidSetting(
            f"The connection {connection.name!r} was encrypted with a key that is not in ARRIVALS_SECRET_KEYS "
            f"(key id {connection.key_id}); add that key again, after the newest."
        )


def _uses(definition: dict[str, Any] | None, connection_id: str) -> bool:
    """Whether any step of a definition does, also one inside another."""
    steps = (definition or {}).get("steps", [])
    return any(step.get("connection") == connection_id for _, step in every(steps))


def _app(app: str) -> App:
    found = registry.APPS.get(app)
    if found is None or not found.auth:
        allowed = ", ".join(one.id for one in registry.APPS.values() if one.auth)
        raise InvalidConnection(
            f"There is no app {app!r:.60} that takes a connection; there are {allowed}.", path="app"
        )
    return found


def _fields(app: App, fields: Any) -> dict[str, str]:
    if not isinstance(fields, dict):
        raise InvalidConnection("It must be an object.", path="fields")
    known = {field.name: field for field in app.auth}
    for name, value in fields.items():
        if name not in known:
            raise InvalidConnection(
                f"{name!r:.60} is not a field; there are {', '.join(known)}.", path=f"fields.{name:.60}"
            )
        if not isinstance(value, str) or len(value) > LONGEST or any(ord(mark) < 32 for mark in value):
            raise InvalidConnection(
                f"It must be a text of at most {LONGEST} characters in one line.", path=f"fields.{name}"
            )
    given = {name: value.strip() for name, value in fields.items() if value.strip()}
    for field in app.auth:
        if field.required and field.name not in given:
            raise InvalidConnection(f"{field.title} is missing.", path=f"fields.{field.name}")
    if app.check and (problem := app.check(given)):
        raise InvalidConnection(problem, path="fields")
    return given


def _test(app: App, fields: dict[str, str]) -> None:
    """Try the fields of an app that wants it before they are stored. The event loop is for this call only."""
    if not app.tested_first or app.test is None:
        return
    test = app.test

    async def tried() -> None:
        http = Outbound()
        try:
            await test(Call({}, fields, "", {}, http))
        finally:
            await http.close()

    try:
        asyncio.run(tried())
    except AppError as error:
        secret = next((field.name for field in app.auth if field.secret), "")
        path = f"fields.{secret}" if isinstance(error, AuthorisationExpired) else "fields"
        raise InvalidConnection(error.message, path=path) from error


def _public(app: App, fields: dict[str, str]) -> dict[str, str]:
    secret = {field.name for field in app.auth if field.secret}
    return {
        name: f"•••• {value[-4:] if len(value) > 12 else ''}".strip() if name in secret else value
        for name, value in fields.items()
    }


def _name(name: Any) -> str:
    text = name.strip() if isinstance(name, str) else ""
    if not 0 < len(text) <= 200:
        raise InvalidConnection("The name must be a text of 1 to 200 characters.", path="name")
    return text
