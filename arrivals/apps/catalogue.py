"""All apps as data, and the way to run one of their actions."""

import asyncio
import time
from typing import Any

from django.db import close_old_connections

from arrivals.apps import connections, limits, registry
from arrivals.apps.contract import Action, App, Call
from arrivals.apps.models import Connection
from arrivals.apps.outbound import Outbound
from arrivals.engine import masks
from arrivals.engine.bucket import Limits
from arrivals.errors import AppError, AuthorisationExpired, Halted, NotFound, Permanent

REMEMBERED_SECONDS = 5.0  # how long decrypted credentials are kept between two looks at the database


class Catalogue:
    """Implements ``workflows.actions.Catalogue`` and ``engine.steps.contract.Actions``."""

    def __init__(self) -> None:
        self.http = Outbound()
        self._known: dict[str, tuple[float, dict[str, str]]] = {}
        self._limits: dict[str, tuple[float, Limits]] = {}

    def apps(self) -> list[dict[str, Any]]:
        """All apps: id, name, help, connection, auth (list of fields), actions (id, title, help, schema, finds)."""
        return [_app(app) for app in registry.APPS.values()]

    def schema(self, app: str, action: str) -> dict[str, Any] | None:
        """The JSON Schema of an action's inputs, or None when there is no such action."""
        return registry.SCHEMAS.get((app, action))

    def needs_connection(self, app: str) -> bool:
        return registry.APPS[app].connection == "required"

    def connections(self) -> list[dict[str, str]]:
        """All connections: id, app, name, the oldest first. Blocks."""
        return [{"id": one.id, "app": one.app, "name": one.name} for one in Connection.objects.order_by("id")]

    def connection_problem(self, app: str, connection_id: str) -> str | None:
        """A sentence when the connection is missing or of another app, else None. Blocks."""
        if registry.APPS[app].connection == "none":
            return f"The app {app} takes no connection."
        found = Connection.objects.filter(pk=connection_id).first()
        if found is None:
            wanted = f"; the app {app} needs one" if not connection_id else ""
            return f"There is no connection {connection_id!r:.60}{wanted}."
        return None if found.app == app else f"The connection {found.name!r} is of {found.app}, not of {app}."

    def connection(self, connection_id: str) -> tuple[str, bool] | None:
        """The name of a connection and whether it is accepted, or None when there is none. Blocks."""
        found = Connection.objects.filter(pk=connection_id).first()
        return (found.name, found.state == Connection.State.OK) if found else None

    async def run(
        self, app: str, action: str, *, connection_id: str, inputs: dict[str, Any], key: str, context: dict[str, Any]
    ) -> dict[str, Any]:
        """Do it once; return its outputs.

        Raises:
            AppError: and its kinds. Permanent: inputs that do not fit. AuthorisationExpired: a stale connection.
        """
        if (app, action) not in registry.SCHEMAS:
            raise Permanent(f"There is no action {app}.{action}.")
        error = registry.problem((app, action), inputs)
        if error is not None:
            where = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error.absolute_path)
            raise Permanent(f"{error.message[:300]}.", path=f"inputs{where}")
        do = _action(app, action).run
        if not connection_id:
            return await do(Call(inputs, {}, key, context, self.http))
        auth = await self._auth(connection_id, app)
        try:
            return await do(Call(inputs, auth, key, context, self.http))
        except AuthorisationExpired as expired:
            self._known.pop(connection_id, None)
            newest = await self._auth(connection_id, app)
            if newest == auth:
                raise _without_secrets(expired, app, auth) from expired
            # The credentials were changed meanwhile: what was refused were the old ones, and the new must not be blamed.
            try:
                return await do(Call(inputs, newest, key, context, self.http))
            except AppError as again:
                raise _without_secrets(again, app, newest) from again
        except AppError as refused:
            raise _without_secrets(refused, app, auth) from refused

    async def test(self, connection_id: str) -> None:
        """Try a connection with its app's own test, where it has one. Raises AppError, NotFound."""
        found = await asyncio.to_thread(_read, connection_id)
        if found is None:
            raise NotFound(f"There is no connection {connection_id!r:.60}.")
        app, _state, _reason, fields = found
        tried = registry.APPS[app].test
        if tried is not None:
            await tried(Call({}, fields, "", {}, self.http))

    async def limits(self, connection_id: str) -> Limits:
        """How many calls the connection takes; a change is seen after a few seconds."""
        known = self._limits.get(connection_id)
        if known is None or time.monotonic() - known[0] > REMEMBERED_SECONDS:
            known = self._limits[connection_id] = (time.monotonic(), await asyncio.to_thread(_limits, connection_id))
        return known[1]

    async def mark_stale(self, connection_id: str, reason: str) -> None:
        """Note that a connection's credentials are no longer accepted."""
        self._known.pop(connection_id, None)
        await asyncio.to_thread(_mark, connection_id, reason)

    async def close(self) -> None:
        """Close the outbound client's sockets."""
        await self.http.close()

    async def _auth(self, connection_id: str, app: str) -> dict[str, str]:
        known = self._known.get(connection_id)
        if known is None or time.monotonic() - known[0] > REMEMBERED_SECONDS:
            found = await asyncio.to_thread(_read, connection_id)
            if found is None:
                halted = app in registry.APPS and registry.APPS[app].halts_without
                raise (Halted if halted else Permanent)(f"The connection {connection_id} was deleted.")
            _app_id, state, reason, fields = found
            if state == Connection.State.STALE:  # not remembered: new credentials count at once
                raise AuthorisationExpired(reason or "It is stale.")
            known = self._known[connection_id] = (time.monotonic(), fields)
        return known[1]


def _app(app: App) -> dict[str, Any]:
    auth = [
        {
            "name": one.name,
            "title": one.title,
            "help": one.help,
            "secret": one.secret,
            "required": one.required,
            "choices": list(one.choices),
        }
        for one in app.auth
    ]
    actions = [
        {"id": one.id, "title": one.title, "help": one.help, "schema": one.schema, "finds": one.finds}
        for one in app.actions
    ]
    return {
        "id": app.id,
        "name": app.name,
        "help": app.help,
        "connection": app.connection,
        "limits": app.limits.as_dict(),
        "auth": auth,
        "actions": actions,
    }


def _action(app: str, action: str) -> Action:
    return next(one for one in registry.APPS[app].actions if one.id == action)


def _limits(connection_id: str) -> Limits:
    close_old_connections()
    try:
        found = Connection.objects.only("app", "limits").filter(pk=connection_id).first()
        return limits.of(found) if found else Limits()
    finally:
        close_old_connections()


def _without_secrets(error: AppError, app: str, auth: dict[str, str]) -> AppError:
    """The same error; a product that repeats what it was sent must not put a secret into the history."""
    secrets = [auth[field.name] for field in registry.APPS[app].auth if field.secret and auth.get(field.name)]
    return type(error)(masks.message(error.message, secrets), path=error.path, retry_after=error.retry_after)


def _read(connection_id: str) -> tuple[str, str, str, dict[str, str]] | None:
    close_old_connections()
    try:
        found = Connection.objects.filter(pk=connection_id).first()
        return (found.app, found.state, found.reason, connections.fields_of(found)) if found else None
    finally:
        close_old_connections()


def _mark(connection_id: str, reason: str) -> None:
    close_old_connections()
    try:
        connections.mark_stale(connection_id, reason)
    finally:
        close_old_connections()
