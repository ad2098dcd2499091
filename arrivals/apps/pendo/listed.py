"""Which of a subscription's reports can be used: those whose rows are visitors or accounts."""

from typing import Any

from arrivals.audience.origins import Listed

# Words of the reports whose results Pendo's API does not give.
OTHERS = ("funnel", "path", "retention", "workflow", "explorer", "journey")
SAYS = ("target", "level", "type", "kind", "scope")


def read(data: dict[str, Any]) -> Listed | None:
    """One item of ``GET /api/v1/report``; None when it has no id."""
    id_ = data.get("id")
    if not isinstance(id_, str) or not id_:
        return None
    name = str(data.get("name") or id_)
    words = [word.lower() for word in _words(data)]
    other = next((one for one in OTHERS if any(one in word for word in words)), "")
    if other:
        sentence = f"It is a {other} report; Pendo's API gives the rows of visitor and account reports only."
        return Listed(id_, name, problem=sentence)
    kind = _kind(words) or _kind_of_fields(data)
    problem = "" if kind else "It lists neither visitors nor accounts, so it has nobody to arrive."
    return Listed(id_, name, kind, problem)


def _words(data: dict[str, Any]) -> list[str]:
    definition = data.get("definition")
    places = [data.get(name) for name in SAYS]
    places += [definition.get(name) for name in ("type", "kind")] if isinstance(definition, dict) else []
    return [one for one in places if isinstance(one, str)]


def _kind(words: list[str]) -> str:
    for word in words:
        if "parent" in word:
            continue
        for kind in ("visitor", "account"):
            if kind in word:
                return kind
    return ""


def _kind_of_fields(data: dict[str, Any]) -> str:
    """What the columns say, where no word does: a visitor's row has the account too, so the visitor counts first."""
    aggregation, definition = data.get("aggregation"), data.get("definition")
    fields = aggregation.get("fields") if isinstance(aggregation, dict) else None
    config = definition.get("config") if isinstance(definition, dict) else None
    columns = config.get("columns") if isinstance(config, dict) else None
    found: set[str] = set()
    for one in [*(fields if isinstance(fields, list) else []), *(columns if isinstance(columns, list) else [])]:
        if isinstance(one, dict):
            found.update(str(one.get(name)) for name in ("field", "fieldName", "columnName"))
    return next((kind for kind in ("visitor", "account") if f"{kind}Id" in found), "")
