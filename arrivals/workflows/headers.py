"""Names of HTTP headers in definitions."""

import re
from typing import Any

from arrivals.errors import InvalidDefinition

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,99}")


def name(value: Any, path: str) -> str:
    """The name of a header as it is written. Raises InvalidDefinition."""
    if not isinstance(value, str) or not NAME.fullmatch(value.strip()):
        raise InvalidDefinition("It must be the name of a header, such as X-Signature.", path=path)
    return value.strip()
