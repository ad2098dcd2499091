"""What each type of step does, by type."""

from arrivals.engine.steps import action, delay, digest, filter, find_or_create, formatter, http, loop, paths, workflow
from arrivals.engine.steps.contract import Execute

EXECUTE: dict[str, Execute] = {
    "action": action.execute,
    "filter": filter.execute,
    "paths": paths.execute,
    "loop": loop.execute,
    "delay": delay.execute,
    "formatter": formatter.execute,
    "workflow": workflow.execute,
    "http": http.execute,
    "find_or_create": find_or_create.execute,
    "digest": digest.execute,
}
