"""All connections, and the apps that take one."""

from django.http import HttpRequest, HttpResponse

from arrivals.apps import connections
from arrivals.web.pages import render, signed_in
from arrivals.workflows import actions


@signed_in
def show(request: HttpRequest) -> HttpResponse:
    apps = actions.catalogue().apps()
    names = {app["id"]: app["name"] for app in apps}
    return render(request, "connections_list", connections=connections.all_connections(), apps=apps, names=names)
