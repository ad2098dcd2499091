"""What every page does: ask who it is, answer refusals in the page's own words, render."""

from collections.abc import Callable
from functools import wraps
from typing import Any
from urllib.parse import urlencode, urlsplit

from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import render as render_template

from arrivals.accounts.models import Person
from arrivals.errors import ArrivalsError, Invalid, NotAllowed, NotFound

View = Callable[..., HttpResponseBase]


def signed_in(view: View) -> View:
    """Only for somebody who is signed in. A refusal that the view lets through becomes a page or a notice."""

    @wraps(view)
    def guarded(request: HttpRequest, *arguments: Any, **named: Any) -> HttpResponseBase:
        if not request.user.is_authenticated or not person(request).is_active:
            if request.headers.get("HX-Request"):
                return HttpResponse(status=401, headers={"HX-Redirect": "/sign-in"})
            return redirect_to_login(request.get_full_path(), "/sign-in")
        try:
            _refuse_nul(request)
            return view(request, *arguments, **named)
        except ArrivalsError as error:
            return refused(request, error)

    return guarded


def admin_only(view: View) -> View:
    """Only for admins."""

    @wraps(view)
    def guarded(request: HttpRequest, *arguments: Any, **named: Any) -> HttpResponseBase:
        if not person(request).is_admin:
            raise NotAllowed("This page is for admins. Ask one of them to do it, or to make you one.")
        return view(request, *arguments, **named)

    return signed_in(guarded)


def person(request: HttpRequest) -> Person:
    """Who is signed in; call it behind ``signed_in``."""
    assert isinstance(request.user, Person)
    return request.user


def render(request: HttpRequest, template: str, *, status: int = 200, **context: Any) -> HttpResponse:
    """A page or a part of one, from templates/web/."""
    return render_template(request, f"web/{template}.html", context, status=status)


def flash(request: HttpRequest, text: str, *, wrong: bool = False) -> None:
    """Say something on top of the next page."""
    request.session["flash"] = {"text": text, "wrong": wrong}


def go(path: str, **query: str) -> HttpResponseRedirect:
    """Redirect after a form was taken."""
    return HttpResponseRedirect(path + (f"?{urlencode(query)}" if query else ""))


def refused(request: HttpRequest, error: ArrivalsError) -> HttpResponseBase:
    """404 and 403 are pages; any other refusal of a form is a notice on the page it came from."""
    if request.headers.get("HX-Request"):
        return render(request, "part_refusal", error=error)
    if request.method == "POST" and not isinstance(error, NotFound | NotAllowed):
        flash(request, str(error), wrong=True)
        return go(_back(request))
    title = {404: "There is no such page", 403: "Not for you"}.get(error.status, "That did not work")
    return render(request, "problem", status=error.status, title=title, sentence=error.message)


def _refuse_nul(request: HttpRequest) -> None:
    """Not every store of text takes the character NUL, and no page needs it. JSON in a form may hold it escaped."""
    if "\x00" in request.path:
        raise NotFound("The address holds the character NUL, which no page has.")
    for values in (request.GET, request.POST):
        for name, given in values.lists():
            if any("\x00" in text or "\\u0000" in text for text in (name, *map(str, given))):
                raise Invalid("It holds the character NUL, which is not allowed.", path=name.replace("\x00", "")[:60])


def _back(request: HttpRequest) -> str:
    """The path of the page that the form was on, of this site only."""
    path = urlsplit(request.headers.get("Referer", "")).path
    return path if path.startswith("/") and not path.startswith("//") else "/"
