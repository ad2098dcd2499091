"""What uses a segment or a list, so that nobody deletes what others stand on. Blocks.

A table that refers to segments is found by its reference, wherever in the product it is; what hangs on that in turn, such
as the workflows of a report, is told with it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.db import models

from arrivals.audience import sharing
from arrivals.audience.models import Segment

PRIVATE = "private"
_others: "list[Callable[[Segment], list[User]]]" = []


@dataclass(frozen=True)
class User:
    """``kind`` is segment, report, workflow or another thing with a name. ``through`` is the id of what it uses that
    uses the segment; empty where it does so itself. Of what is private to somebody else only the kind is told."""

    kind: str
    id: str
    name: str
    through: str = ""

    def __str__(self) -> str:
        return f"the {self.kind} {self.name!r}" if self.id else f"a private {self.kind}"


def when_asked(do: "Callable[[Segment], list[User]]") -> None:
    """Call ``do`` for what uses a segment by naming it in data that only a part further right can read."""
    _others[:] = [do]


def of_segment(segment: Segment) -> list[User]:
    """All that uses the segment: segments, then what refers to it by kind and name, each followed by its own users."""
    named = [one for do in _others for one in do(segment)]
    return _mentioning("segment", segment.pk, apart=segment.pk) + _referring(segment, deep=True) + named


def of_list(list_id: str) -> list[User]:
    """The segments with a rule about the list."""
    return _mentioning("list", list_id)


def mentions(data: Any, kind: str, id_: str) -> bool:
    """Whether rules as data have a rule of ``kind`` that names ``id_``."""
    groups = data.get("all", []) if isinstance(data, dict) else []
    return any(_names(rule, kind, id_) for group in groups for rule in group.get("any", []))


def _names(rule: dict[str, Any], kind: str, id_: str) -> bool:
    if rule.get("kind") == "chart" and kind == "segment":  # the chart may be of a segment only
        return bool(rule["chart"].get("segment") == id_)
    return rule.get("kind") == kind and rule.get(kind) == id_


def as_dict(user: User) -> dict[str, Any]:
    """kind, id (null where it is private to somebody else), name, through (null where it uses the segment itself)."""
    return {"kind": user.kind, "id": user.id or None, "name": user.name, "through": user.through or None}


def sentence(users: list[User]) -> str:
    """Who uses it directly, as a refusal to delete says it; empty when nobody does."""
    direct = [str(one) for one in users if not one.through]
    if not direct:
        return ""
    shown = ", ".join(direct[:5]) + (f" and {len(direct) - 5} more" if len(direct) > 5 else "")
    return f"{shown[0].upper()}{shown[1:]} {'uses' if len(direct) == 1 else 'use'} it; change that first."


def _mentioning(kind: str, id_: str, apart: str = "") -> list[User]:
    using = [
        one for one in Segment.objects.order_by("name", "id") if one.id != apart and mentions(one.rules, kind, id_)
    ]
    seen = _visible(Segment, using)
    return [User("segment", one.id, one.name) if one.id in seen else User("segment", "", PRIVATE) for one in using]


def _referring(used: models.Model, *, deep: bool) -> list[User]:
    """Rows with a name that refer to ``used`` and would be left without it."""
    found: list[User] = []
    for relation in used._meta.related_objects:
        model: Any = relation.related_model
        names = {one.name for one in model._meta.get_fields()}
        if relation.on_delete is not models.PROTECT or "name" not in names:
            continue
        using = list(model._default_manager.filter(**{relation.field.name: used}).order_by("name", "pk"))
        seen, kind = _visible(model, using), str(model._meta.model_name)
        for one in using:
            if one.pk not in seen:
                found.append(User(kind, "", PRIVATE))
                continue
            found.append(User(kind, str(one.pk), one.name, "" if deep else str(used.pk)))
            found += _referring(one, deep=False) if deep else []
    return found


def _visible(model: Any, things: list[Any]) -> set[Any]:
    """The keys of those that the viewer may see."""
    keys = [one.pk for one in things]
    if not keys or not {"shared", "owner"} <= {one.name for one in model._meta.get_fields()}:
        return set(keys)
    return set(sharing.visible(model._default_manager.filter(pk__in=keys)).values_list("pk", flat=True))
