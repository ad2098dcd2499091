"""What became of a run, in a sentence. Blocks."""

from arrivals import clock
from arrivals.engine.models import Run, StepRun
from arrivals.workflows import actions

HELD = {
    Run.HeldFor.TASKS: "the tasks of this month are used up",
    Run.HeldFor.FLOOD: "more came at once than run without a person's word, so it waits to be released or discarded",
}


def of(run: Run) -> str:
    """One sentence about a run, by its state: where it is, what it waits for, or how and at which step it ended."""
    last = StepRun.objects.filter(run=run).order_by("-id").first()
    at = f" at step {last.step}" if last else ""
    error = run.error or (last.error if last else None) or {}
    said = f": {str(error['message']).rstrip('.')}" if error.get("message") else ""
    match run.state:
        case Run.State.WAITING:
            return "Its run is about to begin." if run.started_at is None else "Its run is about to go on."
        case Run.State.RUNNING:
            return "Its run is under way."
        case Run.State.DELAYED:
            return f"Its run waits{at}{f' until {clock.minute(run.due)}' if run.due else ''}."
        case Run.State.SCHEDULED:
            return f"Its run failed{at}{said}; it is tried again{f' at {clock.minute(run.due)}' if run.due else ''}."
        case Run.State.HELD:
            return f"Its run is held{at}: {_held(run)}."
        case Run.State.FILTERED:
            return f"Its run ended{at}: the conditions of that filter did not hold."
        case Run.State.HALTED:
            return f"Its run was stopped{at}{said}."
        case Run.State.FAILED:
            return f"Its run failed{at}{said}."
        case Run.State.CANCELLED:
            return "Its run was cancelled by somebody."
        case _:
            return "Its run went to its end."


def _held(run: Run) -> str:
    if run.held_for in HELD:
        return HELD[Run.HeldFor(run.held_for)]
    names = {one["id"]: one["name"] for one in actions.catalogue().connections()}
    name = f"the connection “{names[run.connection_id]}”" if run.connection_id in names else "its connection"
    return f"{name} is no longer accepted, and must be reconnected"
