"""Trying steps out: done at once, as a run would do them, but nothing waits and nothing is recorded of it as a run."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from arrivals import clock, ids
from arrivals.accounts import workspace
from arrivals.engine import execute, masks, tasks
from arrivals.engine.execute import Running
from arrivals.engine.program import Place, Program
from arrivals.engine.steps import action
from arrivals.engine.steps.contract import Actions, Done, Ended, Later, Outcome, Refused
from arrivals.engine.steps.registry import EXECUTE
from arrivals.engine.store import Claimed
from arrivals.errors import ArrivalsError
from arrivals.workflows import sketches
from arrivals.workflows.sketches import PROBLEM, Sketch

log = logging.getLogger(__name__)
SECONDS = 30.0  # a step has that long
ALL_SECONDS = 90.0  # and all of them together
EXAMPLE = {"code": "example", "message": "An example of an error."}
Db = Callable[..., Awaitable[Any]]


@dataclass(frozen=True)
class Tried:
    """What came of trying one step. ``status``: succeeded, filtered, skipped (a wait), dry (only its inputs were made), failed, or
    unfinished. ``digest``: of the form that it had, empty for an unfinished one."""

    step: str
    status: str
    digest: str = ""
    note: str = ""
    inputs: Any = field(default_factory=dict)
    outputs: Any = None
    error: dict[str, Any] | None = None
    ms: int = 0

    def as_dict(self) -> dict[str, Any]:
        return dict(vars(self))


async def steps(
    sketch: Sketch,
    seen: Mapping[str, Any],
    known: Mapping[str, Any],
    actions: Actions,
    db: Db,
    *,
    only: str = "",
    dry: bool = False,
    workflow: str = "",
) -> list[Tried]:
    """Try the steps of a definition that may be unfinished, in the order in which a run does them; or ``only`` one.

    ``seen`` is what the run's templates see, ``known`` the outputs of earlier tests by step id. In a loop the first item is done,
    and no other. ``dry``: what is felt outside is not done, its inputs are only made. Calls carry keys of their own. Never raises
    for what a step does.
    """
    walk = _Walk(sketch, seen, known, actions, db, dry, workflow)
    if only:
        return [await walk.alone(only)]
    return await walk.all()


class _Walk:
    """One test. ``flow``: as the outputs, but loops have one item at most."""

    def __init__(
        self,
        sketch: Sketch,
        seen: Mapping[str, Any],
        known: Mapping[str, Any],
        actions: Actions,
        db: Db,
        dry: bool,
        workflow: str,
    ) -> None:
        self.program = Program(sketch.definition)
        run = Claimed(ids.new("test"), workflow, 0, 0, "", 0, dict(seen), clock.now())
        self.at = Running(run, self.program, self.program.first(), dict(known), 0, None)
        self.known, self.flow, self.actions, self.db, self.dry = dict(known), dict[str, Any](), actions, db, dry

    async def alone(self, step_id: str) -> Tried:
        """The step, in the first turn of the loops around it, with what earlier tests gave."""
        [number] = [number for number, node in enumerate(self.program.nodes) if node.step["id"] == step_id]
        self.at.place = self.program.first_turn(number)
        return (await self._one())[0]

    async def all(self) -> list[Tried]:
        found: list[Tried] = []
        until = time.monotonic() + ALL_SECONDS
        place: Place | None = self.program.first() if len(self.program) else None
        while place is not None:
            if time.monotonic() > until:
                return [*found, Tried(self._step(place)["id"], "skipped", note="There was no time left to try it.")]
            self.at.place = place
            tried, outcome = await self._one()
            found.append(tried)
            place = self._next(place, tried, outcome)
        return found

    def _next(self, place: Place, tried: Tried, outcome: Outcome | None) -> Place | None:
        step = self._step(place)
        if tried.status in ("failed", "unfinished"):
            if tried.status == "failed" and "on_error" in step:
                self.at.outputs[step["id"]] = self.flow[step["id"]] = {
                    "error": {**(tried.error or {}), "step": step["id"]}
                }
                return self.program.handled(place, self.flow)
            return None
        outputs = tried.outputs if tried.outputs is not None else self.known.get(step["id"]) or {}
        self.at.outputs[step["id"]] = outputs
        self.flow[step["id"]] = {**outputs, "count": min(1, outputs["count"])} if step["type"] == "loop" else outputs
        if isinstance(outcome, Refused):
            return None if self.program.outermost(place) else self.program.closed(place, self.flow)
        return self.program.entered(place, self.flow)

    async def _one(self) -> tuple[Tried, Outcome | None]:
        step, began = self._step(self.at.place), time.monotonic()
        if PROBLEM in step:
            return Tried(step["id"], "unfinished", note=step[PROBLEM]), None
        shown: dict[str, Any] = {}
        outcome: Outcome | None = None
        tried = Tried(step["id"], "failed", sketches.digest(step))
        try:
            seen = self._context()
            if self.dry and tasks.app_of(step):  # it is felt outside
                note = "Nothing was sent; this is what would be."
                return replace(tried, status="dry", inputs=action.previewed(step, seen), note=note), None
            if workspace.stale():  # times are in its zone
                await self.db(workspace.settings)
            call = replace(execute.call(self.at, step, seen, self.actions, self.db), test=True)
            async with asyncio.timeout(SECONDS + 1):
                outcome = await EXECUTE[step["type"]](call, shown)
        except ArrivalsError as error:
            tried = replace(tried, inputs=masks.capped(masks.masked(shown)), error=error.as_dict())
        except TimeoutError:
            tried = replace(
                tried, error={"code": "retryable", "message": f"The step took longer than {SECONDS:.0f} s."}
            )
        except Exception:
            log.exception("The step %s could not be tried.", step["id"])
            tried = replace(
                tried, error={"code": "internal_error", "message": "It broke inside Arrivals; the log says why."}
            )
        else:
            status, note = _told(step, outcome)
            inputs, outputs = masks.capped(outcome.inputs), masks.capped(outcome.outputs)
            tried = replace(tried, status=status, note=note, inputs=inputs, outputs=outputs)
        return replace(tried, ms=round((time.monotonic() - began) * 1000)), outcome

    def _context(self) -> dict[str, Any]:
        seen = execute.context(self.at)
        if "error" in seen and not seen["error"]:
            seen["error"] = EXAMPLE
        return seen

    def _step(self, place: Place) -> Mapping[str, Any]:
        return self.program.nodes[place.number].step


def _told(step: Mapping[str, Any], outcome: Outcome) -> tuple[str, str]:
    """The status of what came of it, and a sentence where there is something to say."""
    match outcome:
        case Refused():
            return "filtered", "It does not let this one through: what comes after it here is not done."
        case Later():
            return "skipped", f"A run waits here until {clock.iso(outcome.due)}; a test does not."
        case Ended():
            return "succeeded", "A run ends here; a test goes on."
        case Done() if step["type"] == "workflow":
            return "skipped", "A test does not start another workflow; this is what it would be given."
        case Done() if step["type"] == "digest":
            return "skipped", "Runs wait here until the digest is released; in a test it holds this entry alone."
        case Done() if step["type"] == "wait":
            return "skipped", "A run waits here; a test does not."
        case Done() if step["type"] == "loop":
            count = outcome.outputs["count"]
            return "succeeded", f"A run does {count} items; a test does the first." if count > 1 else ""
        case Done() if step["type"] == "paths":
            names = outcome.outputs["names"]
            return "succeeded", f"Taken: {', '.join(names)}." if names else "No branch is taken."
    return "succeeded", ""
