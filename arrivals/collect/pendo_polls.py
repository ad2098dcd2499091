"""An answer to a poll of Pendo's agent, as the parts of a survey's answer."""

from collections.abc import Mapping
from typing import Any

# Parts of poll types, in small letters: what is said in words, and what is one of several choices.
WORDS = ("reason", "free", "text")
CHOICES = ("pick", "choice", "select", "yesno", "positivenegative", "dropdown")
RATINGS = ("rating", "scale")


def answer(props: Mapping[str, Any]) -> dict[str, Any]:
    """The properties of an answer: ``response`` as it was sent, and ``score`` or ``reason`` where it is one.

    The type of the poll decides. Without one, a number from 0 to 10 is a score, and a text a reason. A choice is told by
    its number or id, which is neither.
    """
    given = props.get("poll_response")
    kind = str(props.get("poll_type") or "").lower()
    kept = {key: value for key, value in props.items() if key != "poll_response" and value is not None}
    number = _number(given)
    if any(one in kind for one in WORDS):
        return {**kept, "response": given, **({"reason": str(given)} if _is_plain(given) else {})}
    kept["response"] = given if number is None else number
    if any(one in kind for one in CHOICES):
        return kept
    rated = any(one in kind for one in RATINGS)
    if number is not None and (rated or 0 <= number <= 10):
        kept["score"] = number
    elif isinstance(given, str) and not rated:
        kept["reason"] = given
    return kept


def _number(given: Any) -> int | float | None:
    if isinstance(given, bool):
        return None
    if isinstance(given, str) and given.strip().isdecimal() and len(given.strip()) <= 3:
        return int(given)  # some agents send the number as they read it from the page
    return given if isinstance(given, int | float) else None


def _is_plain(given: Any) -> bool:
    return isinstance(given, str | int | float) and not isinstance(given, bool) and given != ""
