"""What every page's frame needs."""

from typing import Any

from django.http import HttpRequest

from arrivals.accounts.models import Person
from arrivals.engine import notices

NAVIGATION = (
    ("Home", "/"),
    ("Dashboards", "/dashboards"),
    ("Charts", "/charts"),
    ("Segments", "/segments"),
    ("Reports", "/reports"),
    ("Workflows", "/workflows"),
    ("Inbox", "/inbox"),
    ("Visitors", "/visitors"),
    ("Accounts", "/accounts"),
    ("Surveys", "/surveys"),
    ("Pages", "/pages"),
    ("Features", "/features"),
    ("Sources", "/sources"),
    ("Connections", "/connections"),
)


def shell(request: HttpRequest) -> dict[str, Any]:
    """Template context of the frame: the person, the navigation with the present place, and the notice."""
    path = request.path
    here = next(
        (href for _, href in reversed(NAVIGATION) if path == href or (href != "/" and path.startswith(href))), ""
    )
    if path == "/runs" or path.startswith("/runs/"):
        here = "/workflows"
    session = getattr(request, "session", None)
    user = getattr(request, "user", None)
    me = user if isinstance(user, Person) and user.is_authenticated else None
    return {
        "me": me,
        # Parts of a page do not show it.
        "unseen_notices": notices.unseen(me.pk) if me is not None and not request.headers.get("HX-Request") else 0,
        "navigation": NAVIGATION,
        "here": here,
        "in_settings": path.startswith("/settings"),
        "flash": session.pop("flash", None) if session is not None and "flash" in session else None,
    }
