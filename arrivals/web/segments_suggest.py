"""What a form about segments suggests while it is filled in: properties and values that were seen, as JSON."""

import logging

from django.http import HttpRequest, JsonResponse

from arrivals.audience import seen
from arrivals.errors import CheckTimeout, Unavailable
from arrivals.web.pages import signed_in

log = logging.getLogger("arrivals.web")


@signed_in
def show(request: HttpRequest) -> JsonResponse:
    """``{"items": [...]}``: values of ``field`` of an ``owner``, values of ``property`` of events, or their properties."""
    kind, name = request.GET.get("kind", "event"), request.GET.get("name") or None
    owner, field, property_ = (request.GET.get(one, "") for one in ("owner", "field", "property"))
    try:
        if field:
            items = seen.of_field(owner, field)
        elif property_:
            items = seen.values(kind, name, property_)
        else:
            items = seen.properties(kind, name)
    except (CheckTimeout, Unavailable) as error:
        log.warning("Nothing is suggested: %s", error)
        items = []
    return JsonResponse({"items": items})
