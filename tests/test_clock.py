"""Times and durations."""

import pytest

from arrivals import clock


@pytest.mark.parametrize(("text", "seconds"), [("1m", 60), ("12h", 43_200), ("30d", 2_592_000)])
def test_a_duration_is_a_number_and_a_unit(text: str, seconds: int) -> None:
    assert clock.duration(text).total_seconds() == seconds


@pytest.mark.parametrize("text", ["", "d", "0d", "-1d", "1.5h", "1w", "4000d", "１d", "1 d"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not"):
        clock.duration(text)


def test_a_bare_date_is_midnight_in_utc() -> None:
    assert clock.iso(clock.parse("2026-11-24")) == "2026-11-24T00:00:00.000Z"
