"""One's own password, and when notices come by mail."""

from django.contrib.auth import update_session_auth_hash
from django.http import HttpRequest, HttpResponse

from arrivals.accounts import audit, people
from arrivals.engine import mails, notices
from arrivals.errors import Invalid
from arrivals.web.pages import flash, go, person, render, signed_in


@signed_in
def show(request: HttpRequest) -> HttpResponse:
    """GET shows the form, POST sets a password; other sessions of this person end."""
    if request.method != "POST":
        return render(request, "people_me", when=notices.choice(person(request).pk), mailed=mails.ready())
    try:
        if request.POST.get("password") != request.POST.get("again"):
            raise Invalid("The two passwords differ.", path="again")
        changed = people.set_password(person(request).id, request.POST.get("password", ""))
    except Invalid as error:
        when = notices.choice(person(request).pk)
        return render(request, "people_me", status=422, error=error, when=when, mailed=mails.ready())
    update_session_auth_hash(request, changed)
    audit.note(changed.email, "person.password", changed.id)
    flash(request, "Your password is changed.")
    return go("/settings/me")
