"""Messages of the built-in inbox: kept once, read. Blocks."""

from typing import Any

from arrivals import clock
from arrivals.apps.models import InboxMessage
from arrivals.audience import cursors
from arrivals.errors import Invalid

MOST = 1000


def keep(*, key: str, channel: str, title: str, text: str, visitor: str) -> str:
    """Keep a message; return its id. The same key again keeps nothing and returns the same id."""
    message, _made = InboxMessage.objects.get_or_create(
        key=key,
        defaults={
            "channel": channel,
            "title": title,
            "text": text,
            "visitor": visitor,
            "run_id": key.partition(":")[0],
        },
    )
    return message.id


def page(*, limit: int = 50, cursor: str = "") -> tuple[list[dict[str, Any]], str | None]:
    """Newest first: id, channel, title, text, visitor, run, at; and the cursor of the next page or None.

    Raises:
        Invalid: a cursor that is not ours, or a limit outside 1..1000.
    """
    if not 1 <= limit <= MOST:
        raise Invalid(f"The limit must be from 1 to {MOST}.", path="limit")
    if cursor and not cursor.startswith("msg_"):
        raise Invalid(cursors.WRONG, path="cursor")
    found = InboxMessage.objects.order_by("-id")
    rows = list((found.filter(id__lt=cursor) if cursor else found)[: limit + 1])
    shown = rows[:limit]
    items = [
        {
            "id": one.id,
            "channel": one.channel,
            "title": one.title,
            "text": one.text,
            "visitor": one.visitor,
            "run": one.run_id,
            "at": clock.iso(one.at),
        }
        for one in shown
    ]
    return items, shown[-1].id if len(rows) > limit else None
