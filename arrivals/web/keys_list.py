"""Integration keys: made, shown once, revoked. For admins."""

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_POST

from arrivals.accounts import audit, keys
from arrivals.apps.hook import ending
from arrivals.errors import Invalid
from arrivals.web.pages import admin_only, flash, go, person, render


@admin_only
def show(request: HttpRequest) -> HttpResponse:
    """GET lists; POST makes one and shows its secret, this once."""
    if request.method != "POST":
        return render(request, "keys_list", keys=keys.all_keys())
    by = person(request).email
    try:
        key, secret = keys.create(request.POST.get("name", ""), write=request.POST.get("write") == "on", by=by)
    except Invalid as error:
        return render(request, "keys_list", status=422, keys=keys.all_keys(), error=error)
    audit.note(by, "key.create", key.id, name=key.name, write=key.write)
    return render(request, "keys_list", keys=keys.all_keys(), made=key, secret=secret)


@require_POST
@admin_only
def revoke(request: HttpRequest, key_id: str) -> HttpResponse:
    keys.revoke(key_id)
    ending.end_of_key(key_id)
    audit.note(person(request).email, "key.revoke", key_id)
    flash(request, "The key is revoked; whatever used it is refused from now on.")
    return go("/settings/keys")
