"""The form of a page or feature: new, edit, live preview, delete."""

import json
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_POST

from arrivals.accounts import audit
from arrivals.audience import page_rules, selectors, tag_numbers, tags
from arrivals.audience.feature_rules import ACTIONS
from arrivals.collect import sources
from arrivals.errors import CheckTimeout, Invalid, InvalidTag, Unavailable
from arrivals.web.pages import flash, go, person, render, signed_in

FIRST: dict[str, list[Any]] = {"page": [{"url": {"exact": ""}}], "feature": [{"selector": ""}]}


@signed_in
def new(request: HttpRequest, kind: str) -> HttpResponse:
    if request.method == "POST":
        return _store(request, kind, None)
    given = {name: request.GET.get(name, "") for name in ("name", "source")}
    rules = FIRST[kind]
    if request.GET.get("rule"):
        rules = [_json(request.GET["rule"], "rule")]
    return _form(request, kind, None, {**given, "group": "", "rules": rules})


@signed_in
def edit(request: HttpRequest, kind: str, tag_id: str) -> HttpResponse:
    tag = tags.get(kind, tag_id)
    if request.method != "POST":
        return _form(request, kind, tag, tags.as_dict(tag))
    return _store(request, kind, tag)


@require_POST
@signed_in
def preview(request: HttpRequest, kind: str) -> HttpResponse:
    """The live numbers, or what is wrong with which rule."""
    try:
        rules, source = _json(request.POST.get("rules", ""), "rules"), request.POST.get("source", "")
        found = tag_numbers.preview(kind, rules, source=source)
    except (Invalid, CheckTimeout, Unavailable) as error:
        return render(request, "part_tag_preview", error=error)
    return render(request, "part_tag_preview", preview=found, kind=kind)


@require_POST
@signed_in
def delete(request: HttpRequest, kind: str, tag_id: str) -> HttpResponse:
    tag = tags.get(kind, tag_id)
    tags.delete(kind, tag_id)
    audit.note(person(request).email, f"{kind}.delete", tag_id, name=tag.name)
    flash(request, f"{tag.name} was deleted.")
    return go(f"/{kind}s")


def _store(request: HttpRequest, kind: str, tag: tags.Tag | None) -> HttpResponse:
    given: dict[str, Any] = {name: request.POST.get(name, "") for name in ("name", "group", "source")}
    text = request.POST.get("rules", "")
    try:
        given["rules"] = _json(text, "rules")
        saved = tags.change(kind, tag.id, given) if tag else tags.create(kind, given)
    except Invalid as error:
        return _form(request, kind, tag, {"rules": FIRST[kind], **given}, error=error, text=text)
    audit.note(person(request).email, f"{kind}.{'change' if tag else 'create'}", saved.id, name=saved.name)
    flash(request, "Saved. It applies to all events, those of the past too.")
    return go(f"/{kind}s/{saved.id}")


def _json(text: str, path: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise InvalidTag(f"The rules are not JSON: {error}.", path=path) from error


def _form(
    request: HttpRequest,
    kind: str,
    tag: tags.Tag | None,
    shown: dict[str, Any],
    *,
    error: Invalid | None = None,
    text: str = "",
) -> HttpResponse:
    known = {
        "kind": kind,
        "matches": page_rules.MATCHES,
        "actions": ACTIONS,
        "pages": [[one.id, one.name] for one in tags.all_tags("page")],
    }
    return render(
        request,
        "tags_edit",
        status=422 if error else 200,
        kind=kind,
        tag=tag,
        shown=shown,
        rules_text=text or json.dumps(shown["rules"], indent=2, ensure_ascii=False),
        sources=sources.all_sources(),
        groups=sorted({one.group for one in tags.all_tags(kind) if one.group}),
        users=tags.users(tag) if tag else [],
        allowed=selectors.ALLOWED,
        known=known,
        error=error,
    )
