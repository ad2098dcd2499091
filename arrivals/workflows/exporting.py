"""A workflow as a file that a person keeps: with the segments and reports that it needs, and names in the place of ids. Blocks."""

import re
from collections.abc import Iterator
from typing import Any

from arrivals.audience import reports, segments
from arrivals.errors import Conflict
from arrivals.workflows import references, workflows, yaml_text
from arrivals.workflows.models import Workflow

MARK = "arrivals"  # the key of a document that says what it is
LONGEST_KEY = 100
REPORT = ("name", "kind", "survey", "segment", "range", "columns")


def text(workflow_id: str) -> str:
    """The YAML of one workflow: the version that runs.

    Raises:
        NotFound: also when its report is private to somebody else. Conflict: a name that it needs is there twice.
    """
    workflow = workflows.get(workflow_id)
    if workflow.version is None:
        raise Conflict("It was never published; publish it first.")
    made = documents(workflow)
    return _head(workflow, made) + yaml_text.write(made)


def documents(workflow: Workflow) -> list[dict[str, Any]]:
    """Segments, reports and the workflow, each after what it needs. Raises as ``text``."""
    definition = workflow.version.definition if workflow.version else {}
    made: dict[str, dict[str, Any]] = {}
    for one in references.of(definition):
        if one.kind == "report":
            _report(one.value, made)
        elif one.kind == "segment":
            _segment(one.value, made)
    own = {MARK: "workflow", "key": key_of(workflow), **references.named(definition)}
    return [*made.values(), own]


def key_of(workflow: Workflow) -> str:
    """Its key, or one made of its name: what a file calls it by, whatever its name becomes."""
    if workflow.key:
        return workflow.key
    taken = {key for key in Workflow.objects.values_list("key", flat=True) if key}
    for id_, name in Workflow.objects.filter(key=None).order_by("id").values_list("id", "name"):
        key = _free(slug(name) or id_, taken)
        if id_ == workflow.pk:
            return key
        taken.add(key)
    return workflow.pk


def slug(name: str) -> str:
    """``NPS: low scores!`` as ``nps-low-scores``."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[: LONGEST_KEY - 5]


def _free(key: str, taken: set[str]) -> str:
    number, free = 2, key
    while free in taken:
        number, free = number + 1, f"{key}-{number}"
    return free


def _report(report_id: str, made: dict[str, dict[str, Any]]) -> None:
    report = reports.get(report_id)
    if report.origin or report_id in made:  # one of a real Pendo is made there
        return
    if report.segment_id:
        _segment(report.segment_id, made)
    data = reports.as_dict(report)
    # The segment is named; columns may name one too.
    made[report_id] = {MARK: "report", **references.named({key: data[key] for key in REPORT if key in data})}


def _segment(segment_id: str, made: dict[str, dict[str, Any]]) -> None:
    if segment_id in made:
        return
    segment = segments.get(segment_id)
    for one in references.of(segment.rules):
        if one.kind == "segment":
            _segment(one.value, made)
    made[segment_id] = {MARK: "segment", "name": segment.name, "rules": references.named(segment.rules)}


def _head(workflow: Workflow, made: list[dict[str, Any]]) -> str:
    """What the file needs that it does not hold, as a comment."""
    held = {(one[MARK], one["name"]) for one in made}
    needs = dict.fromkeys(_needs(made, held))
    lines = [f"# The workflow {workflow.name!r} of Arrivals. Bring it in with: arrivals workflow apply FILE --plan"]
    if needs:
        lines.append(f"# It needs what is not in this file: {', '.join(needs)}.")
    return "".join(f"{re.sub(r'[^ -~¡-퟿]', '?', line)}\n" for line in lines)


def _needs(made: list[dict[str, Any]], held: set[tuple[str, str]]) -> Iterator[str]:
    for document in made:
        for one in references.of({key: value for key, value in document.items() if key not in (MARK, "key", "name")}):
            if (one.kind, one.value) not in held:
                yield one.said()
        survey = document.get("survey") or (document.get("trigger") or {}).get("survey")
        if survey:
            yield f"survey {survey!r:.80}"
