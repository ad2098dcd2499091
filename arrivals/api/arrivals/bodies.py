"""How bodies are read and written: JSON, strictly."""

from typing import Annotated, Any

import orjson
from django.http import HttpRequest
from ninja import Body as JsonBody
from ninja import Schema
from ninja.parser import Parser
from ninja.renderers import BaseRenderer
from pydantic import ConfigDict

NUL = b"\\u0000"
Definition = Annotated[dict[str, Any], JsonBody(...)]  # a body whose own part of the product checks it


class Body(Schema):
    """A body; a field that is not known is refused, since it is a slip of the pen that would be lost."""

    model_config = ConfigDict(extra="forbid")


class StrictParser(Parser):
    """Reads JSON. NaN and unpaired surrogates are no JSON; NUL is, but no store of text takes it."""

    def parse_body(self, request: HttpRequest) -> Any:
        data = orjson.loads(request.body)
        if NUL in request.body and has_nul(data):
            raise ValueError("NUL")
        return data


class Renderer(BaseRenderer):
    """Writes JSON. What is no number (NaN) becomes null."""

    media_type = "application/json"

    def render(self, request: HttpRequest, data: Any, *, response_status: int) -> bytes:
        return orjson.dumps(data, default=str, option=orjson.OPT_NON_STR_KEYS | orjson.OPT_SERIALIZE_NUMPY)


def without(data: dict[str, Any], *read_only: str) -> dict[str, Any]:
    """``data`` without what an answer has and a request need not have, so that an answer may be sent back changed."""
    return {name: value for name, value in data.items() if name not in read_only}


def has_nul(data: Any) -> bool:
    """Whether a text anywhere in JSON data holds NUL."""
    if isinstance(data, str):
        return "\x00" in data
    if isinstance(data, dict):
        return any("\x00" in name or has_nul(value) for name, value in data.items())
    return isinstance(data, list) and any(map(has_nul, data))
