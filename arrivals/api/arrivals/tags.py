"""/pages and /features: names given after the fact."""

from dataclasses import asdict
from typing import Annotated, Any

from django.http import HttpRequest
from ninja import Query, Router, Status

from arrivals.accounts import audit
from arrivals.api.arrivals import pages as listing
from arrivals.api.arrivals.auth import READ, WRITE, caller
from arrivals.api.arrivals.bodies import Body, Definition, without
from arrivals.audience import tag_numbers, tag_suggestions, tags
from arrivals.audience.models import Feature, Page
from arrivals.audience.tag_suggestions import Asked

pages, features = Router(), Router()
Source = Annotated[str, Query("", max_length=40, description="Only events of this source.")]
Search = Annotated[str, Query("", max_length=200, description="Only what has this text in it.")]
READ_ONLY = ("id", "created_at", "updated_at", "usage")


class PreviewBody(Body):
    rules: list[Any]
    source: str | None = None
    when: Any = None


@pages.get("", auth=READ, response=listing.Page)
def list_pages(request: HttpRequest, limit: listing.Limit, cursor: listing.Cursor) -> dict[str, Any]:
    """The pages, newest first."""
    return listing.of(Page.objects.all(), tags.as_dict, limit, cursor)


@pages.post("", auth=WRITE, response={201: dict[str, Any]})
def create_page(request: HttpRequest, definition: Definition) -> Any:
    """Name addresses. It applies to all events at once."""
    return _create(request, "page", definition)


@pages.get("/suggestions", auth=READ, response=dict[str, Any])
def list_page_suggestions(request: HttpRequest, source: Source, search: Search, limit: listing.Limit) -> dict[str, Any]:
    """Addresses that were captured in 30 days, the most frequent first, ids in them as `*`, each with a rule for it."""
    return {"items": tag_suggestions.pages(Asked(source, search, limit))}


@pages.post("/preview", auth=READ, response=dict[str, Any])
def preview_page(request: HttpRequest, body: PreviewBody) -> dict[str, Any]:
    """How many events and visitors rules mean, with examples; of 30 days, or of `when`. Stores nothing."""
    return asdict(tag_numbers.preview("page", body.rules, source=body.source, when=body.when))


@pages.get("/{page_id}", auth=READ, response=dict[str, Any])
def get_page(request: HttpRequest, page_id: str) -> dict[str, Any]:
    """One page, with the numbers of 30 days and what uses it."""
    return _one("page", page_id)


@pages.put("/{page_id}", auth=WRITE, response=dict[str, Any])
def change_page(request: HttpRequest, page_id: str, definition: Definition) -> dict[str, Any]:
    """Put another definition in its place."""
    return _change(request, "page", page_id, definition)


@pages.delete("/{page_id}", auth=WRITE, response={204: None})
def delete_page(request: HttpRequest, page_id: str) -> Any:
    """Delete a page that nothing uses; events stay as they are."""
    return _delete(request, "page", page_id)


@features.get("", auth=READ, response=listing.Page)
def list_features(request: HttpRequest, limit: listing.Limit, cursor: listing.Cursor) -> dict[str, Any]:
    """The features, newest first."""
    return listing.of(Feature.objects.all(), tags.as_dict, limit, cursor)


@features.post("", auth=WRITE, response={201: dict[str, Any]})
def create_feature(request: HttpRequest, definition: Definition) -> Any:
    """Name elements. It applies to all events at once."""
    return _create(request, "feature", definition)


@features.get("/suggestions", auth=READ, response=dict[str, Any])
def list_feature_suggestions(
    request: HttpRequest, source: Source, search: Search, limit: listing.Limit
) -> dict[str, Any]:
    """Elements that were clicked in 30 days, the most frequent first, each with a rule that is proposed for it."""
    return {"items": tag_suggestions.features(Asked(source, search, limit))}


@features.post("/preview", auth=READ, response=dict[str, Any])
def preview_feature(request: HttpRequest, body: PreviewBody) -> dict[str, Any]:
    """How many events and visitors rules mean, with examples; of 30 days, or of `when`. Stores nothing."""
    return asdict(tag_numbers.preview("feature", body.rules, source=body.source, when=body.when))


@features.get("/{feature_id}", auth=READ, response=dict[str, Any])
def get_feature(request: HttpRequest, feature_id: str) -> dict[str, Any]:
    """One feature, with the numbers of 30 days and what uses it."""
    return _one("feature", feature_id)


@features.put("/{feature_id}", auth=WRITE, response=dict[str, Any])
def change_feature(request: HttpRequest, feature_id: str, definition: Definition) -> dict[str, Any]:
    """Put another definition in its place."""
    return _change(request, "feature", feature_id, definition)


@features.delete("/{feature_id}", auth=WRITE, response={204: None})
def delete_feature(request: HttpRequest, feature_id: str) -> Any:
    """Delete a feature that nothing uses; events stay as they are."""
    return _delete(request, "feature", feature_id)


def _one(kind: str, id_: str) -> dict[str, Any]:
    tag = tags.get(kind, id_)
    return {**tags.as_dict(tag), "usage": {**tag_numbers.of(kind, [tag])[tag.id], "used_by": tags.users(tag)}}


def _create(request: HttpRequest, kind: str, definition: dict[str, Any]) -> Any:
    tag = tags.create(kind, definition)
    audit.note(caller(request).who, f"{kind}.create", tag.id, name=tag.name)
    return Status(201, tags.as_dict(tag))


def _change(request: HttpRequest, kind: str, id_: str, definition: dict[str, Any]) -> dict[str, Any]:
    tag = tags.change(kind, id_, without(definition, *READ_ONLY))
    audit.note(caller(request).who, f"{kind}.change", id_, name=tag.name)
    return tags.as_dict(tag)


def _delete(request: HttpRequest, kind: str, id_: str) -> Any:
    tags.delete(kind, id_)
    audit.note(caller(request).who, f"{kind}.delete", id_)
    return Status(204, None)
