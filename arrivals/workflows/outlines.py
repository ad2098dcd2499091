"""Steps in words, as a nested list that a page shows. Blocks no longer than its names take to look up."""

from collections.abc import Mapping, Sequence
from typing import Any

from arrivals.audience import phrases
from arrivals.workflows import actions, scopes
from arrivals.workflows.models import Workflow

UNITS = {"m": "minute", "h": "hour", "d": "day"}


def of(steps: Sequence[Any]) -> list[dict[str, Any]]:
    """For each step ``id``, ``name`` (its id where it has none), ``type``, ``said`` (a sentence), ``inputs`` and ``inside``: a list
    of ``title`` and ``steps`` for each block. Takes steps that may be unfinished."""
    found = [step.get("workflow") for _, step in scopes.every(steps) if step.get("type") == "workflow"]
    called = [one for one in found if isinstance(one, str)]
    names = dict(Workflow.objects.filter(pk__in=called).values_list("pk", "name")) if called else {}
    return _block(steps, {app["id"]: app for app in actions.catalogue().apps()}, names)


def _block(steps: Sequence[Any], apps: Mapping[str, Any], names: Mapping[str, str]) -> list[dict[str, Any]]:
    return [_step(step, apps, names) for step in steps if isinstance(step, Mapping)]


def conditions(groups: Any) -> str:
    """``{{ row.score }} is at most 6 or ..., and ...``."""
    parts = []
    for group in groups if isinstance(groups, list) else []:
        rules = group.get("any") if isinstance(group, Mapping) else None
        parts.append(" or ".join(_condition(one) for one in rules or [] if isinstance(one, Mapping)))
    return ", and ".join(parts) or "…"


def _condition(one: Mapping[str, Any]) -> str:
    value = one.get("value")
    shown = ", ".join(map(str, value)) if isinstance(value, list) else "" if value is None else str(value)
    return f"{one.get('left') or '…'} {phrases.OPERATORS.get(str(one.get('op')), one.get('op'))} {shown}".strip()


def _step(step: Mapping[str, Any], apps: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    inside = []

    def block(steps: Any) -> list[dict[str, Any]]:
        return _block(steps or [], apps, names)

    for index, branch in enumerate(step.get("branches") or []):
        inside.append({"title": _branch(branch, index), "steps": block(branch.get("steps"))})
    if "steps" in step:
        inside.append({"title": "For each item:", "steps": block(step["steps"])})
    if step.get("on_error"):
        then = "go on" if step["on_error"].get("then") == "go_on" else "end the run"
        inside.append({"title": f"If it fails, then {then}:", "steps": block(step["on_error"].get("steps"))})
    return {
        "id": step.get("id", ""),
        "name": step.get("name") or step.get("id", ""),
        "type": step.get("type", ""),
        "said": said(step, apps, names),
        "inputs": step.get("inputs") if step.get("type") in ("action", "workflow") else {},
        "inside": inside,
    }


def _branch(branch: Mapping[str, Any], index: int) -> str:
    name = branch.get("name") or f"Branch {index + 1}"
    if branch.get("always"):
        return f"{name}: always"
    if branch.get("fallback"):
        return f"{name}:" if name.lower() == "otherwise" else f"{name}: otherwise"
    return f"{name}: if {conditions(branch.get('all'))}"


def said(step: Mapping[str, Any], apps: Mapping[str, Any], names: Mapping[str, str]) -> str:
    """What a step does, in a sentence. ``names``: of workflows, by their ids."""
    match step.get("type"):
        case "action":
            app = apps.get(str(step.get("app")), {})
            title = next((one["title"] for one in app.get("actions", ()) if one["id"] == step.get("action")), None)
            return f"{app.get('name', step.get('app'))}: {title or step.get('action')}"
        case "filter":
            return f"Goes on only if {conditions(step.get('all'))}"
        case "paths":
            return "Takes every branch that holds" if step.get("mode") == "all" else "Takes the first branch that holds"
        case "loop":
            over = step.get("over")
            return f"For each of {over if isinstance(over, str) else ', '.join(map(str, over or []))}"
        case "delay":
            return f"Waits {span(step['for'])}" if step.get("for") else f"Waits until {step.get('until')}"
        case "wait":
            event = (step.get("for") or {}).get("event")
            what = _event(event) if event else "leaving the report"
            return f"Waits for {what}, at most {span(step.get('timeout') or '')}"
        case "formatter":
            return f"{step.get('function')} of {step.get('input')}"
        case "digest":
            return f"Collects entries and goes on {_release(step.get('release') or {})}"
        case "http":
            return f"{step.get('method', 'GET')} {step.get('url', '')}"
        case "find_or_create":
            app = apps.get(str(step.get("app")), {}).get("name", step.get("app"))
            return f"{app}: {(step.get('find') or {}).get('action')}, else {(step.get('create') or {}).get('action')}"
        case "workflow":
            waits = " and waits until it is done" if step.get("wait", True) else ""
            called = str(step.get("workflow"))
            return f"Starts the workflow {names.get(called, called)}{waits}"
    return str(step.get("type") or "")


def span(text: str) -> str:
    """ "3d" as "3 days"."""
    number, unit = text[:-1], UNITS.get(text[-1:], "")
    return f"{number} {unit}{'' if number == '1' else 's'}" if unit else text


def _event(rule: Mapping[str, Any]) -> str:
    return str(rule.get("name") or rule.get("survey") or f"an event of the kind {rule.get('kind')}")


def _release(release: Mapping[str, Any]) -> str:
    count = f"at {release['count']} entries" if "count" in release else ""
    if "every" not in release and count:
        return count
    day = f" on {release['on']}" if release.get("on") else ""
    return f"each {release.get('every', 'day')}{day} at {release.get('at', '')}" + (f" or {count}" if count else "")
