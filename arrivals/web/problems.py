"""The pages for what went wrong, in the same look as all others."""

from typing import Any

from django.http import HttpRequest, HttpResponse

from arrivals.web.pages import render


def not_found(request: HttpRequest, exception: Any = None) -> HttpResponse:
    return render(
        request, "problem", status=404, title="There is no such page", sentence="The address may be old or mistyped."
    )


def forbidden(request: HttpRequest, exception: Any = None) -> HttpResponse:
    return render(request, "problem", status=403, title="Not for you", sentence="You may not do this.")


def csrf(request: HttpRequest, reason: str = "") -> HttpResponse:
    sentence = "The form was too old or came from another site. Go back, reload the page, and send it again."
    return render(request, "problem", status=403, title="That form cannot be taken", sentence=sentence)


def broken(request: HttpRequest) -> HttpResponse:
    sentence = "Something went wrong inside Arrivals. Nothing half done was kept; the log says what happened."
    return render(request, "problem", status=500, title="That did not work", sentence=sentence)
