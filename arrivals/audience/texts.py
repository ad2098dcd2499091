"""A text that is compared in a rule of a page or feature: ``{"is": text}`` or ``{"contains": text}``."""

from dataclasses import dataclass
from typing import Any

from arrivals.audience.binder import Binder
from arrivals.errors import Invalid

LONGEST = 255


@dataclass(frozen=True)
class Text:
    """``op`` is "is" (exactly) or "contains" (whatever the case)."""

    op: str
    value: str


def parse(data: Any, path: str, error: type[Invalid]) -> Text:
    """Read one. Space is taken as captured texts have it: none around, one between words. Raises ``error``."""
    if not isinstance(data, dict) or len(data) != 1 or not set(data) <= {"is", "contains"}:
        raise error('It must be {"is": text} or {"contains": text}.', path=path)
    [(op, value)] = data.items()
    said = " ".join(value.split()) if isinstance(value, str) else ""
    if not 0 < len(said) <= LONGEST or "\x00" in said:
        raise error(f"It must be a text of 1 to {LONGEST} characters.", path=f"{path}.{op}")
    return Text(op, said)


def sql(text: Text, of: str, bind: Binder) -> str:
    """The condition on ``of``, an SQL expression of type String."""
    value = bind.add(text.value, "String")
    return f"{of} = {value}" if text.op == "is" else f"positionCaseInsensitiveUTF8({of}, {value}) > 0"
