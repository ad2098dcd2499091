"""What a type of step is to a definition."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Step = dict[str, Any]
# Checks the list under a path as steps of their own block, and returns them with defaults filled in.
Nested = Callable[[Any, str], list[Step]]


def no_blocks(step: Mapping[str, Any]) -> list[Sequence[Step]]:
    """Most steps hold no others."""
    return []


@dataclass(frozen=True)
class StepType:
    """A type of step.

    ``keys``: what it may have beside id, type, name, on_error; ``need``: those that must be there. ``check`` takes the step, its
    path and ``Nested``, raises InvalidDefinition, and returns those keys with defaults filled in. ``blocks`` gives the lists of
    steps inside it, in their order. ``handles``: whether it may have an error branch (``on_error``).
    """

    id: str
    keys: tuple[str, ...]
    need: tuple[str, ...]
    check: Callable[[Step, str, Nested], Step]
    blocks: Callable[[Mapping[str, Any]], list[Sequence[Step]]] = field(default=no_blocks)
    handles: bool = True
