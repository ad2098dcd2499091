"""Names that a form suggests. They are a help: a form whose names cannot be read in time comes without them. Blocks."""

import logging

from arrivals.audience import surveys, tags, visitors
from arrivals.errors import CheckTimeout, Unavailable

SECONDS = 2
log = logging.getLogger("arrivals.web")


def names(kind: str) -> list[str]:
    """As ``visitors.names``, and the keys of our surveys that were not answered yet; of the former none where the event
    store does not answer within 2 seconds."""
    keys = [one.key for one in surveys.all_surveys()] if kind == "survey_answered" else []
    try:
        return list(dict.fromkeys([*visitors.names(kind, seconds=SECONDS), *keys]))
    except (CheckTimeout, Unavailable) as error:
        log.warning("No names are suggested: %s", error)
        return keys


def named(kind: str) -> list[str]:
    """The names of pages or features: those of ours, then those that events came with."""
    own = [tag.name for tag in tags.all_tags(kind)]
    return list(dict.fromkeys([*own, *names("page" if kind == "page" else "click")]))


def fields() -> list[str]:
    """As ``visitors.fields``; empty where the event store does not answer within 2 seconds."""
    try:
        return visitors.fields(seconds=SECONDS)
    except (CheckTimeout, Unavailable) as error:
        log.warning("No fields are suggested: %s", error)
        return []
