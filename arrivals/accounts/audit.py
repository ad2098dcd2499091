"""The audit log: who did what. Blocks."""

from typing import Any


def note(who: str, action: str, subject: str, **details: Any) -> None:
    """Keep one entry, such as ``note(email, "workflow.activate", workflow.id, existing="skip")``."""
    raise NotImplementedError
