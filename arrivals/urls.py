"""Where each address leads: the API for programs, the pages for people."""

from django.urls import include, path

from arrivals.api.arrivals.api import api

urlpatterns = [
    path("api/v2/", api.urls),
    path("", include("arrivals.web.urls")),
]
