"""``arrivals serve``: everything in one process, or one part of it."""

import os
import signal
import socket
import sys
import warnings
from typing import Any

import click

from arrivals import config
from arrivals.cli import lock
from arrivals.errors import ArrivalsError, Conflict, InvalidSetting

PARTS = ("web", "collector", "watcher", "runner")


@click.command()
@click.option("--demo", is_flag=True, help="Load a demo product with live simulated visitors and a workflow.")
@click.option("--only", type=click.Choice(PARTS), help="Run only this part (needs Postgres and a ClickHouse server).")
def serve(demo: bool, only: str | None) -> None:
    """Run Arrivals: pages, APIs, collector, watcher and runner."""
    settings = config.current()
    if only and (settings.database_url.startswith("sqlite") or (settings.embedded and only != "runner")):
        raise InvalidSetting(
            f"--only {only} needs stores that several processes can share: set ARRIVALS_DATABASE_URL to Postgres "
            "and ARRIVALS_WAREHOUSE_URL to a ClickHouse server (runners beside an `arrivals serve` need only Postgres), "
            "or run `arrivals serve` for all parts in one process."
        )
    if demo and only:
        raise click.UsageError("--demo runs all parts; leave --only out.")
    if only:
        _run(frozenset({only}), demo=False)
    else:
        with lock.held(settings.home):
            _run(frozenset(PARTS), demo=demo)


def _run(parts: frozenset[str], *, demo: bool) -> None:
    import django

    from arrivals import logs

    settings = config.current()
    logs.set_up(settings.log)
    listener = _listen(settings.host, settings.port)
    os.environ["DJANGO_SETTINGS_MODULE"] = "arrivals.settings"
    django.setup()

    import uvicorn

    from arrivals import demo as demos
    from arrivals import process
    from arrivals.warehouse import client

    if settings.embedded and parts == {"runner"}:  # beside the process that has the events
        client.use(client.Elsewhere(settings.warehouse_url))
    # Files of the pages are small; Django warns that it reads them whole.
    warnings.filterwarnings("ignore", message="StreamingHttpResponse must consume synchronous iterators")
    with lock.turn(settings.home):
        process.prepare(alone=settings.database_url.startswith("sqlite"))
    background: list[Any] = []
    lines = [f"Arrivals is running on {settings.public_url}"]
    if demo:
        product = demos.prepare()
        background.append(product.live)
        lines.append(f"Sign in (this link works once, for an hour): {settings.public_url}{product.sign_in}")
    elif "web" in parts and not demos.anybody():
        lines.append("Nobody can sign in yet: run `arrivals setup --email you@example.com` in another terminal.")
    lines.append(f"Data: {settings.home}. Ctrl-C ends it.")

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            if self.started:
                click.echo("\n".join(lines))
                sys.stdout.flush()

    # uvicorn raises a caught signal again after its clean stop; this one has then done its work.
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, lambda _number, _frame: None)
    server = Server(
        uvicorn.Config(
            process.Process(parts, background),
            http="httptools",
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=10,
            proxy_headers=True,
        )
    )
    server.run(sockets=[listener])
    if not server.started:
        raise ArrivalsError("Arrivals could not start; the log above says why.")


def _listen(host: str, port: int) -> socket.socket:
    """Take the address before anything else is done, so that a taken one is told in one line."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        reason = error.strerror or str(error)
        raise Conflict(
            f"{host}:{port} cannot be listened on ({reason}); change ARRIVALS_HOST or ARRIVALS_PORT."
        ) from error
    listener.listen(2048)
    listener.set_inheritable(True)
    return listener
