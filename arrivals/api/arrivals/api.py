"""The application of /api/v2: routers, keys, errors, and the documents that describe it."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.shortcuts import redirect
from django.urls import URLPattern, path, re_path
from ninja import NinjaAPI, Swagger

from arrivals.api.arrivals import (
    accounts,
    apps,
    auth,
    bodies,
    charts,
    connections,
    dashboards,
    events,
    exports,
    health,
    hooks,
    imports,
    inbox,
    keys,
    lists,
    metrics,
    notices,
    problems,
    recipes,
    reports,
    responses,
    runs,
    search,
    segments,
    sources,
    surveys,
    tags,
    token,
    triggers,
    usage,
    visitors,
    workflow_failures,
    workflow_files,
    workflow_limits,
    workflow_versions,
    workflows,
    workspace,
)
from arrivals.errors import ArrivalsError, NotSignedIn

DOCS = "/docs"


def guarded(view: Callable[..., Any]) -> Callable[..., Any]:
    """The document or the page of the API, for those who may read; a person is led to the sign-in."""

    @wraps(view, assigned=())
    def shown(request: HttpRequest, **values: Any) -> Any:
        try:
            if auth.admitted(request):
                return view(request, **values)
        except ArrivalsError as error:
            return problems.response(error)
        if request.path.endswith(DOCS):
            return redirect(f"{settings.LOGIN_URL}?next={request.path}")
        return problems.response(NotSignedIn("Send an integration key as `Authorization: Bearer arr_...`, or sign in."))

    return shown


api = NinjaAPI(
    title="Arrivals",
    version="2",
    description="Everything the pages can do, for programs. See docs/api.md for cursors, errors and keys.",
    urls_namespace="api-v2",
    auth=auth.WRITE,
    docs=Swagger({"persistAuthorization": False}),
    docs_url=DOCS,
    docs_decorator=guarded,
    parser=bodies.StrictParser(),
    renderer=bodies.Renderer(),
)
problems.install(api)
for name, module in (
    ("sources", sources),
    ("segments", segments),
    ("lists", lists),
    ("reports", reports),
    ("responses", responses),
    ("charts", charts),
    ("dashboards", dashboards),
    ("surveys", surveys),
    ("connections", connections),
    ("workflows", workflow_files),  # before workflows: its addresses are no ids
    ("workflows", workflows),
    ("workflows", workflow_versions),
    ("recipes", recipes),
    ("runs", runs),
    ("inbox", inbox),
    ("notices", notices),
    ("apps", apps),
    ("imports", imports),
    ("exports", exports),
    ("keys", keys),
    ("hooks", hooks),
    ("visitors", visitors),
    ("accounts", accounts),
    ("search", search),
    ("events", events),
    ("token", token),
    ("workspace", workspace),
    ("usage", usage),
    ("health", health),
    ("metrics", metrics),
):
    api.add_router(name, module.router, tags=[name])
api.add_router("workflows", triggers.router, tags=["workflows"])
api.add_router("workflows", workflow_failures.router, tags=["workflows"])
api.add_router("workflows", workflow_limits.router, tags=["workflows"])
api.add_router("pages", tags.pages, tags=["pages"])
api.add_router("features", tags.features, tags=["features"])


def urls() -> list[URLPattern]:
    """Every address below /api/v2/; what leads nowhere is told as a problem."""
    patterns: list[Any] = api.urls[0]
    for pattern in patterns:
        pattern.callback = problems.answered(pattern.callback)
    nowhere = [path("", problems.not_found), re_path(r"^.+$", problems.not_found)]
    return [*patterns[:-1], nowhere[0], patterns[-1], nowhere[1]]
