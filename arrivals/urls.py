"""Where each address leads: the API for programs, the pages for people."""

from django.urls import include, path

from arrivals.api.arrivals import api, problems

urlpatterns = [
    path("api/v2", problems.not_found),
    path("api/v2/", include((api.urls(), "ninja"), namespace="api-v2")),
    path("", include("arrivals.web.urls")),
]
