"""Whose turn it is: which surveys a visitor may be shown now. Blocks; what it reads lies under one visitor's key."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from arrivals.audience import person, segments
from arrivals.audience.models import Survey
from arrivals.errors import CheckTimeout, InvalidRules
from arrivals.warehouse import client

SECONDS = 5.0  # for each segment
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Past:
    """When a survey was last shown to somebody, and last answered (aware UTC); None: never."""

    shown: datetime | None
    answered: datetime | None


def of(surveys: Sequence[Survey], *, visitor: str, anonymous: str, now: datetime) -> list[Survey]:
    """Those of ``surveys`` that the visitor may be shown at ``now``, in their order.

    ``visitor`` is the id of somebody identified ("" before that), ``anonymous`` the id of their browser. A survey is
    left out when it is for those identified only and nobody is, when it is too early for it, or when the visitor is not
    in its segment; also when that could not be found out in time, since a survey may as well come later.
    """
    first, second = (visitor, anonymous) if visitor else (anonymous, "")
    open_ = [one for one in surveys if visitor or (anonymous and one.definition["anonymous"])]
    if not open_:
        return []
    keys = person.keys_of(first, second)
    past = pasts(keys)
    due = [one for one in open_ if is_due(one, past, now)]
    asked = list({one.segment_id: one.segment for one in due if one.segment is not None}.values())
    inside: set[str | None] = {None}
    for segment in asked:
        try:
            if segments.holds(segment, keys, seconds=SECONDS):
                inside.add(segment.id)
        except (CheckTimeout, InvalidRules) as error:
            log.warning("Whether a visitor is in the segment %s could not be asked: %s", segment.id, error)
    return [one for one in due if one.segment_id in inside]


def is_due(survey: Survey, past: dict[str, Past], now: datetime) -> bool:
    """Whether it may be shown again at ``now``, from when each survey was shown to and answered by somebody.

    1. Once answered: never again, or after ``again_days``.
    2. Once shown (or answered): after ``recontact_days``.
    3. ``quiet_days`` after any other survey was shown.
    """
    definition = survey.definition
    own = past.get(survey.key, Past(None, None))
    if own.answered is not None:
        again = definition["again_days"]
        if again is None or now < own.answered + timedelta(days=again):
            return False
    latest = max((one for one in (own.shown, own.answered) if one is not None), default=None)
    if latest is not None and now < latest + timedelta(days=definition["recontact_days"]):
        return False
    quiet = timedelta(days=definition["quiet_days"])
    others = (one.shown for key, one in past.items() if key != survey.key and one.shown is not None)
    return not quiet or all(now >= shown + quiet for shown in others)


def pasts(keys: Sequence[int]) -> dict[str, Past]:
    """By the survey's key, when it was shown to the visitor with these keys and answered."""
    rows = client.warehouse().query(
        "SELECT name, maxOrNullIf(ts, kind = 'survey_shown'), maxOrNullIf(ts, kind = 'survey_answered') FROM events "
        "WHERE visitor IN {keys:Array(UInt64)} AND kind IN ('survey_shown', 'survey_answered') GROUP BY name",
        {"keys": list(keys)},
    )
    return {str(name): Past(shown, answered) for name, shown, answered in rows}
