"""What every page's frame needs."""

from typing import Any

from django.http import HttpRequest

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
    if path.startswith("/runs/"):
        here = "/workflows"
    session = getattr(request, "session", None)
    user = getattr(request, "user", None)
    return {
        "me": user if user is not None and user.is_authenticated else None,
        "navigation": NAVIGATION,
        "here": here,
        "in_settings": path.startswith("/settings"),
        "flash": session.pop("flash", None) if session is not None and "flash" in session else None,
    }
