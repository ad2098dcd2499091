"""Visitors and accounts: those seen last, and the search box of the header."""

from typing import Any

from django.http import HttpRequest, HttpResponse

from arrivals.audience import persons
from arrivals.errors import ArrivalsError, CheckTimeout, Unavailable
from arrivals.web.pages import go, render, signed_in
from arrivals.web.templatetags.arrivals_web import place

LONGEST = 512


@signed_in
def show(request: HttpRequest) -> HttpResponse:
    return _page(request, "visitors")


@signed_in
def accounts(request: HttpRequest) -> HttpResponse:
    return _page(request, "accounts")


@signed_in
def search(request: HttpRequest) -> HttpResponse:
    """What begins with ``q``; straight to the one that is exactly it, or the only one."""
    text = request.GET.get("q", "").strip()[:LONGEST]
    if not text:
        return go("/visitors")
    found = persons.search(text)
    every = [(kind, one) for kind, them in found.items() for one in them]
    exact = [(kind, one) for kind, one in every if one["id"] == text or one["why"].endswith(f" {text}")]
    if len(exact) == 1 or len(every) == 1:
        kind, one = (exact or every)[0]
        return go(place(kind, one["id"]))
    return render(request, "search", q=text, found=found)


def _page(request: HttpRequest, kind: str) -> HttpResponse:
    error: ArrivalsError | None = None
    found: list[dict[str, Any]] = []
    try:
        found = persons.recent() if kind == "visitors" else persons.recent_accounts()
    except (CheckTimeout, Unavailable) as late:
        error = late
    return render(request, "visitors_list", kind=kind, found=found, error=error)
