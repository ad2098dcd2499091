"""Answers to a survey: what an event of one says, and which reason belongs to which score.

A survey's answers may come as one event with score and reason (the tracking API) or as one event for each question
(Pendo's agent: first the score, then the reason).
"""

from datetime import timedelta

from arrivals.audience import metadata
from arrivals.audience.compiler import Compiler

PROMOTER, PASSIVE = 9, 7  # a score from here on; below is a detractor (Reichheld 2003)
PATIENCE = timedelta(hours=1)  # a reason given later than this after a score is not that score's


def nps_class(score: str | None) -> str | None:
    """promoter (9-10), passive (7-8) or detractor (0-6), of a score as text."""
    number = metadata.number(score)
    if not isinstance(number, int | float):
        return None
    return "promoter" if number >= PROMOTER else "passive" if number >= PASSIVE else "detractor"


def said(query: Compiler, name: str, matching: str = "1") -> str:
    """The text of an answer's property where ``matching`` holds, NULL where it is missing or empty."""
    # if(): only the events that match are looked into.
    return f"if({matching}, nullIf({query.property(name)}, ''), NULL)"


def newest(query: Compiler, survey: str, part: str) -> str:
    """An aggregate over one visitor's events: a part (score, reason, class, at) of the newest answer.

    The newest score counts, with the newest reason at or after it, if any. Without any score it is the newest reason.
    """
    matching = query.matching("survey", survey, ())
    score = said(query, "score", matching)
    scored = f"maxIf(ts, {score} IS NOT NULL)"
    if part == "at":
        return f"coalesce(maxOrNullIf(ts, {score} IS NOT NULL), maxOrNullIf(ts, {matching}))"
    if part == "reason":
        reason = said(query, "reason", matching)
        last = f"argMaxIf(tuple({reason}), ts, {reason} IS NOT NULL).1"
        return f"if(maxIf(ts, {reason} IS NOT NULL) >= {scored}, {last}, NULL)"
    return f"argMaxIf(tuple({score}), ts, {score} IS NOT NULL).1"
