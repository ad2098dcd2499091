"""/page, /feature, /tracktype and /guide: definitions, and the reset of a guide."""

import re
from typing import Any
from urllib.parse import urlsplit

from arrivals.api.pendo import answers, tag_shape
from arrivals.api.pendo.auth import Request, keyed
from arrivals.audience import objects, profiles
from arrivals.audience.objects import Object
from arrivals.collect import sources
from arrivals.errors import Invalid, NotFound

SYSTEM = {"id": "arrivals", "username": "arrivals", "first": "Arrivals", "last": "", "role": 0, "userType": "system"}
KINDS = {"page": "Page", "feature": "Feature", "tracktype": "TrackType", "guide": "Guide"}
GUIDE_STATES = ("public", "staged", "draft", "disabled", "pendingReview")


@keyed()
def pages(request: Request) -> Any:
    """All pages."""
    return _listed(request, "page")


@keyed()
def features(request: Request) -> Any:
    """All features."""
    return _listed(request, "feature")


@keyed()
def track_types(request: Request) -> Any:
    """All track types."""
    return _listed(request, "tracktype")


@keyed()
def guides(request: Request) -> Any:
    """All guides, which are our surveys."""
    state = request.GET.get("state")
    if state is not None and state not in GUIDE_STATES:
        raise Invalid(f"It must be one of {', '.join(GUIDE_STATES)}.", path="state")
    return [one for one in _listed(request, "guide") if state in (None, one["state"])]


@keyed()
def page(request: Request, id: str) -> Any:
    """One page."""
    return _one(request, "page", id)


@keyed()
def feature(request: Request, id: str) -> Any:
    """One feature."""
    return _one(request, "feature", id)


@keyed()
def track_type(request: Request, id: str) -> Any:
    """One track type."""
    return _one(request, "tracktype", id)


@keyed()
def guide(request: Request, id: str) -> Any:
    """One guide."""
    return _one(request, "guide", id)


@keyed(write=True)
def reset(request: Request, id: str, visitor: str) -> Any:
    """Let a visitor meet a guide again. Surveys are shown by what their own page asks for, so there is nothing to undo."""
    _one(request, "guide", id)
    profiles.visitor(visitor, source_id=request.key.source_id)
    return answers.answer({})


def _one(request: Request, kind: str, id_: str) -> dict[str, Any]:
    for one in _all(kind, request.key.source_id):
        if one.id == id_:
            return shape(one)
    raise NotFound(f"There is no {KINDS[kind].lower()} {id_!r:.60}.")


def _listed(request: Request, kind: str) -> list[dict[str, Any]]:
    """All of a kind, or the one of ``id``, of all sources or that of ``appId``."""
    source_id = request.key.source_id
    app, expand = request.GET.get("appId"), request.GET.get("expand")
    if expand not in (None, "*"):
        raise Invalid("It must be *.", path="expand")
    if app is not None and expand is not None:
        raise Invalid("It cannot be used together with appId.", path="expand")
    if app is not None:
        found = _source(app)
        if source_id and found != source_id:
            return []
        source_id = found
    wanted = request.GET.getlist("id")
    listed = _all(kind, source_id)
    return [shape(one) for one in listed if not wanted or one.id in wanted]


def _all(kind: str, source_id: str) -> list[Object]:
    """Those that events name, and those that got their names after the fact."""
    return [*objects.all_objects(kind, source_id=source_id), *objects.named_after(kind, source_id=source_id)]


def _source(app: str) -> str:
    digits = app.removeprefix("-")
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 18):
        raise Invalid("It must be the number of an app.", path="appId")
    found = sources.by_app_id(int(app))
    if found is None:
        raise NotFound(f"There is no app {app}.")
    return found.id


def shape(one: Object) -> dict[str, Any]:
    """An object with the keys that Pendo gives it; what we do not have is empty."""
    apps = [sources.app_id(source) for source in one.sources] or [sources.FIRST_APP]
    day = one.first.replace(hour=0, minute=0, second=0, microsecond=0)
    common: dict[str, Any] = {
        "id": one.id,
        "name": one.name,
        "kind": KINDS[one.kind],
        "appId": apps[0],
        "appIds": apps,
        "createdAt": one.first,
        "createdByUser": SYSTEM,
        "lastUpdatedAt": one.heard,
        "lastUpdatedByUser": SYSTEM,
        "rootVersionId": one.id,
        "stableVersionId": one.id,
        "group": {"id": "", "name": one.tag.group if one.tag else "", "color": "", "description": ""},
        "color": "",
        "dirty": False,
        "dailyMergeFirst": day,
        "dailyRollupFirst": day,
        "validThrough": one.last,
    }
    if one.tag is not None:
        return {**common, "isCoreEvent": False, **tag_shape.of(one.tag)}
    match one.kind:
        case "page":
            return {**common, "isCoreEvent": False, "rules": _rules(one.url), "rulesjson": ""}
        case "feature":
            return {**common, "isCoreEvent": False, "appWide": True, "elementPathRules": []}
        case "tracktype":
            return {**common, "isCoreEvent": False, "trackTypeName": one.name, "trackTypeRules": [one.name]}
    return {**common, **_guide(one)}


def _rules(url: str) -> list[dict[str, str]]:
    """The address that the page was first seen at, as a rule."""
    parts = urlsplit(url) if url else None
    if parts is None or not parts.netloc:
        return []
    rule = f"//{parts.netloc}{parts.path}"
    return [{"rule": rule, "parsedRule": f"^https?:{re.escape(rule)}/?([;#?].*)?$", "designerHint": url}]


def _guide(one: Object) -> dict[str, Any]:
    polls = [
        {
            "id": poll.id,
            "question": poll.question,
            "attributes": {"type": poll.type},
            "idResponses": {},
            "numericResponses": list(range(11)) if poll.numeric else [],
            "resetAt": 0,
        }
        for poll in one.polls
    ]
    return {
        "state": "public",
        "launchMethod": "auto",
        "isMultiStep": False,
        "isTraining": False,
        "steps": [],
        "attributes": {"type": "survey", "device": {"type": "desktop"}, "priority": 0},
        "audience": [],
        "polls": polls,
        "publishedAt": one.first,
        "publishedEver": True,
        "recurrence": 0,
        "resetAt": 0,
    }
