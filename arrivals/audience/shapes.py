"""What every definition that comes as data is checked for first: that it is an object, and has no other keys."""

from collections.abc import Collection
from typing import Any

from arrivals.errors import Invalid


def known(data: Any, keys: Collection[str], error: type[Invalid], path: str = "", *, whole: str = "") -> None:
    """Refuse what is no object, or has a key that is not among ``keys``. ``whole`` names an object without a path.

    Raises:
        Invalid: of the class ``error``, with the path of the wrong part and what is allowed.
    """
    if not isinstance(data, dict):
        raise error(f"It must be an object with {', '.join(keys)}.", path=path or whole)
    prefix = "" if whole and not path else f"{path}."
    for name in data:
        if name not in keys:
            raise error(f"{name!r:.60} is not known here; allowed are {', '.join(keys)}.", path=f"{prefix}{name:.60}")
