"""Errors in plain words."""

from collections.abc import Mapping
from typing import Any

MEANINGS = {
    "retryable": "The other product did not answer as it should. This may pass by itself.",
    "throttled": "The other product asked to wait: it was called too often.",
    "permanent": "The other product, or what it was to be sent, does not allow this. Trying again without a change does not help.",
    "halted": "The action asked to stop here. This is no failure.",
    "authorisation_expired": "The credentials of the connection are no longer accepted. Reconnect it, and the run goes on.",
    "internal_error": "Something broke inside Arrivals; its log says what.",
    "discarded": "Somebody discarded it while it was held.",
}


def meaning(error: Mapping[str, Any] | None) -> str:
    """What an error means for whoever reads it; empty where nothing is known beyond its message."""
    return MEANINGS.get((error or {}).get("code", ""), "")


def sentence(error: Mapping[str, Any] | None) -> str:
    """The error's own message, with the part that it is about."""
    told = (error or {}).get("message") or "It failed."
    path = (error or {}).get("path")
    return f"{path}: {told}" if path else str(told)
