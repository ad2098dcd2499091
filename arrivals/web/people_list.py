"""People and their roles. For admins."""

import secrets

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_POST

from arrivals import config
from arrivals.accounts import audit, people
from arrivals.errors import Conflict, Invalid
from arrivals.web.pages import admin_only, flash, go, person, render


@admin_only
def show(request: HttpRequest) -> HttpResponse:
    """GET lists; POST adds a person and shows a one-time link for them to sign in with."""
    if request.method != "POST":
        return render(request, "people_list", people=people.all_people())
    email, role = request.POST.get("email", ""), request.POST.get("role", "member")
    try:
        added = people.create(email, password=secrets.token_urlsafe(24), role=role, name=request.POST.get("name", ""))
    except (Invalid, Conflict) as error:
        return render(request, "people_list", status=error.status, people=people.all_people(), error=error, email=email)
    audit.note(person(request).email, "person.create", added.id, email=added.email, role=role)
    link = config.current().public_url + people.link(added, minutes=60 * 24 * 3)
    return render(request, "people_list", people=people.all_people(), added=added, link=link)


@require_POST
@admin_only
def change(request: HttpRequest, person_id: str) -> HttpResponse:
    """Change the role, deactivate, activate, or make a new link."""
    what = request.POST.get("do", "")
    changed = people.get(person_id)
    if what in {"admin", "member"}:
        people.change_role(person_id, what)
    elif what == "deactivate":
        people.deactivate(person_id)
    elif what == "activate":
        people.activate(person_id)
    elif what == "link":
        link = config.current().public_url + people.link(changed, minutes=60 * 24 * 3)
        return render(request, "people_list", people=people.all_people(), added=changed, link=link)
    else:
        raise Invalid("It must be admin, member, deactivate, activate or link.", path="do")
    audit.note(person(request).email, f"person.{what}", person_id, email=changed.email)
    flash(request, f"{changed.email}: done.")
    return go("/settings/people")
