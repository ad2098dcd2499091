"""All pages, or all features, with their numbers of 30 days; and what was captured and has no name yet."""

import json
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse

from arrivals.audience import tag_numbers, tag_suggestions, tags
from arrivals.audience.tag_suggestions import Asked
from arrivals.errors import CheckTimeout, Invalid, Unavailable
from arrivals.web.pages import render, signed_in

SHOWN = 50
SECONDS = 10


@signed_in
def show(request: HttpRequest, kind: str) -> HttpResponse:
    return render(request, "tags_list", kind=kind, rows=_rows(kind))


@signed_in
def numbers(request: HttpRequest, kind: str) -> HttpResponse:
    """The table again, with the numbers, which may take a while."""
    rows = _rows(kind)
    try:
        found = tag_numbers.of(kind, [row["tag"] for row in rows], seconds=SECONDS)
    except (CheckTimeout, Unavailable) as error:
        return render(request, "part_tags", kind=kind, rows=rows, late=error)
    for row in rows:
        row["numbers"] = found[row["tag"].id]
    return render(request, "part_tags", kind=kind, rows=rows, counted=True)


@signed_in
def suggestions(request: HttpRequest, kind: str) -> HttpResponse:
    """What was captured: to be named (on the list), or to be taken as a rule (on the form)."""
    asked = Asked(request.GET.get("source", ""), request.GET.get("search", ""), SHOWN)
    find = tag_suggestions.pages if kind == "page" else tag_suggestions.features
    try:
        found = find(asked, seconds=SECONDS)
    except (CheckTimeout, Unavailable, Invalid) as error:
        return render(request, "part_tag_suggestions", kind=kind, error=error)
    for one in found:
        one["rule_json"] = json.dumps(one["rule"], ensure_ascii=False)
        name = one["text"] or one["name"] if kind == "feature" else one["name"]
        one["link"] = f"/{kind}s/new?" + urlencode({"rule": one["rule_json"], "name": name, "source": asked.source})
    return render(request, "part_tag_suggestions", kind=kind, found=found, asked=asked, picking="pick" in request.GET)


def _rows(kind: str) -> list[dict[str, Any]]:
    return [{"tag": tag, "rules": [said(kind, one) for one in tag.rules]} for tag in tags.all_tags(kind)]


def said(kind: str, rule: dict[str, Any]) -> str:
    """A rule in one line."""
    if kind == "page":
        url, title = rule.get("url"), rule.get("title")
        parts = [f"{'' if match == 'exact' else match + ' '}{text}" for match, text in (url or {}).items()]
        parts += [
            f"with {one['name']}{'=' + one['value'] if one.get('value') else ''}" for one in rule.get("parameters", [])
        ]
        return " ".join(parts + [f"titled “{text}”" for text in (title or {}).values()])
    parts = [rule["selector"]] if "selector" in rule else []
    parts += [f"“{text}”" for text in rule.get("text", {}).values()]
    return " ".join(parts + (["on one page"] if rule.get("page") else []))
