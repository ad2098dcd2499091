"""Remote subscriptions as the origin of reports. Blocks; each call has an event loop of its own for its length."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from arrivals.apps import connections
from arrivals.apps.models import Connection
from arrivals.apps.outbound import Outbound
from arrivals.apps.pendo import client
from arrivals.apps.pendo.client import Client
from arrivals.audience.models import Report
from arrivals.audience.origins import Listed
from arrivals.errors import AuthorisationExpired, CheckTimeout, Invalid, NotFound, Retryable, Throttled

APP = "pendo"
LONGEST_WAIT = 24 * 3600.0  # a Retry-After beyond a day is taken for a mistake


class Origin:
    """Implements ``audience.origins.Origin``."""

    def __init__(self) -> None:
        self._waits: dict[str, float] = {}  # connection -> when it may be asked again: its limit is for all its reports

    def reports(self, connection_id: str) -> list[Listed]:
        """Raises Invalid: no such connection, or of another app. AppError: the subscription cannot be asked."""

        async def asked(ours: Client) -> AsyncIterator[list[Listed]]:
            yield await ours.reports()

        try:
            return next(self._asked(connection_id, asked))
        except CheckTimeout as error:
            raise Retryable("Pendo did not send the list of reports in time; try again.") from error

    def rows(self, report: Report) -> Iterator[list[bytes]]:
        """As in ``audience.origins.Origin``."""
        return self._asked(report.origin["connection"], lambda ours: ours.rows(report.origin["report"]))

    def place(self, report: Report) -> str:
        """``Pendo (app.pendo.io)``; what is left of it when the connection is gone."""
        found = Connection.objects.filter(pk=report.origin["connection"]).first()
        if found is None:
            return "a connection that is gone"
        return f"{found.name} ({urlsplit(client.base(found.public.get('url', ''))).hostname})"

    def _asked(self, connection_id: str, ask: Callable[[Client], AsyncIterator[Any]]) -> Iterator[Any]:
        """What ``ask`` yields, one by one. What is refused is noted on the connection before it is raised."""
        auth = self._auth(connection_id)
        with self._noted(connection_id, auth), asyncio.Runner() as loop:
            http = Outbound(seconds=client.SECONDS)
            stream = ask(Client(auth, http))
            try:
                while (one := loop.run(_next(stream))) is not None:
                    yield one
            finally:
                loop.run(_closed(stream, http))

    def _auth(self, connection_id: str) -> dict[str, str]:
        try:
            found = connections.get(connection_id)
        except NotFound as error:
            raise Invalid(error.message) from error
        if found.app != APP:
            raise Invalid(f"The connection {found.name!r} is of {found.app}, not of {APP}.")
        if found.state == Connection.State.STALE:
            raise AuthorisationExpired(f"{found.reason.rstrip('.')}. Nothing is asked until the connection {found.name!r} has a key that is accepted.")  # fmt: skip
        left = self._waits.get(connection_id, 0.0) - time.monotonic()
        if left > 0:
            raise Throttled(f"Pendo asked to wait {left:.0f} s more.", retry_after=left)
        return connections.fields_of(found)

    @contextmanager
    def _noted(self, connection_id: str, auth: dict[str, str]) -> Iterator[None]:
        try:
            yield
        except AuthorisationExpired as error:
            # A key that was put in meanwhile must not be blamed for the old one.
            if connections.fields_of(connections.get(connection_id)) == auth:
                connections.mark_stale(connection_id, error.message)
            raise
        except Throttled as error:
            error.retry_after = min(error.retry_after or 60.0, LONGEST_WAIT)
            self._waits[connection_id] = time.monotonic() + error.retry_after
            raise


async def _next(stream: AsyncIterator[Any]) -> Any:
    return await anext(stream, None)


async def _closed(stream: AsyncIterator[Any], http: Outbound) -> None:
    close = getattr(stream, "aclose", None)
    if close is not None:
        await close()
    await http.close()
