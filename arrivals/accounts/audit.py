"""The audit log: who did what. Blocks."""

from typing import Any

from arrivals import clock
from arrivals.accounts.models import AuditEntry


def note(who: str, action: str, subject: str, **details: Any) -> None:
    """Keep one entry, such as ``note(email, "workflow.activate", workflow.id, existing="skip")``.

    ``details`` are JSON data and hold no secrets.
    """
    AuditEntry.objects.create(who=who[:254], action=action[:60], subject=subject[:80], details=details)


def recent(*, limit: int = 100) -> list[dict[str, Any]]:
    """The newest entries: at, who, action, subject, details."""
    return [
        {
            "at": clock.iso(entry.at),
            "who": entry.who,
            "action": entry.action,
            "subject": entry.subject,
            "details": entry.details,
        }
        for entry in AuditEntry.objects.order_by("-at", "-pk")[:limit]
    ]
