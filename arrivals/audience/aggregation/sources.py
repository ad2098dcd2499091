"""The table of sources: name -> what makes its rows."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from arrivals.audience.aggregation import definitions, events, people, surveys, timeseries
from arrivals.audience.aggregation.building import Builder
from arrivals.audience.aggregation.relations import Relation
from arrivals.audience.aggregation.timeseries import Span
from arrivals.errors import InvalidPipeline

Make = Callable[[Builder, str, Any, Span | None, str], Relation]


@dataclass(frozen=True)
class Source:
    """``timed``: whether a time series chooses among its rows."""

    make: Make
    timed: bool


SOURCES: dict[str, Source] = {
    "visitors": Source(people.visitors, False),
    "accounts": Source(people.accounts, False),
    "features": Source(definitions.named, False),
    "pages": Source(definitions.named, False),
    "trackTypes": Source(definitions.named, False),
    "guides": Source(definitions.guides, False),
    "apps": Source(definitions.apps, False),
    "events": Source(events.counted, True),
    "pageEvents": Source(events.counted, True),
    "featureEvents": Source(events.counted, True),
    "trackEvents": Source(events.counted, True),
    "guideEvents": Source(surveys.guide_events, True),
    "pollEvents": Source(surveys.poll_events, True),
    "guidesSeen": Source(surveys.guides_seen, True),
    "guidesSeenEver": Source(surveys.guides_seen, False),
    "pollsSeen": Source(surveys.polls_seen, True),
    "pollsSeenEver": Source(surveys.polls_seen, False),
    "singleEvents": Source(events.single, True),
    "rawEvents": Source(events.single, True),
    "timespan": Source(events.timespan, True),
    "const": Source(definitions.const, False),
}
SERIES = "timeSeries"


def rows(builder: Builder, data: Any, path: str) -> Relation:
    """The rows of ``{"<source>": parameters, "timeSeries": {...}}``. Without a time series: of all of time.

    Raises:
        InvalidPipeline: with the path of the wrong part; an unknown source is named.
    """
    if not isinstance(data, dict):
        raise InvalidPipeline("It must be an object that names a source.", path=path)
    names = [name for name in data if name in SOURCES]
    if len(names) != 1:
        others = [name for name in data if name != SERIES and name not in SOURCES]
        said = f"There is no source {others[0]!r:.60}" if others and not names else "One source must be named"
        raise InvalidPipeline(f"{said}; allowed are {', '.join(SOURCES)}.", path=path)
    [name] = names
    source, series = SOURCES[name], data.get(SERIES)
    span = timeseries.span(builder, series, f"{path}.{SERIES}") if series is not None else None
    return source.make(builder, name, data[name], span if source.timed else None, f"{path}.{name}")
