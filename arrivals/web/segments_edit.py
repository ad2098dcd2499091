"""The segment builder: new, edit, live count, delete."""

import json
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_POST

from arrivals.accounts import audit
from arrivals.audience import (
    comparisons,
    explaining,
    lists,
    metrics,
    phrases,
    rules,
    segments,
    sharing,
    usage,
    versions,
    windows,
)
from arrivals.audience import rules as rule_kinds
from arrivals.audience.models import Segment
from arrivals.errors import CheckTimeout, Invalid, InvalidRules, NotFound
from arrivals.web import suggestions
from arrivals.web.pages import flash, go, person, render, signed_in

FIRST = {"all": [{"any": [{"kind": "track", "name": "", "when": {"within": "30d"}}]}]}


@signed_in
def new(request: HttpRequest) -> HttpResponse:
    if request.method != "POST":
        return _form(request, None, "", FIRST)
    return _store(request, None)


@signed_in
def edit(request: HttpRequest, segment_id: str) -> HttpResponse:
    segment = segments.get(segment_id)
    if request.method != "POST":
        return _form(request, segment, segment.name, segment.rules)
    return _store(request, segment)


@require_POST
@signed_in
def preview(request: HttpRequest) -> HttpResponse:
    """The live count, or what is wrong with which rule."""
    try:
        read = _read(request)
        found = segments.preview(read, sample=8)
    except (Invalid, CheckTimeout) as error:
        return render(request, "part_preview", error=error)
    return render(request, "part_preview", preview=found, words=phrases.sentence(read))


@require_POST
@signed_in
def explain(request: HttpRequest) -> HttpResponse:
    """Whether one visitor is in it, rule by rule."""
    visitor = request.POST.get("visitor", "").strip()
    try:
        if not visitor:
            raise Invalid("Write the id of a visitor.", path="visitor")
        read = _read(request)
        rules.parse(read)
        sharing.check_rules(read, shared=False)
        found = explaining.explain(read, visitor)
    except (Invalid, NotFound, CheckTimeout) as error:
        return render(request, "part_explain", error=error)
    return render(request, "part_explain", found=found)


@require_POST
@signed_in
def duplicate(request: HttpRequest, segment_id: str) -> HttpResponse:
    made = segments.duplicate(segment_id, who=person(request).email)
    audit.note(person(request).email, "segment.duplicate", made.id, name=made.name, of=segment_id)
    flash(request, "This is a copy; give it a name of its own.")
    return go(f"/segments/{made.id}")


@require_POST
@signed_in
def delete(request: HttpRequest, segment_id: str) -> HttpResponse:
    segment = segments.get(segment_id)
    segments.delete(segment_id)
    audit.note(person(request).email, "segment.delete", segment_id, name=segment.name)
    flash(request, f"{segment.name} was deleted.")
    return go("/segments")


def _store(request: HttpRequest, segment: Segment | None) -> HttpResponse:
    name, shared = request.POST.get("name", ""), request.POST.get("shared") == "on"
    rules: Any = None
    try:
        rules = _read(request)
        if segment is None:
            segment = segments.create(name, rules, shared=shared, who=person(request).email)
        else:
            segment = segments.change(segment.id, name=name, rules=rules, shared=shared, who=person(request).email)
    except Invalid as error:
        shown = FIRST if rules is None else rules
        return _form(request, segment, name, shown, error=error, text=request.POST.get("rules", ""))
    audit.note(person(request).email, "segment.save", segment.id, name=segment.name)
    flash(request, "Saved.")
    return go(f"/segments/{segment.id}")


def _read(request: HttpRequest) -> Any:
    try:
        return json.loads(request.POST.get("rules", ""))
    except json.JSONDecodeError as error:
        raise InvalidRules(f"The rules are not JSON: {error}.", path="rules") from error


def _form(
    request: HttpRequest,
    segment: Segment | None,
    name: str,
    rules: Any,
    *,
    error: Invalid | None = None,
    text: str = "",
) -> HttpResponse:
    fields = suggestions.fields()
    known = {
        "operators": comparisons.OPERATORS,
        "words": phrases.OPERATORS,
        "words_of_times": {**phrases.OPERATORS, **phrases.WHEN},
        "metrics": {
            "visitor": [[f"metric.{one}", phrases.METRICS[f"metric.{one}"]] for one in rule_kinds.METRICS],
            "account": [[f"metric.{one}", phrases.METRICS[f"metric.{one}"]] for one in metrics.ACCOUNT],
            "times": [f"metric.{one}" for one in metrics.TIMES],
            "bands": metrics.WORDS,
        },
        "periods": list(windows.PERIODS),
        "of_numbers": comparisons.OF_NUMBERS,
        "of_times": comparisons.OF_TIMES,
        "of_words": comparisons.OF_WORDS,
        "tracks": suggestions.names("track"),
        "pages": suggestions.named("page"),
        "features": suggestions.named("feature"),
        "surveys": suggestions.names("survey_answered"),
        "fields": ["visitor.id", *(one.removeprefix("visitor.") for one in fields if one.startswith("visitor."))],
        "account_fields": [
            "account.id",
            *(one.removeprefix("account.") for one in fields if one.startswith("account.")),
        ],
        "segments": [[one.id, one.name] for one in segments.all_segments() if segment is None or one.id != segment.id],
        "lists": [[one.id, one.name] for one in lists.all_lists()],
    }
    return render(
        request,
        "segments_edit",
        status=422 if error else 200,
        segment=segment,
        name=name,
        shared=request.POST.get("shared") == "on" if error else segment is None or segment.shared,
        rules_text=text or json.dumps(rules, indent=2, ensure_ascii=False),
        known=known,
        error=error,
        users=usage.of_segment(segment) if segment else [],
        versions=versions.newest_number(segment) if segment else 0,
    )
