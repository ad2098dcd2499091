"""What the picker on a person's own site asks: about an element and an address, and to name one.

It comes from another site, so it is known by its token and by nothing else: no cookie is read, and every site may ask.
The body is JSON sent as text, which browsers send without asking first.
"""

from collections.abc import Callable
from dataclasses import asdict
from functools import wraps
from typing import Any

import orjson
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt

from arrivals import config
from arrivals.accounts import audit
from arrivals.api.arrivals import problems
from arrivals.api.arrivals.bodies import has_nul
from arrivals.audience import picking, proposing, tag_numbers, tags
from arrivals.audience.picking import Picking
from arrivals.errors import ArrivalsError, Invalid, InvalidJson, MethodNotAllowed

MOST_BODY = 64 * 1024
KINDS = ("page", "feature")


def asked(view: Callable[[Picking, dict[str, Any]], Any]) -> Callable[[HttpRequest], HttpResponse]:
    """The answer of ``view`` as JSON, for whoever has a valid token."""

    @csrf_exempt
    @wraps(view, assigned=("__name__", "__doc__"))
    def answered(request: HttpRequest) -> HttpResponse:
        if request.method == "OPTIONS":
            return _open(HttpResponse(status=204))
        try:
            if request.method != "POST":
                raise MethodNotAllowed("It takes POST.")
            data = _body(request)
            found = view(picking.read(data.get("token")), data)
        except ArrivalsError as error:
            return _open(problems.response(error))
        return _open(HttpResponse(orjson.dumps(found), content_type="application/json"))

    return answered


@asked
def look(picked: Picking, data: dict[str, Any]) -> dict[str, Any]:
    """What could be named here. ``path``, ``text`` and ``url`` -> ``feature`` and ``page``, each with a rule, the numbers of
    30 days, and what is called so already. Another ``rule`` (or ``page_rule``) may be asked about in the place of the proposed
    one."""
    url = _text(data, "url", 4096)
    answer: dict[str, Any] = {"source": picked.source.name}
    path = data.get("path")
    if url.startswith(("http://", "https://")):
        answer["page"] = _page(picked, url, data.get("page_rule"))
    if path:
        if not isinstance(path, list) or len(path) > 50 or not all(isinstance(one, str) for one in path):
            raise Invalid("It must be a list of at most 50 texts.", path="path")
        text = _text(data, "text", 255)
        rule = data.get("rule") or proposing.propose(path, text)
        event = {"kind": "click", "url": url, "properties": {"path": path, "text": text} if text else {"path": path}}
        answer["feature"] = {
            "rule": rule,
            **_numbers(picked, "feature", rule),
            "named": _named(picked, "feature", event),
        }
    return answer


@asked
def save(picked: Picking, data: dict[str, Any]) -> dict[str, Any]:
    """Name a page or a feature of the token's source."""
    kind = data.get("kind")
    if kind not in KINDS:
        raise Invalid(f"It must be one of {', '.join(KINDS)}.", path="kind")
    definition = {"name": data.get("name"), "rules": data.get("rules"), "source": picked.source.id}
    made = tags.create(kind, definition)
    audit.note(picked.by, f"{kind}.create", made.id, name=made.name, by="picker", source=picked.source.id)
    return {"id": made.id, "name": made.name, "url": f"{config.current().public_url.rstrip('/')}/{kind}s/{made.id}"}


def _page(picked: Picking, url: str, rule: Any) -> dict[str, Any]:
    address = tag_numbers.collapsed(url)
    rule = rule or {"url": {"wildcard" if "*" in address else "exact": address}}
    named = _named(picked, "page", {"kind": "page", "url": url, "properties": {}})
    return {"rule": rule, **_numbers(picked, "page", rule), "named": named}


def _numbers(picked: Picking, kind: str, rule: Any) -> dict[str, Any]:
    found = asdict(tag_numbers.preview(kind, [rule], source=picked.source.id))
    return {name: found[name] for name in ("events", "visitors")}


def _named(picked: Picking, kind: str, event: dict[str, Any]) -> list[str]:
    [found] = tag_numbers.which(kind, [{**event, "source_id": picked.source.id}])
    return found


def _body(request: HttpRequest) -> dict[str, Any]:
    if len(request.body) > MOST_BODY:
        raise Invalid(f"The body has more than {MOST_BODY:,} bytes.")
    try:
        data = orjson.loads(request.body)
    except orjson.JSONDecodeError as error:
        raise InvalidJson("The body is not valid JSON.") from error
    if not isinstance(data, dict) or has_nul(data):
        raise Invalid("It must be an object without the character NUL.")
    return data


def _text(data: dict[str, Any], name: str, longest: int) -> str:
    value = data.get(name) or ""
    if not isinstance(value, str) or len(value) > longest:
        raise Invalid(f"It must be a text of at most {longest:,} characters.", path=name)
    return value


def _open(answer: HttpResponse) -> HttpResponse:
    answer["Access-Control-Allow-Origin"] = "*"
    answer["Access-Control-Allow-Methods"] = "POST, OPTIONS"
    answer["Access-Control-Allow-Headers"] = "content-type"
    answer["Access-Control-Allow-Private-Network"] = "true"
    return answer
