"""All connections, and the apps that take one."""

from django.http import HttpRequest, HttpResponse

from arrivals.apps import connections
from arrivals.apps.hook import ending
from arrivals.web.pages import render, signed_in
from arrivals.workflows import actions


@signed_in
def show(request: HttpRequest) -> HttpResponse:
    apps = actions.catalogue().apps()
    offered = [app for app in apps if app["auth"] and app["id"] != ending.APP]  # who subscribes makes those
    names = {app["id"]: app["name"] for app in apps}
    return render(request, "connections_list", connections=connections.all_connections(), apps=offered, names=names)
