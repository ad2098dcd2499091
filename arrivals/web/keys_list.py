"""Integration keys: made, shown once, rotated, revoked. For admins."""

from datetime import timedelta

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_POST

from arrivals import clock
from arrivals.accounts import audit, key_forms, keys, wrong_keys
from arrivals.accounts.models import IntegrationKey
from arrivals.apps.hook import ending
from arrivals.collect import sources
from arrivals.errors import Invalid
from arrivals.web.pages import admin_only, flash, go, person, render

NEAR = timedelta(days=7)
OVERLAPS = (("1d", "1 day"), ("1h", "1 hour"), ("7d", "7 days"), ("0", "not at all"))


@admin_only
def show(request: HttpRequest) -> HttpResponse:
    """GET lists; POST makes one and shows its secret, this once."""
    if request.method != "POST":
        return _page(request)
    by, form = person(request).email, request.POST
    try:
        key, secret = keys.create(
            form.get("name", ""),
            write=form.get("write") == "on",
            by=by,
            form=form.get("form", key_forms.OURS),
            source_id=_source(form.get("source", "")),
            expires_at=keys.expiry(form.get("expires_at", "")),
        )
    except Invalid as error:
        return _page(request, status=422, error=error, typed=form)
    ends = clock.iso(key.expires_at) if key.expires_at else None
    audit.note(by, "key.create", key.id, name=key.name, write=key.write, source=key.source_id or None, expires_at=ends)
    return _page(request, made=key, secret=secret)


@require_POST
@admin_only
def rotate(request: HttpRequest, key_id: str) -> HttpResponse:
    """Make the successor and show its secret, this once; the old one goes on for the overlap."""
    by, overlap = person(request).email, request.POST.get("overlap", "")
    key, secret = keys.rotate(key_id, overlap=overlap, by=by)
    if not keys.alive(key_id):
        ending.end_of_key(key_id)
    audit.note(by, "key.rotate", key_id, successor=key.id, overlap=overlap)
    return _page(request, made=key, secret=secret, old=keys.get(key_id))


@require_POST
@admin_only
def revoke(request: HttpRequest, key_id: str) -> HttpResponse:
    keys.revoke(key_id)
    ending.end_of_key(key_id)
    audit.note(person(request).email, "key.revoke", key_id)
    flash(request, "The key is revoked; whatever used it is refused from now on.")
    return go("/settings/keys")


def _page(request: HttpRequest, *, status: int = 200, **more: object) -> HttpResponse:
    found = keys.all_keys()
    now = clock.now()
    current = [key for key in found if key.state == key.State.ACTIVE]
    known = sources.all_sources()
    return render(
        request,
        "keys_list",
        status=status,
        current=current,
        past=[key for key in found if key.state != key.State.ACTIVE],
        near=[key for key in current if _ends_within(key, NEAR) and not key.replaced_by],
        still_used=[key for key in current if key.still_used],
        hints={key.id: key.hint for key in found},
        sources=known,
        names={source.id: source.name for source in known},
        regions=key_forms.REGIONS,
        overlaps=OVERLAPS,
        tomorrow=(now + timedelta(days=1)).date().isoformat(),
        latest=(now + keys.LONGEST_LIFE - timedelta(days=1)).date().isoformat(),
        wrong=wrong_keys.last_day(),
        **more,
    )


def _ends_within(key: IntegrationKey, span: timedelta) -> bool:
    return key.expires_at is not None and key.expires_at < clock.now() + span


def _source(given: str) -> str:
    if given and given not in {source.id for source in sources.all_sources()}:
        raise Invalid(f"There is no source {given!r:.60}.", path="source")
    return given
