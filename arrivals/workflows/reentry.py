"""The re-entry policies, as a decision without I/O."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from arrivals.errors import InvalidDefinition

ALLOWED = '"never", "each_return" or {"every_days":N} with N from 1 to 3650'


@dataclass(frozen=True)
class Decision:
    """Whether an arrival runs, and why not in a sentence."""

    run: bool
    reason: str = ""


def parse(data: Any) -> Any:
    """Return a policy as data when it is one. Raises InvalidDefinition."""
    if data in ("never", "each_return"):
        return data
    if isinstance(data, dict) and set(data) == {"every_days"}:
        days = data["every_days"]
        if isinstance(days, int) and not isinstance(days, bool) and 1 <= days <= 3650:
            return data
    raise InvalidDefinition(f"It must be {ALLOWED}.", path="reentry")


def decide(
    policy: Any, *, entry: int, left_before_start: bool, ran_before: bool, last_run_at: datetime | None, now: datetime
) -> Decision:
    """Whether an arrival with this ``entry`` number starts the workflow.

    ``left_before_start``: the member's departure before this entry came before the workflow's activation, so that it was
    not in the snapshot. ``ran_before`` and ``last_run_at``: this workflow's runs for the member.
    """
    if policy == "each_return":
        return Decision(True)
    if isinstance(policy, dict):
        days = policy["every_days"]
        if last_run_at is not None and now - last_run_at < timedelta(days=days):
            return Decision(False, f"It ran for this visitor less than {days} days ago.")
        return Decision(True)
    if ran_before:
        return Decision(False, "It ran for this visitor before.")
    if entry > 1 and not left_before_start:
        return Decision(False, "The visitor was on the report when the workflow was turned on, or has been since.")
    return Decision(True)
