"""What each type of step does, by type."""

from arrivals.engine.steps import action, delay, filter, formatter, loop, paths, workflow
from arrivals.engine.steps.contract import Execute

EXECUTE: dict[str, Execute] = {
    "action": action.execute,
    "filter": filter.execute,
    "paths": paths.execute,
    "loop": loop.execute,
    "delay": delay.execute,
    "formatter": formatter.execute,
    "workflow": workflow.execute,
}
