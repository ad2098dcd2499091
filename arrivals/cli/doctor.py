"""``arrivals doctor``: is everything there that Arrivals needs?"""

import json
import os
import shutil
import smtplib
import ssl
import stat
import tempfile
from collections.abc import Callable
from contextlib import closing
from typing import Any
from urllib.parse import parse_qs, urlsplit

import click
import httpx

from arrivals import config
from arrivals.cli import lock
from arrivals.errors import ArrivalsError, Conflict, Unavailable

Check = Callable[[config.Config], str]


@click.command(short_help="Check folder, keys, stores and mail server.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON only.")
@click.pass_context
def doctor(ctx: click.Context, as_json: bool) -> None:
    """Check the home folder, the keys, both stores, the connections and the mail server."""
    settings = config.current()
    results = [_result(name, check, settings) for name, check in CHECKS.items()]
    if as_json:
        click.echo(json.dumps({"ok": all(one["ok"] for one in results), "checks": results}, ensure_ascii=False))
    else:
        for one in results:
            click.echo(f"{'ok  ' if one['ok'] else 'FAIL'}  {one['name']}: {one['detail']}")
    if not all(one["ok"] for one in results):
        ctx.exit(1)


def _result(name: str, check: Check, settings: config.Config) -> dict[str, Any]:
    try:
        return {"name": name, "ok": True, "detail": check(settings)}
    except ArrivalsError as error:
        return {"name": name, "ok": False, "detail": error.message}
    except Exception as error:  # a doctor reports what it meets, whatever it is
        first = str(error).strip().split("\n")[0]
        return {"name": name, "ok": False, "detail": f"{type(error).__name__}: {first}"}


def _home(settings: config.Config) -> str:
    with tempfile.TemporaryFile(dir=settings.home):
        return f"{settings.home} can be written."


def _secret_keys(settings: config.Config) -> str:
    path = settings.home / "secret_keys"
    if not path.exists():
        return "They come from the environment."
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode != 0o600:
        raise Conflict(f"{path} has mode {mode:04o}, so others may read it; run `chmod 600 {path}`.")
    return f"{path} is readable by its owner only."


def _database(settings: config.Config) -> str:
    _django()
    from django.db import connection
    from django.db.migrations.executor import MigrationExecutor

    executor = MigrationExecutor(connection)
    missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if missing:
        raise Conflict(
            f"It answers, but {len(missing)} migrations are missing; `arrivals setup` or `serve` makes them."
        )
    return f"{connection.vendor} answers and is up to date."


def _warehouse(settings: config.Config) -> str:
    if settings.embedded and lock.is_held(settings.home):
        answer = httpx.get(f"{settings.url}/api/v2/health", timeout=10)
        if answer.json()["checks"]["warehouse"] != "ok":
            raise Unavailable(f"The server at {settings.url} says that its event store does not answer.")
        return f"The server at {settings.url} says that it answers."
    from arrivals.warehouse import client, upkeep

    store = client.Warehouse(settings.warehouse_url)
    with closing(store):
        store.query("SELECT 1", seconds=10)
        client.use(store)
        if advice := upkeep.advice():
            raise Unavailable(" ".join(advice))
        held = upkeep.tables()
    opens = "The embedded event store opens" if settings.embedded else "The ClickHouse server answers"
    size, parts = sum(one.size for one in held) / upkeep.MEGABYTE, sum(one.parts for one in held)
    return f"{opens}; its tables take {size:,.0f} MB in {parts:,} parts."


def _disk(settings: config.Config) -> str:
    from arrivals.warehouse.upkeep import MEGABYTE, Disk

    usage = shutil.disk_usage(settings.home)
    disk = Disk(usage.free, usage.total, settings.reserve_mb * MEGABYTE)
    if disk.low or disk.full:
        raise Conflict(disk.sentence)
    return disk.sentence


def _connections(settings: config.Config) -> str:
    _django()
    from arrivals.apps import connections

    connections.check_keys()
    return "Every connection can be read with the secret keys."


def _mail(settings: config.Config) -> str:
    if not settings.smtp_url:
        return "ARRIVALS_SMTP_URL is not set: no mail server to check."
    parts = urlsplit(settings.smtp_url)
    host, secure = parts.hostname or "", parts.scheme == "smtps"
    context = ssl.create_default_context()
    port = parts.port or (465 if secure else 25)
    smtp = smtplib.SMTP_SSL(host, port, timeout=10, context=context) if secure else smtplib.SMTP(host, port, timeout=10)
    with smtp:
        smtp.ehlo()
        if not secure and parse_qs(parts.query).get("starttls") == ["1"]:
            smtp.starttls(context=context)
    return f"{host}:{port} answers."


def _django() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "arrivals.settings")
    import django

    django.setup()


CHECKS: dict[str, Check] = {
    "home folder": _home,
    "disk": _disk,
    "secret keys": _secret_keys,
    "control database": _database,
    "event store": _warehouse,
    "connections": _connections,
    "mail server": _mail,
}
