"""The form of a survey: new, edit, preview, live and paused, delete."""

import itertools
import json
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse, QueryDict
from django.views.decorators.http import require_POST

from arrivals.accounts import audit
from arrivals.audience import segments, survey_forms, survey_texts, surveys, tags
from arrivals.audience.models import Survey
from arrivals.collect import sources
from arrivals.errors import ArrivalsError, Invalid, InvalidSurvey
from arrivals.web.pages import flash, go, person, render, signed_in
from arrivals.workflows import survey_users

LANGUAGES = {
    "en": "English", "de": "Deutsch", "fr": "Français", "es": "Español", "pt": "Português", "it": "Italiano",
    "nl": "Nederlands", "pl": "Polski", "ja": "日本語", "zh": "中文", "ar": "العربية",
}  # fmt: skip
KINDS = [
    ("nps", "NPS", "How likely are you to recommend us? 0 to 10, and the reason."),
    ("csat", "CSAT", "How satisfied are you? 1 to 5, and the reason."),
    ("question", "A question", "Your own, with choices or an answer in words."),
]
NUMBERS = ("recontact_days", "quiet_days", "delay_seconds")
SAID = {"live": "It is live.", "paused": "It is paused.", "draft": "Saved as a draft."}


@signed_in
def new(request: HttpRequest) -> HttpResponse:
    if request.method == "POST":
        return _store(request, None)
    kind = request.GET.get("kind", "nps")
    kind = kind if kind in survey_forms.KINDS else "nps"
    first = _free(kind)
    return _form(request, None, {**survey_forms.DEFAULTS, **first, "kind": kind, "state": "draft", "segment": None})


@signed_in
def edit(request: HttpRequest, survey_id: str) -> HttpResponse:
    survey = surveys.get(survey_id)
    if request.method == "POST":
        return _store(request, survey)
    return _form(request, survey, surveys.definition(survey))


@require_POST
@signed_in
def preview(request: HttpRequest) -> HttpResponse:
    """What the agent would be told of the form as it is, or what is wrong with which part."""
    try:
        parts = surveys.checked({"name": "x", "key": "x", **_read(request.POST, lenient=True)})
    except Invalid as error:
        return JsonResponse({"problem": error.message, "path": error.path})
    return JsonResponse(surveys.for_agent("", parts, [request.POST.get("preview_language", "en")], []))


@require_POST
@signed_in
def state(request: HttpRequest, survey_id: str) -> HttpResponse:
    survey = surveys.change(survey_id, {"state": request.POST.get("state", "")})
    audit.note(person(request).email, "survey.state", survey_id, key=survey.key, state=survey.state)
    flash(request, SAID[survey.state])
    return go(f"/surveys/{survey_id}")


@signed_in
def delete(request: HttpRequest, survey_id: str) -> HttpResponse:
    survey = surveys.get(survey_id)
    if request.method != "POST":
        used = surveys.usage(survey)
        return render(request, "surveys_delete", survey=survey, used=used, workflows=survey_users.of(survey))
    surveys.delete(survey_id)
    audit.note(person(request).email, "survey.delete", survey_id, key=survey.key)
    flash(request, f"{survey.name} was deleted. Its answers are kept.")
    return go("/surveys")


def _free(kind: str) -> dict[str, str]:
    """A key and a name that no survey has yet: nps, else nps-2 and so on; none for a question."""
    if kind == "question":
        return {"key": "", "name": ""}
    taken = set(Survey.objects.values_list("key", flat=True))
    number = next(one for one in itertools.count(1) if (kind if one == 1 else f"{kind}-{one}") not in taken)
    return (
        {"key": kind, "name": kind.upper()}
        if number == 1
        else {"key": f"{kind}-{number}", "name": f"{kind.upper()} {number}"}
    )


def _store(request: HttpRequest, survey: Survey | None) -> HttpResponse:
    parts: dict[str, Any] = {}
    try:
        parts = _read(request.POST)
        survey = surveys.create(parts) if survey is None else surveys.change(survey.id, parts)
    except ArrivalsError as error:
        if error.status >= 500:
            raise
        return _form(request, survey, _shown(request.POST, survey, parts), error=error)
    audit.note(person(request).email, "survey.save", survey.id, key=survey.key, state=survey.state)
    flash(request, SAID[survey.state])
    return go(f"/surveys/{survey.id}")


def _read(form: QueryDict, *, lenient: bool = False) -> dict[str, Any]:
    """The form as a definition. ``lenient``: without what a preview does not need (name, key, pages and times)."""
    kind = form.get("kind", "")
    parts: dict[str, Any] = {
        "kind": kind,
        "texts": {name: form.get(f"text_{name}", "") for name in survey_forms.TEXTS},
        "choices": [line.strip() for line in form.get("choices", "").splitlines() if line.strip()]
        if kind == "question"
        else [],
        "reason": "reason" in form,
        "look": {name: form.get(f"look_{name}", default) for name, default in survey_forms.LOOK.items()},
        "translations": _translations(form.get("translations", "")),
    }
    if lenient:
        parts["texts"]["question"] = parts["texts"]["question"] or ("…" if kind == "question" else "")
        return parts
    again = form.get("again_days", "").strip()
    return {
        **parts,
        "key": form.get("key", "").strip(),
        "name": form.get("name", ""),
        "state": form.get("state", "draft"),
        "segment": form.get("segment") or None,
        "anonymous": "anonymous" in form,
        "pages": [
            {"url": {match: url.strip()}}
            for match, url in zip(form.getlist("page_match"), form.getlist("page_url"), strict=False)
            if url.strip()
        ]
        + [{"page": one} for one in form.getlist("page_named")],
        **{name: _number(form.get(name, "")) for name in NUMBERS},
        "again_days": _number(again) if again else None,
        "sources": form.getlist("sources"),
    }


def _number(text: str) -> Any:
    """A whole number, or the text as it is, which is then refused with its path."""
    digits = text.strip()
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 10 else digits


def _translations(text: str) -> Any:
    if not text.strip():
        return {}
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise InvalidSurvey(f"It is not JSON: {error}.", path="translations") from error


def _shown(form: QueryDict, survey: Survey | None, parts: dict[str, Any]) -> dict[str, Any]:
    """What was sent, for the form to show again beside the refusal."""
    stored = surveys.definition(survey) if survey else {**survey_forms.DEFAULTS, "kind": "nps"}
    given = parts or {"name": form.get("name", ""), "key": form.get("key", "")}
    return {**stored, "state": "draft", **given, "translations_text": form.get("translations", "")}


def _form(
    request: HttpRequest, survey: Survey | None, parts: dict[str, Any], *, error: ArrivalsError | None = None
) -> HttpResponse:
    rules = [next(iter(one["url"].items())) for one in parts["pages"] if "url" in one]
    named = [one["page"] for one in parts["pages"] if "page" in one]
    text = json.dumps(parts["translations"], indent=2, ensure_ascii=False) if parts["translations"] else ""
    kind = parts["kind"] if parts["kind"] in survey_forms.KINDS else "nps"
    there = sources.all_sources()
    return render(
        request,
        "surveys_edit",
        status=error.status if error else 200,
        survey=survey,
        parts=parts,
        kind=kind,
        kinds=KINDS,
        suggested=[(*one, _free(one[0])) for one in KINDS],
        fixed=survey_texts.TEXTS["en"],
        pages=[*rules, ("wildcard", "")],
        named=named,
        tags=list(tags.all_tags("page")),
        choices="\n".join(parts["choices"]),
        translations=parts.get("translations_text", text),
        matches=survey_forms.MATCHES,
        themes=survey_forms.THEMES,
        positions=survey_forms.POSITIONS,
        languages=LANGUAGES,
        segments=segments.all_segments(),
        sources=there,
        gone=[one for one in parts["sources"] if one not in {source.id for source in there}],
        error=error,
    )
