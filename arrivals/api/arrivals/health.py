"""/health: whether this process can work. Needs no key and tells nothing else."""

import logging
from collections.abc import Callable
from typing import Any

from django.db import connection
from django.http import HttpRequest
from ninja import Router, Status

from arrivals.warehouse import client

router = Router()
log = logging.getLogger("arrivals.api")


def _database() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


def _warehouse() -> None:
    client.warehouse().query("SELECT 1", seconds=5)


CHECKS: dict[str, Callable[[], None]] = {"database": _database, "warehouse": _warehouse}


@router.get("", auth=None, response={200: dict[str, Any], 503: dict[str, Any]})
def get_health(request: HttpRequest) -> Any:
    """Whether the stores that this process asks answer: 200 with `{"status": "ok"}`, or 503 and which of them does not."""
    here = client.warehouse().here
    checks = {name: _tried(name, check) for name, check in CHECKS.items() if here or name != "warehouse"}
    well = all(answer == "ok" for answer in checks.values())
    return Status(200 if well else 503, {"status": "ok" if well else "failing", "checks": checks})


def _tried(name: str, check: Callable[[], None]) -> str:
    try:
        check()
    except Exception:
        log.exception("The %s does not answer.", name)
        return "failing"
    return "ok"
