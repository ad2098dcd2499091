"""Signing in and out."""

from django.contrib.auth import login, logout
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST

from arrivals.accounts import people
from arrivals.accounts.models import Person
from arrivals.errors import ArrivalsError
from arrivals.web.pages import go, render

BACKEND = "django.contrib.auth.backends.ModelBackend"


def form(request: HttpRequest) -> HttpResponseBase:
    """GET shows the form, POST signs in. After 10 refusals in 15 minutes, an address or a person has to wait."""
    if request.user.is_authenticated:
        return go(_next(request))
    if request.method != "POST":
        return render(request, "sign_in", next=_next(request), anybody=people.anybody())
    email = request.POST.get("email", "")
    try:
        found = people.sign_in(email, request.POST.get("password", ""), address=request.META.get("REMOTE_ADDR", ""))
    except ArrivalsError as error:
        return render(
            request, "sign_in", status=error.status, next=_next(request), email=email, error=error, anybody=True
        )
    return _enter(request, found)


def link(request: HttpRequest, token: str) -> HttpResponseBase:
    """A one-time link: GET shows a button, so that a preview of the link does not use it up; POST signs in."""
    if request.method != "POST":
        return render(request, "sign_in_link")
    try:
        found = people.use_link(token)
    except ArrivalsError as error:
        return render(request, "sign_in", status=error.status, next="/", error=error, anybody=True)
    return _enter(request, found)


@require_POST
def out(request: HttpRequest) -> HttpResponse:
    logout(request)
    return go("/sign-in")


def _enter(request: HttpRequest, found: Person) -> HttpResponse:
    login(request, found, backend=BACKEND)
    return go(_next(request))


def _next(request: HttpRequest) -> str:
    target = request.POST.get("next") or request.GET.get("next") or "/"
    return target if url_has_allowed_host_and_scheme(target, allowed_hosts=None) else "/"
