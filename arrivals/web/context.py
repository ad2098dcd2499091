"""What every page's frame needs."""

from typing import Any

from django.http import HttpRequest


def shell(request: HttpRequest) -> dict[str, Any]:
    """Template context of the frame around each page."""
    return {}
