"""Where a survey is shown: its rules of addresses, and pages of ours that it names. Blocks.

The browser asks the rules, so a page that is named is told by its addresses, as they are at that time.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from arrivals.audience.models import Page, Survey
from arrivals.errors import InvalidSurvey

Rule = dict[str, Any]


def check(pages: Sequence[Rule], before: Sequence[Rule] = ()) -> None:
    """Refuse a page that is not there, or that a browser cannot tell by its address. Those named ``before`` stay: a page
    that was changed since must not keep a survey from being paused. Raises InvalidSurvey."""
    for index, one in enumerate(pages):
        if "page" not in one or one in before:
            continue
        path, page = f"pages[{index}].page", Page.objects.filter(pk=one["page"]).first()
        if page is None:
            raise InvalidSurvey(f"There is no page {one['page']!r:.60}; give the id of one (pag_...).", path=path)
        if len(_addresses(page)) < len(page.rules):
            raise InvalidSurvey(
                f"The page {page.name!r} also asks for parameters or a title; a survey goes by addresses alone.",
                path=path,
            )


def of(surveys: Iterable[Survey]) -> dict[str, Page]:
    """The pages that surveys name, by id, with one question at most."""
    named = {one["page"] for survey in surveys for one in survey.definition["pages"] if "page" in one}
    return Page.objects.in_bulk(named) if named else {}


def told(pages: Sequence[Rule], known: Mapping[str, Page], source_id: str = "") -> list[Rule] | None:
    """The rules of addresses for the browser, none: everywhere. None: nowhere, since the pages that are named are those of
    another source, or have no rule that is an address alone any more. ``source_id`` empty: whatever the source."""
    rules: list[Rule] = []
    for one in pages:
        if "page" not in one:
            rules.append(one)
        elif (page := known.get(one["page"])) and (not source_id or page.source_id in ("", source_id)):
            rules += _addresses(page)
    return None if pages and not rules else rules


def _addresses(page: Page) -> list[Rule]:
    return [rule for rule in page.rules if set(rule) == {"url"}]
