"""Addresses of pages, for templates: ``{{ links.run }}`` in a message leads back to Arrivals."""

from collections.abc import Mapping
from typing import Any

from arrivals import config


def of(run_id: str, data: Mapping[str, Any]) -> dict[str, str]:
    """``run``, ``report`` and ``workflow``: absolute addresses at ARRIVALS_PUBLIC_URL, of a run with the input ``data``.
    One that is not known is left out."""
    base = config.current().public_url
    paths = {
        "run": f"/runs/{run_id}",
        "report": f"/reports/{_id(data, 'arrival', 'report')}",
        "workflow": f"/workflows/{_id(data, 'workflow', 'id')}",
    }
    return {name: base + path for name, path in paths.items() if not path.endswith("/")}


def _id(data: Mapping[str, Any], part: str, key: str) -> str:
    return str((data.get(part) or {}).get(key) or "")
