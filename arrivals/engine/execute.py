"""One step of one run: what it sees, what it did, and where the run is then."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from arrivals import clock
from arrivals.accounts import workspace
from arrivals.engine import endings, masks, program, retry, tasks
from arrivals.engine.program import Place, Program
from arrivals.engine.steps import loop
from arrivals.engine.steps.contract import Actions, Also, Call, Done, Ended, Later, Outcome, Refused
from arrivals.engine.steps.registry import EXECUTE
from arrivals.engine.store import Claimed, Settled
from arrivals.errors import AppError, ArrivalsError, AuthorisationExpired, Busy, Permanent, Retryable
from arrivals.workflows import links


@dataclass
class Running:
    """A claimed run on its way: where it is, and the outputs of the steps that it has done (by step id)."""

    run: Claimed
    program: Program
    place: Place
    outputs: dict[str, Any]
    tries: int  # of the step at ``place``, that counted
    waited: Mapping[str, Any] | None  # what the step at ``place`` told when it asked to be done again
    done: int = 0
    links: Mapping[str, str] = field(init=False)

    def __post_init__(self) -> None:
        self.links = links.of(self.run.id, self.run.input)


def begin(run: Claimed, definition: Program) -> Running:
    """Take up a run where its history says it is."""
    place = Place(run.step, program.read(run.turn))
    outputs: dict[str, Any] = {}
    waited = None
    for number, turn, step, status, value in run.history:
        if status == "delayed" and number == place.number and turn == run.turn:
            waited = value or {}
        elif status != "delayed" and place.turn[: len(program.read(turn))] == program.read(turn):
            outputs[step] = value
    return Running(run, definition, place, outputs, run.tries, waited, len(run.history))


def context(at: Running) -> dict[str, Any]:
    """What the templates of the step at ``at.place`` see."""
    run = at.run
    seen = {**run.input, "links": at.links, "steps": at.outputs}
    turns = list(at.place.turn)
    for number, block in at.program.around(at.place):
        node = at.program.nodes[number]
        if at.program.handling(number, block):
            seen["error"] = (at.outputs.get(node.step["id"]) or {}).get("error")
        elif node.step["type"] == "loop":
            seen["loop"] = loop.seen(node.step, seen, turns.pop(0))
    return seen


async def step(at: Running, actions: Actions, db: Callable[..., Awaitable[Any]]) -> Settled:
    """Do the step at ``at.place`` once, and move ``at`` on to where the run goes then.

    Never raises for what the step does: an error becomes part of what is returned.
    """
    data = at.program.nodes[at.place.number].step
    began = clock.now()
    shown: dict[str, Any] = {}
    if workspace.stale():  # times in templates, conditions and delays are in its zone
        await db(workspace.settings)
    try:
        if at.done >= program.MOST_DONE:
            raise Permanent(f"A run has at most {program.MOST_DONE:,} steps; loops inside loops made more.")
        outcome = await EXECUTE[data["type"]](call(at, data, context(at), actions, db), shown)
    except Busy as busy:
        due = clock.now() + timedelta(seconds=busy.retry_after or 0)
        return put_off(at, "scheduled", due=due, connection=data.get("connection") or "", error=busy.as_dict())
    except ArrivalsError as error:
        told = await _failed(at, data, shown, error, began, actions)
    else:
        told = _settled(at, data, outcome, began)
    return endings.following(at.run, told)


def put_off(at: Running, state: str, *, due: datetime | None = None, held_for: str = "", **more: Any) -> Settled:
    """The run stays where it is, and nothing was tried: it is held, or goes on when it is due."""
    now = clock.now()
    told = _told(at, at.program.nodes[at.place.number].step, now, now, inputs={}, outputs=None)
    return replace(told, number=-1, state=state, due=due, held_for=held_for, counted=at.tries, **more)


def call(
    at: Running, data: Mapping[str, Any], seen: Mapping[str, Any], actions: Actions, db: Callable[..., Awaitable[Any]]
) -> Call:
    turn = program.written(at.place.turn)
    key = f"{at.run.id}:{data['id']}" + (f":{turn}" if turn else "")
    return Call(at.run.id, at.run.workflow, at.run.version, at.place, data, seen, key, actions, db, at.waited)


def _settled(at: Running, data: Mapping[str, Any], outcome: Outcome, began: datetime) -> Settled:
    ended = clock.now()
    outputs = outcome.outputs
    also = outcome.also if isinstance(outcome, Done | Later | Ended) else None
    told = _told(at, data, began, ended, inputs=masks.capped(outcome.inputs), outputs=outputs, also=also)
    if isinstance(outcome, Later) and outcome.again:
        told.status, told.state, told.due = "delayed", "delayed", outcome.due
        return told
    if isinstance(outcome, Done):
        told.app = tasks.app_of(data)
    at.outputs[data["id"]] = outputs
    if isinstance(outcome, Ended):
        told.state, told.next_step, told.next_turn = "succeeded", len(at.program), ""
        return told
    if isinstance(outcome, Refused):
        told.status = "filtered"
        if at.program.outermost(at.place):
            told.state, told.next_step = "filtered", at.place.number + 1
            return told
        return _moved(at, told, at.program.closed(at.place, at.outputs))
    told = _moved(at, told, at.program.entered(at.place, at.outputs))
    if isinstance(outcome, Later) and not told.over:
        told.state, told.due = "delayed", outcome.due
    return told


def _moved(at: Running, told: Settled, place: Place | None) -> Settled:
    """Put the run at ``place``, or at its end; returns ``told``, changed."""
    at.tries, at.waited = 0, None
    at.done += 1
    if place is None:
        told.state, told.next_step, told.next_turn = "succeeded", len(at.program), ""
    else:
        at.place = place
        told.state, told.next_step, told.next_turn = "running", place.number, program.written(place.turn)
    return told


async def _failed(
    at: Running, data: Mapping[str, Any], shown: dict[str, Any], error: ArrivalsError, began: datetime, actions: Actions
) -> Settled:
    kind = type(error) if isinstance(error, AppError) else Permanent if error.permanent else Retryable
    sentence = masks.message(error.message, masks.secrets(shown))
    known = kind(sentence, path=masks.message(error.path), retry_after=error.retry_after)
    connection = data.get("connection") or ""
    if isinstance(known, AuthorisationExpired):
        if connection:
            await actions.mark_stale(connection, known.message)
        else:  # nothing that could be reconnected, so nothing to be held for
            known = Permanent(known.message, path=known.path)
    now = clock.now()
    verdict = retry.after(known, tries=at.tries + 1, started_at=at.run.started_at, now=now)
    branch = data.get("on_error")
    kept = masks.capped(masks.masked(shown))
    told = _told(at, data, began, now, inputs=kept, outputs=None, error=known.as_dict())
    if branch and (verdict.state == "failed" or (verdict.status == "scheduled" and not branch["tries"])):
        outputs = {"error": {**known.as_dict(), "step": data["id"]}}
        at.outputs[data["id"]] = outputs
        return _moved(at, replace(told, status="handled", outputs=outputs), at.program.handled(at.place, at.outputs))
    held = verdict.state == "held"
    return replace(
        told,
        status=verdict.status,
        state=verdict.state,
        counted=verdict.tries,
        due=verdict.due,
        connection=connection if held else "",
        held_for="connection" if held else "",
    )


def _told(
    at: Running,
    data: Mapping[str, Any],
    began: datetime,
    ended: datetime,
    *,
    inputs: Any,
    outputs: Any,
    error: dict[str, Any] | None = None,
    also: Also | None = None,
) -> Settled:
    """What is known before it is known where the run goes on: it stays where it is."""
    turn = program.written(at.place.turn)
    return Settled(
        at.run.id, at.place.number, turn, data["id"], "succeeded", 1, inputs, outputs, error, began, ended,
        "running", at.place.number, turn, 0, None, also=also, workflow=at.run.workflow,
    )  # fmt: skip
