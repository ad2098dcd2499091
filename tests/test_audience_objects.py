"""Pages, features, track types and guides, told from events."""

from datetime import UTC, datetime, timedelta

from arrivals import ids
from arrivals.audience import objects
from arrivals.warehouse.client import Warehouse
from tests import events

AT = datetime(2026, 3, 10, 9, 0, tzinfo=UTC)


def test_an_object_is_known_from_the_first_event_that_names_it(fresh: Warehouse) -> None:
    later = AT + timedelta(days=2)
    events.add(fresh, ("a", "page", "Home", later), ("b", "screen", "Home", AT), ("a", "track", "Home", AT))
    [page] = objects.all_objects("page")
    assert (page.id, page.first, page.last) == (ids.derived("page", "Home"), AT, later)
    assert [one.name for one in objects.all_objects("tracktype")] == ["Home"]
    assert objects.all_objects("feature") == []
    assert objects.all_objects("page", source_id="src_other") == []


def test_a_survey_whose_answers_come_whole_has_a_rating_and_a_reason(fresh: Warehouse) -> None:
    events.add(fresh, ("a", "survey_answered", "nps", AT, {"score": 9, "reason": "good"}))
    [guide] = objects.all_objects("guide")
    assert [(poll.type, poll.numeric) for poll in guide.polls] == [("NPSRating", True), ("NPSReason", False)]
    assert [poll.id for poll in guide.polls] == [ids.derived("poll", f"nps:{part}") for part in ("score", "reason")]


def test_a_guide_of_pendos_agent_keeps_its_own_ids(fresh: Warehouse) -> None:
    about = {"guide_id": "GUIDE"}
    answer = {**about, "poll_id": "WHY", "response": "good", "reason": "good"}
    rating = {**about, "poll_id": "ZZZ", "response": 9, "score": 9}
    events.add(
        fresh,
        ("a", "survey_shown", "GUIDE", AT, about),
        ("a", "survey_answered", "Happy?", AT + timedelta(minutes=1), answer),
        ("a", "survey_answered", "Happy?", AT + timedelta(minutes=1), rating),
    )
    [guide] = objects.all_objects("guide")
    assert (guide.id, guide.name, guide.first) == ("GUIDE", "Happy?", AT)
    assert [(poll.id, poll.type) for poll in guide.polls] == [("ZZZ", "NPSRating"), ("WHY", "NPSReason")]
