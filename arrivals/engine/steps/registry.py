"""What each type of step does, by type."""

from arrivals.engine.steps import action, delay, filter, loop, paths, wait, workflow
from arrivals.engine.steps.contract import Execute

EXECUTE: dict[str, Execute] = {
    "action": action.execute,
    "filter": filter.execute,
    "paths": paths.execute,
    "loop": loop.execute,
    "delay": delay.execute,
    "wait": wait.execute,
    "workflow": workflow.execute,
}
