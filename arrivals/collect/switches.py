"""What the browser agent does on the pages of a source: one table that the API, the page and the agent read. Blocks."""

from dataclasses import dataclass
from typing import Any

from django.db import transaction

from arrivals.collect.models import Source
from arrivals.errors import Invalid

changes = [0]  # in this process, so that what is remembered here is read again


@dataclass(frozen=True)
class Switch:
    """``name`` has a dot where it lies in an object."""

    name: str
    default: bool
    help: str


SWITCHES = (
    Switch("autocapture.page", True, "Page views, also those of single-page routers."),
    Switch("autocapture.click", True, "Clicks, with the element's place in the page."),
    Switch("autocapture.change", True, "Changes of fields: that there was one, never what was entered."),
    Switch("autocapture.submit", True, "Forms that were sent, never what was in them."),
    Switch("mask_text", False, "Leave out the text of elements that are clicked."),
    Switch("respect_dnt", False, "Collect nothing from browsers that send Do Not Track or Global Privacy Control."),
)


def of(source: Source) -> dict[str, Any]:
    """All switches of a source: ``{"autocapture": {"page": true, ...}, "mask_text": false, "respect_dnt": false}``."""
    return nested({one.name: bool(source.agent.get(one.name, one.default)) for one in SWITCHES})


def change(source: Source, given: Any) -> Source:
    """Set the switches that are given, in the form of ``of``; the others stay. Raises Invalid."""
    source.agent = {**source.agent, **_flat(given)}
    source.save(update_fields=["agent"])
    transaction.on_commit(_changed)
    return source


def _changed() -> None:
    changes[0] += 1


def by_key() -> dict[str, tuple[str, dict[str, Any]]]:
    """Write key -> source id and switches, of all sources."""
    return {one.write_key: (one.id, of(one)) for one in Source.objects.all()}


def _flat(given: Any) -> dict[str, bool]:
    if not isinstance(given, dict):
        raise Invalid("It must be an object of switches.", path="agent")
    known = {one.name for one in SWITCHES}
    flat: dict[str, bool] = {}
    for name, value in given.items():
        within = value.items() if isinstance(value, dict) else [("", value)]
        for inner, on in within:
            full = f"{name}.{inner}" if inner else name
            if full not in known:
                raise Invalid(f"There is no such switch; there are {', '.join(sorted(known))}.", path=f"agent.{full}")
            if not isinstance(on, bool):
                raise Invalid("It must be true or false.", path=f"agent.{full}")
            flat[full] = on
    return flat


def nested(flat: dict[str, bool]) -> dict[str, Any]:
    """Switches by name, in the form of ``of``."""
    made: dict[str, Any] = {}
    for name, on in flat.items():
        outer, _, inner = name.partition(".")
        if inner:
            made.setdefault(outer, {})[inner] = on
        else:
            made[outer] = on
    return made
