"""The built-in inbox."""

from django.http import HttpRequest, HttpResponse

from arrivals.apps import inbox_messages
from arrivals.web.pages import render, signed_in


@signed_in
def show(request: HttpRequest) -> HttpResponse:
    cursor = request.GET.get("cursor", "")
    found, next_ = inbox_messages.page(limit=50, cursor=cursor)
    return render(request, "inbox_list", messages=found, next=next_, cursor=cursor)


@signed_in
def messages(request: HttpRequest) -> HttpResponse:
    """The newest messages, for the page that looks again by itself."""
    found, next_ = inbox_messages.page(limit=50)
    return render(request, "part_messages", messages=found, next=next_)
