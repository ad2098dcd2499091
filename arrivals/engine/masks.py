"""What of a step is kept in its history: secrets masked, sizes capped."""

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

import orjson

MASK = "••••"
NAMES = (
    "authorization",
    "token",
    "secret",
    "password",
    "passwd",
    "api_key",
    "apikey",
    "api-key",
    "cookie",
    "signature",
)
MOST_BYTES = 64 * 1024
LONGEST_MESSAGE = 500
SHORTEST_SECRET = 4  # a shorter one would mask half of every sentence
# "Authorization: Bearer x", "token=x", '"api_key": "x"', "https://user:x@host": whatever says that a secret follows.
TELLING = re.compile(
    r"(?i)((?:bearer|basic)\s+|(?:"
    + "|".join(map(re.escape, NAMES))
    + r")[\w-]*[\"']?\s*[:=]\s*[\"']?(?:(?:bearer|basic)\s+)?)"
    r"([^\s\"'&,;}<>]{3,})"
)
USER_INFO = re.compile(r"(://[^\s/:@]*:)[^\s/@]+@")


def masked(inputs: Any, schema: dict[str, Any] | None = None) -> Any:
    """Inputs with every secret replaced: what the schema marks with x-secret, and what a key's name gives away."""
    if isinstance(inputs, dict):
        properties = (schema or {}).get("properties", {})
        return {
            key: MASK
            if value and (properties.get(key, {}).get("x-secret") or _tells(key))
            else masked(value, properties.get(key))
            for key, value in inputs.items()
        }
    if isinstance(inputs, list):
        return [masked(one, (schema or {}).get("items")) for one in inputs]
    return inputs


def capped(value: Any) -> Any:
    """The value, or a note with its beginning where it is larger than 64 KB as JSON."""
    text = orjson.dumps(value, default=str)
    if len(text) <= MOST_BYTES:
        return value
    return {"truncated": True, "bytes": len(text), "beginning": text[:2000].decode("utf-8", "replace")}


def message(text: str, secrets: Iterable[str] = ()) -> str:
    """An error's message as it is kept and shown: one line of at most 500 characters, without ``secrets`` and whatever
    looks like one."""
    for secret in sorted(set(secrets), key=len, reverse=True):
        if len(secret) >= SHORTEST_SECRET:
            text = text.replace(secret, MASK)
    text = text[: LONGEST_MESSAGE * 20].encode("utf-8", "replace").decode()
    text = "".join(mark if mark.isprintable() else " " for mark in text)
    text = " ".join(USER_INFO.sub(rf"\1{MASK}@", TELLING.sub(rf"\1{MASK}", text)).split())
    return text if len(text) <= LONGEST_MESSAGE else f"{text[: LONGEST_MESSAGE - 2]} …"


def secrets(inputs: Any, schema: dict[str, Any] | None = None) -> set[str]:
    """The texts that ``masked`` would replace."""
    if isinstance(inputs, list):
        return {one for item in inputs for one in secrets(item, (schema or {}).get("items"))}
    if not isinstance(inputs, dict):
        return set()
    properties, found = (schema or {}).get("properties", {}), set()
    for key, value in inputs.items():
        if properties.get(key, {}).get("x-secret") or _tells(key):
            found |= {value} if isinstance(value, str) else set()
        else:
            found |= secrets(value, properties.get(key))
    return found


@lru_cache(maxsize=4096)
def _tells(key: str) -> bool:
    name = key.lower()
    return any(part in name for part in NAMES)
