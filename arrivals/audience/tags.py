"""Pages and features: make, change, delete, and what uses them. Blocks.

A definition is ``{"name", "group", "source", "rules"}``; group and source may be left out. ``kind`` is "page" or "feature".
"""

from collections.abc import Iterator
from typing import Any

from django.db.models import QuerySet

from arrivals import clock
from arrivals.audience import feature_rules, page_rules, segments, shapes, sharing
from arrivals.audience.models import Chart, Feature, Page, Report, Segment, Survey
from arrivals.audience.tagged import MODELS
from arrivals.collect import sources
from arrivals.errors import Conflict, InvalidTag, NotFound

Tag = Page | Feature
KEYS = ("name", "group", "source", "rules")
# What names pages and features, and in which field.
USERS: list[tuple[str, Any, str]] = [
    ("segment", Segment, "rules"),
    ("report", Report, "columns"),
    ("feature", Feature, "rules"),
    ("chart", Chart, "definition"),
    ("survey", Survey, "definition"),
]
HIDDEN = {"id": "", "name": "private"}


def create(kind: str, definition: Any) -> Tag:
    """Make a page or feature. It applies to all events at once.

    Raises:
        InvalidTag, Invalid: with the path of the wrong part and what is allowed.
    """
    made: Tag = MODELS[kind].objects.create(**_checked(kind, definition))
    return made


def get(kind: str, id_: str) -> Tag:
    """Raises NotFound."""
    found: Tag | None = MODELS[kind].objects.filter(pk=id_).first()
    if found is None:
        raise NotFound(f"There is no {kind} {id_!r:.60}.")
    return found


def all_tags(kind: str) -> QuerySet[Any]:
    """All pages or features, by group and name."""
    return MODELS[kind].objects.order_by("group", "name", "pk")


def change(kind: str, id_: str, definition: Any) -> Tag:
    """Put another definition in the place of the present one. Raises as ``create``; nothing is changed then."""
    tag = get(kind, id_)
    for name, value in _checked(kind, definition).items():
        setattr(tag, name, value)
    tag.updated_at = clock.now()
    tag.save()
    return tag


def delete(kind: str, id_: str) -> None:
    """Raises Conflict when something uses it, naming what."""
    tag = get(kind, id_)
    used = users(tag)
    if used:
        named = ", ".join(
            f"the {one['kind']} {one['name']!r}" if one["id"] else f"a private {one['kind']}" for one in used[:5]
        )
        more = f" and {len(used) - 5} more" if len(used) > 5 else ""
        raise Conflict(f"It is used by {named}{more}; change that first.")
    tag.delete()


def users(tag: Tag) -> list[dict[str, str]]:
    """What names it by its id or its name: kind, id and name of each segment, report, feature, chart and survey; of
    what is private to somebody else the id is empty and the name "private"."""
    kind = kind_of(tag)
    found = []
    for word, model, field in USERS:
        for one in model.objects.order_by("name", "pk"):
            if one.pk != tag.pk and _mentions(getattr(one, field), kind, tag):
                seen = not hasattr(model, "shared") or sharing.visible(model.objects.filter(pk=one.pk)).exists()
                found.append(
                    {"kind": word, "id": str(one.pk), "name": str(one.name)} if seen else {**HIDDEN, "kind": word}
                )
    return found


def kind_of(tag: Tag) -> str:
    """ "page" or "feature"."""
    return "page" if isinstance(tag, Page) else "feature"


def as_dict(tag: Tag) -> dict[str, Any]:
    """id, name, group and source (empty where there is none), rules, created_at, updated_at."""
    return {
        "id": tag.id,
        "name": tag.name,
        "group": tag.group,
        "source": tag.source_id,
        "rules": tag.rules,
        "created_at": clock.iso(tag.created_at),
        "updated_at": clock.iso(tag.updated_at),
    }


def checked_rules(kind: str, rules: Any) -> Any:
    """``rules``, when they are allowed. Raises InvalidTag."""
    if kind == "page":
        page_rules.parse(rules)
    else:
        feature_rules.parse(rules)
    return rules


def checked_source(source: Any) -> str:
    """The id of a source that is there, or nothing. Raises InvalidTag."""
    if source in (None, ""):
        return ""
    if not isinstance(source, str) or all(one.id != source for one in sources.all_sources()):
        raise InvalidTag(f"There is no source {source!r:.60}; leave it out for all sources.", path="source")
    return source


def _checked(kind: str, data: Any) -> dict[str, Any]:
    shapes.known(data, KEYS, InvalidTag)
    group = data.get("group") or ""
    if not isinstance(group, str) or len(group.strip()) > segments.LONGEST_NAME:
        raise InvalidTag(f"It must be a text of at most {segments.LONGEST_NAME} characters.", path="group")
    return {
        "name": segments.checked_name(data.get("name")),
        "group": group.strip(),
        "source_id": checked_source(data.get("source")),
        "rules": checked_rules(kind, data.get("rules")),
    }


def _mentions(data: Any, kind: str, tag: Tag) -> bool:
    for one in _objects(data):
        if kind in (one.get("kind"), one.get("count"), one.get("sum")):
            if tag.pk == one.get(kind) or one.get("name") in (tag.pk, tag.name):
                return True
        elif kind == "page" and one.get("page") == tag.pk:  # a feature that is limited to it
            return True
    return False


def _objects(data: Any) -> Iterator[dict[str, Any]]:
    """Every object in JSON data, at any depth."""
    if isinstance(data, dict):
        yield data
        data = list(data.values())
    if isinstance(data, list):
        for one in data:
            yield from _objects(one)
