"""Surveys: make, change, delete, what uses one, and what the agent is told of it. Blocks."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db import IntegrityError, transaction

from arrivals import clock
from arrivals.audience import sharing, survey_forms, survey_pages, survey_texts
from arrivals.audience.models import Report, Segment, Survey
from arrivals.collect.models import Source
from arrivals.errors import Conflict, InvalidSurvey, NotFound

OWN = ("key", "name", "kind", "state")  # columns of the table; the rest is in ``definition``


@dataclass(frozen=True)
class Usage:
    """Segments and reports that name a survey's key; ``seen``: the ids of those that the viewer may see."""

    segments: list[Segment]
    reports: list[Report]
    seen: set[str]


def create(data: Any) -> Survey:
    """Make a survey.

    Raises:
        InvalidSurvey: with the path of the wrong part. Conflict: another survey has the key.
    """
    parts = survey_forms.checked(data, _sources)
    _check_segment(parts["segment"])
    survey_pages.check(parts["pages"])
    survey = Survey(**_columns(parts), live_since=clock.now() if parts["state"] == "live" else None)
    try:
        with transaction.atomic():
            survey.save(force_insert=True)
    except IntegrityError as error:
        raise Conflict(f"There is a survey with the key {parts['key']!r} already.", path="key") from error
    return survey


def checked(data: Any) -> dict[str, Any]:
    """The whole definition of a survey that need not be stored. Raises InvalidSurvey."""
    parts = survey_forms.checked(data, _sources)
    survey_pages.check(parts["pages"])
    return parts


def get(survey_id: str) -> Survey:
    """Raises NotFound."""
    found = Survey.objects.select_related("segment").filter(pk=survey_id).first()
    if found is None:
        raise NotFound(f"There is no survey {survey_id!r:.60}.")
    return found


def all_surveys() -> list[Survey]:
    """All surveys, the newest first."""
    return list(Survey.objects.select_related("segment").order_by("-id"))


def live() -> list[Survey]:
    """Those that are live, the one made first first: in this order they are shown."""
    return list(Survey.objects.select_related("segment").filter(state="live").order_by("created_at", "id"))


def in_source(survey: Survey, source_id: str) -> bool:
    """Whether it runs in a source."""
    return not survey.definition["sources"] or source_id in survey.definition["sources"]


def change(survey_id: str, changes: Any) -> Survey:
    """Change parts of a survey; what ``changes`` leave out stays, as key and kind always do.

    Raises:
        InvalidSurvey: with the path of the wrong part; nothing is changed then. NotFound.
    """
    survey = get(survey_id)
    # A source that was deleted since may stay: without it the survey would run in all.
    there = {*_sources(), *survey.definition["sources"]}
    parts = survey_forms.checked(survey_forms.merged(definition(survey), changes), lambda: there)
    survey_pages.check(parts["pages"], before=survey.definition["pages"])
    if parts["segment"] != survey.segment_id:
        _check_segment(parts["segment"])
    if parts["state"] == "live" and survey.state != "live":
        survey.live_since = clock.now()
    for name, value in _columns(parts).items():
        setattr(survey, name, value)
    survey.updated_at = clock.now()
    survey.save()
    return survey


def usage(survey: Survey) -> Usage:
    """The segments that name the survey's key, and the reports that do or list such a segment, newest first. They go on
    with the answers there are when it is deleted."""
    segments = [one for one in Segment.objects.order_by("-id") if _names(one.rules, survey.key)]
    naming = {one.id for one in segments}
    reports = [
        one
        for one in Report.objects.order_by("-id")
        if one.survey == survey.key or one.segment_id in naming or _names(one.columns, survey.key)
    ]
    seen = {
        id_
        for model, found in ((Segment, segments), (Report, reports))
        for id_ in sharing.visible(model.objects.filter(pk__in=[one.pk for one in found])).values_list("pk", flat=True)
    }
    return Usage(segments, reports, seen)


def delete(survey_id: str) -> None:
    """Delete the survey: it is shown no more. Its answers are events and stay. Raises NotFound."""
    get(survey_id).delete()


def definition(survey: Survey) -> dict[str, Any]:
    """The parts that a person chose, as ``create`` takes them."""
    return {
        **{name: getattr(survey, name) for name in OWN},
        "segment": survey.segment_id,
        **survey_forms.DEFAULTS,
        **survey.definition,
    }


def as_dict(survey: Survey) -> dict[str, Any]:
    """id, all of ``definition``, live_since (null before it was live), created_at, updated_at."""
    return {
        "id": survey.id,
        **definition(survey),
        "live_since": clock.iso(survey.live_since) if survey.live_since else None,
        "created_at": clock.iso(survey.created_at),
        "updated_at": clock.iso(survey.updated_at),
    }


def for_agent(
    survey_id: str, parts: dict[str, Any], languages: Sequence[str], pages: Sequence[dict[str, Any]]
) -> dict[str, Any]:
    """What the agent needs to show a survey: every text that is said in the reader's language, scale, look, pages.

    ``languages``: those of the reader, the best first; the survey's own language, if it has one, comes before.
    ``pages``: as ``survey_pages.told``.
    A text is the translation's, else the survey's own, else the fixed one.
    """
    kind, look = parts["kind"], parts["look"]
    chosen = look["language"] if look["language"] != "auto" else survey_texts.language(languages)
    fixed = survey_texts.TEXTS[chosen]
    own = {**parts["texts"], **parts["translations"].get(chosen, {})}
    texts = {name: own.get(name) or fixed.get(f"{kind}_{name}") or fixed.get(name, "") for name in survey_forms.TEXTS}
    least, most = survey_forms.SCALES.get(kind, (None, None))
    return {
        "id": survey_id,
        "key": parts["key"],
        "kind": kind,
        "min": least,
        "max": most,
        "choices": parts["choices"],
        "reason": parts["reason"] and kind != "question",
        "texts": texts,
        "language": chosen,
        "direction": "rtl" if chosen in survey_texts.RIGHT_TO_LEFT else "ltr",
        "pages": list(pages),
        "delay": parts["delay_seconds"],
        "recontact_days": parts["recontact_days"],
        "look": {name: look[name] for name in ("accent", "theme", "position")} | {"ink": ink(look["accent"])},
    }


def ink(colour: str) -> str:
    """Black or white, whichever is read better on ``colour`` (#rrggbb). Source of the formula: WCAG 2.2, relative
    luminance and contrast ratio."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in parts)
    luminance = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    return "#000000" if (luminance + 0.05) / 0.05 > 1.05 / (luminance + 0.05) else "#ffffff"


def _check_segment(segment_id: str | None) -> None:
    """Surveys are for everyone, so they must not tell of a segment that is private. Raises InvalidSurvey."""
    found = Segment.objects.filter(pk=segment_id, shared=False).first() if segment_id else None
    if found is None:
        return
    if not sharing.visible(Segment.objects.filter(pk=segment_id)).exists():
        raise InvalidSurvey(f"There is no segment {segment_id!r:.60}; null means everybody.", path="segment")
    raise InvalidSurvey(f"The segment {found.name!r} is private, and a survey is for everyone.", path="segment")


def _columns(parts: dict[str, Any]) -> dict[str, Any]:
    return {
        **{name: parts[name] for name in OWN},
        "segment_id": parts["segment"],
        "definition": {name: parts[name] for name in survey_forms.DEFAULTS},
    }


def _names(data: Any, key: str) -> bool:
    """Whether rules or a column, as data, name the survey's key: ``{"survey": key}``, or its events by kind and name."""
    if isinstance(data, list):
        return any(_names(one, key) for one in data)
    if not isinstance(data, dict):
        return False
    if data.get("survey") == key:
        return True
    if "survey" in (data.get("count"), data.get("sum")) and data.get("name") == key:
        return True
    return any(_names(one, key) for one in data.values())


def _sources() -> set[str]:
    return set(Source.objects.values_list("id", flat=True))


def refuse_used(users: Sequence[str]) -> None:
    """Raises Conflict when ``users`` (names of what uses it) are there."""
    if users:
        raise Conflict(
            f"It is used by {', '.join(users[:10])}. Its answers stay, so these keep what they have and get nothing "
            "new; delete it with anyway=true."
        )
