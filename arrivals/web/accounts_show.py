"""One account: metadata, its visitors, what they did, reports and runs."""

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_POST

from arrivals.audience import accounts, persons
from arrivals.audience.models import Report
from arrivals.engine import why
from arrivals.watch import memberships
from arrivals.web.pages import render, signed_in
from arrivals.web.visitors_show import LATELY, METRICS, PER_PAGE, chosen, erased, lines, named


@signed_in
def show(request: HttpRequest, account_id: str) -> HttpResponse:
    account, key = persons.account(account_id), accounts.key(account_id)
    found = memberships.of("account", [key])
    lately = Report(kind="account", columns=[f"metric.{one}" for one in ("visitors", *METRICS)], **LATELY)
    people, following = persons.visitors(account_id)
    return render(
        request,
        "accounts_show",
        account=account,
        groups=persons.account_fields(account_id),
        metrics=named(accounts.of(lately, {key: account_id})[key].row),
        visitors=people,
        more=following,
        memberships=found,
        workflows=why.of("account", [account_id], [one["report"] for one in found if one["on"]]),
        **lines(request, persons.account_timeline(account_id, kinds=chosen(request), limit=PER_PAGE)),
    )


@signed_in
def timeline(request: HttpRequest, account_id: str) -> HttpResponse:
    """A part: the events of some kinds, from a cursor on."""
    account, cursor = persons.account(account_id), request.GET.get("cursor", "")
    found = persons.account_timeline(account_id, kinds=chosen(request), limit=PER_PAGE, cursor=cursor)
    return render(request, "part_timeline", account=account, **lines(request, found))


@signed_in
def visitors(request: HttpRequest, account_id: str) -> HttpResponse:
    """A part: its visitors, from a cursor on."""
    account = persons.account(account_id)
    people, following = persons.visitors(account_id, cursor=request.GET.get("cursor", ""))
    return render(request, "part_people", account=account, visitors=people, more=following)


@require_POST
@signed_in
def erase(request: HttpRequest, account_id: str) -> HttpResponse:
    return erased(request, "account", persons.account(account_id)["id"])
