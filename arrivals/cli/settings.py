"""``arrivals settings``: what every setting is now, and what it may be."""

import json
import os
import re
from dataclasses import dataclass
from typing import Any

import click

from arrivals import config

SECRET = ("ARRIVALS_SECRET_KEYS", "ARRIVALS_KEY")
MASK = "••••"


@dataclass(frozen=True)
class Row:
    """One setting as it is shown: ``value`` has its secrets masked."""

    name: str
    value: str
    default: str
    help: str
    source: str


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON only.")
@click.option("--markdown", is_flag=True, help="Print the table of docs/settings.md.")
def settings(as_json: bool, markdown: bool) -> None:
    """Show all settings: value (secrets masked), default, help."""
    if markdown:
        click.echo(table())
        return
    rows = all_rows()
    if as_json:
        click.echo(json.dumps([row.__dict__ for row in rows], ensure_ascii=False, indent=2))
        return
    for row in rows:
        click.echo(f"{row.name} = {row.value or '(empty)'}  [{row.source}]")
        click.echo(f"    {row.help}" + (f" Default: {row.default}." if row.default else ""))


def all_rows() -> list[Row]:
    """Every setting with its value. Raises InvalidSetting. Makes neither a folder nor keys."""
    now = config.read(os.environ)
    return [
        Row(one.name, _shown(one, getattr(now, one.field)), one.default, one.help, _source(one.name))
        for one in config.SETTINGS
    ]


def table() -> str:
    """The table of docs/settings.md."""
    lines = ["| setting | type | default | what it does |", "|---|---|---|---|"]
    for one in config.SETTINGS:
        default = f"`{one.default}`" if one.default else ""
        lines.append(f"| `{one.name}` | {_kind(one)} | {default} | {one.help} |")
    return "\n".join(lines)


def _kind(one: config.Setting) -> str:
    match one.kind:
        case "integer":
            return f"whole number, {one.low} to {one.high}"
        case "boolean":
            return "true or false"
        case "choice":
            return " or ".join(one.choices)
        case "url":
            return "URL (" + ", ".join(f"`{scheme}://`" for scheme in one.schemes) + ")"
        case other:
            return other


def _source(name: str) -> str:
    if os.environ.get(f"{name}_FILE"):
        return "file"
    return "environment" if os.environ.get(name, "").strip() else "default"


def _shown(one: config.Setting, value: Any) -> str:
    if one.name in SECRET:
        return MASK if value else ""
    if isinstance(value, bool):
        return str(value).lower()
    return re.sub(r"(://[^:/@]*):.*@", rf"\1:{MASK}@", str(value))
