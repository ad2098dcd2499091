"""A workflow's definition as data: what is allowed in it."""

from typing import Any


def validate(definition: Any) -> dict[str, Any]:
    """Return the definition with defaults filled in.

    Raises:
        InvalidDefinition: with the path of the wrong part (``steps[1].inputs.channel``) and what is allowed.
    """
    raise NotImplementedError
