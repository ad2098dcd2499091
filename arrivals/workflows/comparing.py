"""What is different between two definitions: in words, field by field, and as lines of JSON. Blocks for names only.

Steps are matched by their ids, so that one that is put before others changes nothing of those.
"""

import difflib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from arrivals.audience.models import Report, Segment
from arrivals.workflows import triggers
from arrivals.workflows.steps.registry import TYPES

SHOWN = 80
BEFORE = 20  # characters that are shown before a difference
PARTS = {
    "name": "Name", "trigger": "Trigger", "reentry": "Re-entry", "concurrency": "Runs at once", "flood": "Flood",
}  # fmt: skip
Definition = Mapping[str, Any]
_GONE = object()


class Names:
    """What reports and segments are called now, asked once each."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}

    def of(self, id_: str) -> str:
        if id_ not in self._known:
            model = Report if id_.startswith("rep_") else Segment
            name = model.objects.filter(pk=id_).values_list("name", flat=True).first()
            self._known[id_] = f"“{name}”" if name else id_
        return self._known[id_]


@dataclass(frozen=True)
class _Placed:
    """A step of a definition: its own fields (nothing of the steps inside it), and the block that it is in."""

    own: dict[str, Any]
    block: tuple[str, str]  # the id of the step around it, and which of that one's blocks; ("", "") outermost
    after: str  # the id of the step before it in its block, "" when it is the first


def between(
    before: Definition, after: Definition, names: Names | None = None, *, labels: tuple[str, str] = ("before", "after")
) -> dict[str, Any]:
    """``same``; ``changes``: a list of ``{"part", "step", "what", "fields", "text"}``; ``text``: only those texts; ``diff``: the
    lines of JSON that differ, as a unified diff, empty when none do.

    ``part``: name, trigger, reentry, concurrency, flood or step (with the step's id). ``what``: added, removed, moved or changed. ``fields``: each
    ``{"path", "before", "after"}``, null where it is not there; of an added or removed step there are none.
    """
    words = names or Names()
    changes = [*_parts(before, after, words), *_steps(before, after)]
    lines = difflib.unified_diff(_json(before), _json(after), *labels, lineterm="")
    return {
        "same": not changes,
        "changes": changes,
        "text": [one["text"] for one in changes],
        "diff": "\n".join(lines),
    }


def fields(before: Any, after: Any, path: str = "") -> Iterator[dict[str, Any]]:
    """The places where two values of JSON differ, the deepest that can be named: ``{"path", "before", "after"}``."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for key in [*before, *(one for one in after if one not in before)]:
            where = f"{path}.{key}" if path else str(key)
            yield from fields(before.get(key, _GONE), after.get(key, _GONE), where)
    elif _are_lists(before, after) and len(before) == len(after):
        for index, (old, new) in enumerate(zip(before, after, strict=True)):
            yield from fields(old, new, f"{path}[{index}]")
    elif before is _GONE or after is _GONE or type(before) is not type(after) or before != after:
        yield {
            "path": path,
            "before": None if before is _GONE else before,
            "after": None if after is _GONE else after,
        }


def words(value: Any) -> str:
    """A value in a sentence: a text in quotation marks, other things as JSON, cut where it is long; nothing for null."""
    if value is None:
        return "nothing"
    text = f"“{value}”" if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 2]}…{'”' if isinstance(value, str) else ''}"


def sentence(one: Mapping[str, Any]) -> str:
    """A changed field in words. Of long texts that begin alike only what comes from the difference on is shown."""
    before, after = one["before"], one["after"]
    if isinstance(before, str) and isinstance(after, str) and max(len(before), len(after)) > SHOWN - 2:
        same = next((at for at, (old, new) in enumerate(zip(before, after, strict=False)) if old != new), SHOWN)
        start = max(0, same - BEFORE)
        before, after = (f"{'…' if start else ''}{text[start:]}" for text in (before, after))
    return f"{one['path']} from {words(before)} to {words(after)}"


def _parts(before: Definition, after: Definition, names: Names) -> Iterator[dict[str, Any]]:
    for part, title in PARTS.items():
        old, new = before.get(part), after.get(part)
        found = list(fields(old, new, part))
        if not found:
            continue
        said = (_trigger(old, names), _trigger(new, names)) if part == "trigger" else (words(old), words(new))
        if said[0] == said[1]:  # the same words for what is not the same
            said = words(old), words(new)
        text = f"{title}: from {said[0]} to {said[1]}."
        yield {"part": part, "step": None, "what": "changed", "fields": found, "text": text}


def _trigger(trigger: Any, names: Names) -> str:
    kind = triggers.KINDS.get(trigger["kind"]) if isinstance(trigger, Mapping) and "kind" in trigger else None
    if kind is None:
        return words(trigger)
    said = kind.words[:1].lower() + kind.words[1:]
    if "report" in trigger:
        return f"{said} {names.of(trigger['report'])}"
    own = {key: value for key, value in trigger.items() if key not in ("kind", "segment")}
    shown = " ".join(words(value) for value in own.values())
    by = f" by {names.of(trigger['segment'])}" if trigger.get("segment") else ""
    return f"{said} {shown}{by}".strip()


def _steps(before: Definition, after: Definition) -> Iterator[dict[str, Any]]:
    old, new = dict(_placed(before.get("steps") or [])), dict(_placed(after.get("steps") or []))
    moved = _moved(old, new)
    for id_ in old:
        if id_ not in new:
            yield _change(id_, "removed", [], f"Step {id_} ({old[id_].own.get('type')}) was removed.")
    for id_, step in new.items():
        where = _where(step)
        if id_ not in old:
            yield _change(id_, "added", [], f"Step {id_} ({step.own.get('type')}) was added {where}.")
            continue
        if id_ in moved:
            yield _change(id_, "moved", [], f"Step {id_} was moved: it is {where} now.")
        found = list(fields(old[id_].own, step.own))
        if found:
            said = "; ".join(sentence(one) for one in found)
            yield _change(id_, "changed", found, f"Step {id_}: {said}.")


def _change(step: str, what: str, found: list[dict[str, Any]], text: str) -> dict[str, Any]:
    return {"part": "step", "step": step, "what": what, "fields": found, "text": text}


def _moved(old: Mapping[str, _Placed], new: Mapping[str, _Placed]) -> set[str]:
    """Those that are in another block, or in another order among those that stayed in it."""
    both = [id_ for id_ in new if id_ in old]
    found = {id_ for id_ in both if old[id_].block != new[id_].block}
    for block in {new[id_].block for id_ in both}:
        stayed = [id_ for id_ in both if new[id_].block == block and id_ not in found]
        was = [id_ for id_ in old if id_ in stayed]
        same = difflib.SequenceMatcher(None, was, stayed, autojunk=False).get_matching_blocks()
        kept = {id_ for one in same for id_ in stayed[one.b : one.b + one.size]}
        found |= set(stayed) - kept
    return found


def _placed(steps: Sequence[Any], block: tuple[str, str] = ("", "")) -> Iterator[tuple[str, _Placed]]:
    """Every step of a checked list by its id, each before those inside it."""
    last = ""
    for number, step in enumerate(steps, start=1):
        if not isinstance(step, Mapping):
            continue
        name, blocks = str(step.get("id") or f"number {number}"), list(_blocks(step))
        yield name, _Placed(_own(step, {id(inside) for _, inside in blocks}), block, last)
        last = name
        for inner, inside in blocks:
            yield from _placed(inside, (name, inner))


def _blocks(step: Mapping[str, Any]) -> Iterator[tuple[str, Sequence[Any]]]:
    """The lists of steps inside a step, each with its name. A draft may be unfinished: what is not there yet has none."""
    kind = TYPES.get(str(step.get("type")))
    try:
        inside = kind.blocks(step) if kind else []
    except (KeyError, TypeError, AttributeError):
        inside = []
    for index, one in enumerate(inside):
        branches = step.get("branches") or []
        yield (f"branch {branches[index].get('name', index + 1)}" if index < len(branches) else "inside", one)
    handler = step.get("on_error")
    if isinstance(handler, Mapping) and isinstance(handler.get("steps"), list):
        yield "if it fails", handler["steps"]


def _own(value: Any, blocks: set[int]) -> Any:
    """A copy without the lists of steps inside."""
    if isinstance(value, Mapping):
        return {key: _own(one, blocks) for key, one in value.items() if id(one) not in blocks}
    return [_own(one, blocks) for one in value] if isinstance(value, list) else value


def _where(step: _Placed) -> str:
    around, name = step.block
    place = f"after {step.after}" if step.after else "at the beginning"
    return f"{place}, in {around} ({name})" if around else place


def _are_lists(before: Any, after: Any) -> bool:
    return isinstance(before, list) and isinstance(after, list)


def _json(definition: Definition) -> list[str]:
    return json.dumps(definition, ensure_ascii=False, indent=2).splitlines()
