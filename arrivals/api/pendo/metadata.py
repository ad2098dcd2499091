"""/metadata: which fields there are, and their values."""

from collections.abc import Mapping
from typing import Any

from django.http import HttpResponse

from arrivals.accounts import audit
from arrivals.api.pendo import answers
from arrivals.api.pendo.auth import Request, keyed, who
from arrivals.audience import fields
from arrivals.errors import Invalid, NotFound

IDS = {"visitor": "visitorId", "account": "accountId"}


@keyed()
def schema(request: Request, kind: str) -> Any:
    """The fields of a kind, by group."""
    found = fields.schema(kind)
    return {group: {name: _definition(name, type_) for name, type_ in names.items()} for group, names in found.items()}


@keyed(write=True, whole=True)
def write(request: Request, kind: str, group: str) -> Any:
    """Set values of many: ``[{"visitorId", "values": {field: value}}]``."""
    if kind not in IDS:
        raise NotFound(f"There are no values of the kind {kind!r:.40}; there are those of visitor and account.")
    entries = answers.body(request)
    if not isinstance(entries, list) or not 0 < len(entries) <= fields.MOST:
        raise Invalid(f"The body must be a list of 1 to {fields.MOST:,} objects.", path="body")
    create = _flag(request.GET.get("create", "false"), "create")
    values: dict[str, dict[str, Any]] = {}
    for number, entry in enumerate(entries):
        owner, given = _entry(entry, IDS[kind], f"[{number}]")
        values.setdefault(owner, {}).update(given)
    done = fields.write(kind, group, values, create=create)
    audit.note(who(request), "metadata.write", f"{kind}.{group}", updated=done.updated)
    failed = {owner for owner, _ in done.refused} | set(done.missing)
    told = [owner for owner in (one.get(IDS[kind]) for one in entries) if str(owner) in failed]
    answer: dict[str, Any] = {
        "total": len(entries),
        "updated": len(entries) - len(told),
        "failed": len(told),
        "missing": done.missing,
    }
    if done.refused:
        answer["errors"] = [{IDS[kind]: owner, "message": reason} for owner, reason in done.refused]
    return answer


@keyed(write=True, whole=True)
def put(request: Request, kind: str, group: str, id: str, field: str) -> Any:
    """Set one value: the body is the value as JSON."""
    fields.put(kind, group, id, field, answers.body(request))
    audit.note(who(request), "metadata.write", f"{kind}.{group}", updated=1)
    return HttpResponse(status=200)


@keyed(whole=True)
def get(request: Request, kind: str, group: str, id: str, field: str) -> Any:
    """One value as JSON."""
    return answers.answer(fields.get(kind, group, id, field))


@keyed(write=True, whole=True)
def do_not_process(request: Request, id: str) -> Any:
    """Whether a visitor shall not be processed: the body is true or false."""
    value = answers.body(request)
    if not isinstance(value, bool):
        raise Invalid("The body must be true or false.", path="body")
    fields.put("visitor", "pendo", id, "donotprocess", value)
    audit.note(who(request), "metadata.write", "visitor.pendo", updated=1)
    return HttpResponse(status=200)


def _definition(name: str, type_: str) -> dict[str, Any]:
    return {
        "Type": type_,
        "DisplayName": name,
        "ElementType": "",
        "ElementFormat": "",
        "Dirty": False,
        "isHidden": False,
        "isDeleted": False,
        "isCalculated": False,
        "isPerApp": False,
        "isPromoted": False,
        "neverIndex": False,
    }


def _entry(entry: Any, key: str, path: str) -> tuple[str, Mapping[str, Any]]:
    if not isinstance(entry, dict):
        raise Invalid(f"It must be an object with {key} and values.", path=path)
    owner, values = entry.get(key), entry.get("values")
    if isinstance(owner, int) and not isinstance(owner, bool):
        owner = entry[key] = str(owner)
    if not isinstance(owner, str) or not 0 < len(owner) <= fields.LONGEST:
        raise Invalid(f"It must be a text of 1 to {fields.LONGEST} characters.", path=f"{path}.{key}")
    if not isinstance(values, dict) or not values:
        raise Invalid("It must be an object with at least one field.", path=f"{path}.values")
    return owner, values


def _flag(text: str, path: str) -> bool:
    if text not in {"true", "false"}:
        raise Invalid("It must be true or false.", path=path)
    return text == "true"
