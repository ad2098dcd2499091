"""What of a step is kept in its history: secrets masked, sizes capped."""

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


def _tells(key: str) -> bool:
    name = key.lower()
    return any(part in name for part in NAMES)
