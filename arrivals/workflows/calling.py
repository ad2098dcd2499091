"""Which workflows call which. Blocks."""

from collections.abc import Iterator, Mapping
from typing import Any

from arrivals.errors import InvalidDefinition
from arrivals.workflows import scopes
from arrivals.workflows.models import Workflow

STEP = "workflow"


def called(definition: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The path of each step of a checked definition that calls a workflow, and the id of that."""
    for path, step in scopes.every(definition["steps"]):
        if step["type"] == STEP:
            yield path, step["workflow"]


def refuse_circles(workflow_id: str, definition: Mapping[str, Any]) -> None:
    """Refuse a definition with which a workflow would call itself, by the versions of the others that run now.

    Raises:
        InvalidDefinition: with the path of the step.
    """
    for path, first in called(definition):
        seen, names, open_ = {first}, {first: ""}, [first]
        while open_:
            at = open_.pop()
            if at == workflow_id:
                raise InvalidDefinition(f"It would call itself{names[at]}.", path=f"{path}.workflow")
            found = Workflow.objects.select_related("version").filter(pk=at).first()
            if found is None or found.version is None:
                continue
            for _, further in called(found.version.definition):
                if further not in seen:
                    seen.add(further)
                    names[further] = f"{names[at] or ' by'} {found.name!r:.60}"
                    open_.append(further)
