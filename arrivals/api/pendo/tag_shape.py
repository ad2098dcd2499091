"""The rules of pages and features that got their names after the fact, in Pendo's shape."""

import json
import re
from typing import Any

from arrivals.audience import page_rules
from arrivals.audience.models import Feature, Page


def of(tag: Page | Feature) -> dict[str, Any]:
    """What Pendo gives a page (``rules``, ``rulesjson``) or a feature (``elementPathRules``, ``appWide``, ``pageId``)."""
    if isinstance(tag, Page):
        addresses = [_address(one) for one in tag.rules if "url" in one]
        return {"rules": addresses, "rulesjson": json.dumps(tag.rules, ensure_ascii=False)}
    pages = list(dict.fromkeys(one["page"] for one in tag.rules if one.get("page")))
    limited = {"pageId": pages[0]} if pages else {}
    return {"appWide": not pages, "elementPathRules": [_element(one) for one in tag.rules], **limited}


def _address(rule: dict[str, Any]) -> dict[str, str]:
    """``rule`` as it was written, ``parsedRule`` as a regular expression; parameters and titles are in rulesjson only."""
    [(match, text)] = rule["url"].items()
    [parsed] = page_rules.parse([rule])
    pattern = parsed.address.pattern if parsed.address and parsed.address.pattern else re.escape(text)
    shown = f"**{text}**" if match == "contains" else text
    return {"rule": shown, "parsedRule": pattern, "designerHint": text}


def _element(rule: dict[str, Any]) -> str:
    """The selector; a text as Pendo writes it, ``:contains("...")``."""
    said = next(iter(rule.get("text", {}).values()), "")
    return rule.get("selector", "") + (f":contains({json.dumps(said, ensure_ascii=False)})" if said else "")
