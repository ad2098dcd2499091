"""What people should know of, for whoever is signed in; and when they want mails about it."""

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_POST

from arrivals.accounts import audit
from arrivals.engine import mails, notices
from arrivals.web.pages import flash, go, person, render, signed_in


@signed_in
def show(request: HttpRequest) -> HttpResponse:
    me = person(request).pk
    found, next_ = notices.page(me, cursor=request.GET.get("cursor", ""))
    return render(
        request,
        "notices_list",
        notices=found,
        next=next_,
        unseen=notices.unseen(me),
        when=notices.choice(me),
        mailed=mails.ready(),
    )


@require_POST
@signed_in
def seen(request: HttpRequest) -> HttpResponse:
    """One notice, or all of them."""
    notices.seen(person(request).pk, request.POST.get("id", ""))
    return go("/notices")


@require_POST
@signed_in
def choose(request: HttpRequest) -> HttpResponse:
    """When mails come."""
    me = person(request)
    when = notices.choose(me.pk, request.POST.get("when", ""))
    audit.note(me.email, "person.notices", me.pk, when=when)
    flash(request, "Saved.")
    return go("/settings/me")
