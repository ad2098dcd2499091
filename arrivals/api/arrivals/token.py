"""/token: who calls, for the test of a connection."""

from typing import Any
from urllib.parse import urlsplit

from django.http import HttpRequest
from ninja import Router

from arrivals import config
from arrivals.api.arrivals.auth import SCOPED_READ, caller

router = Router()


@router.get("", auth=SCOPED_READ, response=dict[str, Any])
def show_token(request: HttpRequest) -> dict[str, Any]:
    """The caller's name, whether it may write, and `account`: the name of this Arrivals."""
    who = caller(request)
    return {"account": urlsplit(config.current().public_url).netloc, "who": who.who, "write": who.write}
