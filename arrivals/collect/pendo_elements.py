"""The element of a page that somebody used, as the agent tells it: the element, its parent, and so on up to the body."""

from typing import Any

MOST_CHAIN = 20
LONGEST_TEXT = 60
USED = {"a", "button", "input", "select", "textarea", "label", "option", "summary"}
USED_ROLES = {"button", "link", "menuitem", "tab", "option", "checkbox", "radio", "switch"}
# What stands in these was perhaps typed: their text is never taken.
FILLED = {"input", "textarea", "select", "option"}
# What people give an element so that it can be found again.
MARKS = ("data-arrivals", "data-pendo-id", "data-testid", "data-test", "name")
# The attributes that a piece of the path keeps. None of them holds what somebody typed.
MARKED = ("data-arrivals", "data-pendo-id", "data-testid", "data-test", "name", "role", "type", "aria-label")
MOST_CLASSES = 5
LONGEST_PART = 60


def path(target: Any) -> list[str]:
    """The element and its parents, each ``tag#id.class1.class2[attr=value]``: ``["span", "button#save.big", "body"]``.

    At most 5 classes, and the attributes of ``MARKED``. Never what a field holds. Our own agent adds ``:nth(n)``, the
    index among the siblings of the same tag where it is not 1; this wire does not tell it.
    """
    return [one for one in (_piece(node) for node in _chain(target)) if one]


def text(target: Any) -> str:
    """The visible text of the element that was used, at most 60 characters; empty for fields."""
    chain = _chain(target)
    return _text(chain[: _place(chain) + 1]) if chain else ""


def name(target: Any) -> str:
    """What the element is called: ``button#save``, ``input[name=plan]``, ``button "Save all"`` or ``button.primary``.

    A click on the icon of a button is a click on the button.
    """
    chain = _chain(target)
    if not chain:
        return ""
    place = _place(chain)
    node = chain[place]
    tag, attributes = _tag(node), _attributes(node)
    if node.get("id"):
        return _selector(node)
    mark = next((one for one in MARKS if isinstance(attributes.get(one), str) and attributes[one]), "")
    if mark:
        return f"{tag}[{mark}={attributes[mark][:LONGEST_TEXT]}]"
    said = _text(chain[: place + 1])
    return f'{tag} "{said}"' if said else _selector(node)


def _place(chain: list[dict[str, Any]]) -> int:
    """Where in the chain the element is that is there to be used; the first, where none is."""
    return next((number for number, node in enumerate(chain) if _is_used(node)), 0)


def _text(used: list[dict[str, Any]]) -> str:
    """The text of the last of these, or of what is inside of it."""
    if _tag(used[-1]) in FILLED:
        return ""
    texts = (str(inner.get("txt") or "") for inner in reversed(used))
    return " ".join(next((one for one in texts if one.strip()), "").split())[:LONGEST_TEXT]


def _chain(target: Any) -> list[dict[str, Any]]:
    chain: list[dict[str, Any]] = []
    while isinstance(target, dict) and len(chain) < MOST_CHAIN:
        chain.append(target)
        target = target.get("parentElem")
    return chain


def _is_used(node: dict[str, Any]) -> bool:
    return _tag(node) in USED or _attributes(node).get("role") in USED_ROLES


def _selector(node: dict[str, Any]) -> str:
    attributes = _attributes(node)
    id_ = node.get("id") or attributes.get("id")
    classes = str(node.get("cls") or attributes.get("class") or "").split()
    mark = f"#{id_}" if id_ else "".join(f".{one}" for one in classes[:2])
    return f"{_tag(node)}{mark}"[:120]


def _piece(node: dict[str, Any]) -> str:
    attributes = _attributes(node)
    id_ = _one(node.get("id") or attributes.get("id"))
    classes = str(node.get("cls") or attributes.get("class") or "").split()
    kept = [one for one in classes if len(one) <= LONGEST_PART][:MOST_CLASSES]
    marks = ((mark, _one(attributes.get(mark))) for mark in MARKED)
    told = "".join(f"[{mark}={value}]" for mark, value in marks if value)
    return f"{_tag(node)}{f'#{id_}' if id_ else ''}{''.join(f'.{one}' for one in kept)}{told}"


def _one(value: Any) -> str:
    """A value as it stands in a piece: one line, without the brackets that end it."""
    said = " ".join(str(value).split()) if isinstance(value, str | int) else ""
    return said[:LONGEST_PART].replace("[", "(").replace("]", ")")


def _tag(node: dict[str, Any]) -> str:
    return str(node.get("tag") or "").lower()[:40]


def _attributes(node: dict[str, Any]) -> dict[str, Any]:
    attributes = node.get("attrs")
    return attributes if isinstance(attributes, dict) else {}
