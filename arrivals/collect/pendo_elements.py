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


def path(target: Any) -> list[str]:
    """The element and its parents as short selectors: ``["span", "button#save", "body"]``. Never what a field holds."""
    return [one for one in (_selector(node) for node in _chain(target)) if one]


def name(target: Any) -> str:
    """What the element is called: ``button#save``, ``input[name=plan]``, ``button "Save all"`` or ``button.primary``.

    A click on the icon of a button is a click on the button.
    """
    chain = _chain(target)
    if not chain:
        return ""
    place = next((number for number, node in enumerate(chain) if _is_used(node)), 0)
    node = chain[place]
    tag, attributes = _tag(node), _attributes(node)
    if node.get("id"):
        return _selector(node)
    mark = next((one for one in MARKS if isinstance(attributes.get(one), str) and attributes[one]), "")
    if mark:
        return f"{tag}[{mark}={attributes[mark][:LONGEST_TEXT]}]"
    texts = (str(inner.get("txt") or "") for inner in reversed(chain[: place + 1]))
    text = " ".join(next((one for one in texts if one.strip()), "").split())
    if text and tag not in FILLED:
        return f'{tag} "{text[:LONGEST_TEXT]}"'
    return _selector(node)


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


def _tag(node: dict[str, Any]) -> str:
    return str(node.get("tag") or "").lower()[:40]


def _attributes(node: dict[str, Any]) -> dict[str, Any]:
    attributes = node.get("attrs")
    return attributes if isinstance(attributes, dict) else {}
