"""What a score says, by the kind of its survey. Blocks."""

from collections.abc import Collection

from arrivals.audience import answers, metadata
from arrivals.audience.models import Survey

SATISFIED, NEUTRAL = 4, 3  # a score of CSAT from here on; below is dissatisfied
CLASSES: dict[str, tuple[str, ...]] = {
    "nps": ("promoter", "passive", "detractor"),
    "csat": ("satisfied", "neutral", "dissatisfied"),
    "question": (),
}
# The least and the greatest score of each class.
BOUNDS = {
    "promoter": (9, 10),
    "passive": (7, 8),
    "detractor": (0, 6),
    "satisfied": (4, 5),
    "neutral": (3, 3),
    "dissatisfied": (1, 2),
}


def of(kind: str, score: str | None) -> str | None:
    """The class of a score as text, in a survey of this kind; None where there is none."""
    if kind == "nps":
        return answers.nps_class(score)
    number = metadata.number(score)
    if kind != "csat" or not isinstance(number, int | float):
        return None
    return "satisfied" if number >= SATISFIED else "neutral" if number >= NEUTRAL else "dissatisfied"


def sql(kind: str, score: str) -> str:
    """The same in SQL, of an expression that is a score as text; NULL where there is none."""
    names = CLASSES[kind]
    if not names:
        return "CAST(NULL AS Nullable(String))"
    number = f"toFloat64OrNull({score})"
    tests = ", ".join(f"{number} >= {BOUNDS[name][0]}, '{name}'" for name in names[:-1])
    return f"multiIf({tests}, {number} IS NOT NULL, '{names[-1]}', NULL)"


def kinds(keys: Collection[str]) -> dict[str, str]:
    """The kind of the survey of each key. A key that is no survey of ours (an answer that came by the tracking API) is
    taken for an NPS."""
    known = dict(Survey.objects.filter(key__in=keys).values_list("key", "kind")) if keys else {}
    return {key: known.get(key, "nps") for key in keys}
