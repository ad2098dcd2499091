"""What one compilation shares: bound values, unused aliases, the moment, whose data may be seen, the periods."""

from dataclasses import dataclass, field
from datetime import datetime

from arrivals.audience.aggregation import limits
from arrivals.audience.aggregation.expressions import Part
from arrivals.audience.aggregation.values import Column, Kind
from arrivals.audience.binder import Binder
from arrivals.collect.models import Source
from arrivals.errors import InvalidPipeline

Path = tuple[Part, ...]


@dataclass
class Builder:
    """``source_id``: the only source whose events may be seen (empty: all). ``period``: which period of a time series
    with one result per period is compiled; ``periods`` holds their beginnings when a source has such a series, and
    ``starts`` the beginnings of all time series."""

    now: datetime
    source_id: str
    linked: bool
    sources: list[Source]
    period: int = 0
    bind: Binder = field(default_factory=lambda: Binder("p_"))
    periods: list[int] | None = None
    starts: list[int] = field(default_factory=list)
    stages: int = 0
    aliases: int = 0

    @property
    def now_ms(self) -> int:
        return round(self.now.timestamp() * 1000)

    def column(self, kind: Kind) -> Column:
        self.aliases += 1
        return Column(f"c{self.aliases}", kind)

    def columns(self, kinds: dict[Path, Kind]) -> dict[Path, Column]:
        return {path: self.column(kind) for path, kind in kinds.items()}

    def text(self, value: str) -> str:
        return self.bind.add(value, "String")

    def count_stage(self, path: str) -> None:
        self.stages += 1
        if self.stages > limits.MOST_STAGES:
            raise InvalidPipeline(f"A body may have {limits.MOST_STAGES} stages.", path=path)

    def iterate(self, starts: list[int], path: str) -> None:
        """Note a time series with one result per period."""
        if self.periods is not None and self.periods != starts:
            raise InvalidPipeline(
                "The sources of one body must have the same periods, where a result is made per period.", path=path
            )
        self.periods = starts
