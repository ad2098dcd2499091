"""Where each address leads: the API for programs, the pages for people."""

from django.urls import include, path

from arrivals.api import incoming
from arrivals.api.arrivals import api, picker, problems

urlpatterns = [
    path("api/v2", problems.not_found),
    path("api/v2/", include((api.urls(), "ninja"), namespace="api-v2")),
    path("hooks/<str:token>", incoming.deliver),
    path("picker/look", picker.look),
    path("picker/save", picker.save),
    path("", include("arrivals.api.pendo.urls")),
    path("", include("arrivals.web.urls")),
]

handler403 = "arrivals.web.problems.forbidden"
handler404 = "arrivals.web.problems.not_found"
handler500 = "arrivals.web.problems.broken"
