"""The built-in inbox."""

import asyncio
from typing import Any

from django.db import close_old_connections

from arrivals.apps import inbox_messages
from arrivals.apps.contract import Action, App, Call, schema


async def post_message(call: Call) -> dict[str, Any]:
    """Keep one message; a repeated call keeps none."""
    return {"id": await asyncio.to_thread(_keep, call)}


def _keep(call: Call) -> str:
    close_old_connections()
    try:
        inputs = call.inputs
        return inbox_messages.keep(
            key=call.key,
            channel=inputs.get("channel", "")[:100],
            title=inputs.get("title", "")[:300],
            text=inputs["text"],
            visitor=str((call.context.get("visitor") or {}).get("id") or "")[:512],
        )
    finally:
        close_old_connections()


APP = App(
    id="inbox",
    name="Inbox",
    help="Keeps messages in Arrivals itself, on the page Inbox. Needs no account anywhere.",
    actions=(
        Action(
            id="post_message",
            title="Post a message",
            help="Puts a message into the inbox.",
            schema=schema(
                ("text",),
                channel={
                    "type": "string",
                    "title": "Channel",
                    "description": "A word to sort messages by, such as #nps.",
                },
                title={"type": "string", "title": "Title", "description": "One line above the text."},
                text={"type": "string", "title": "Text", "description": "The message.", "x-widget": "textarea"},
            ),
            run=post_message,
        ),
    ),
)
