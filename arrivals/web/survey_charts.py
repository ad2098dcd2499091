"""Where the marks of a survey's charts stand: numbers for inline SVG that needs no script."""

from typing import Any

WIDTH, HEIGHT, BARS = 720.0, 160.0, 56.0
LEAST = {"nps": -100, "csat": 0}


def over_time(kind: str, results: dict[str, Any]) -> dict[str, Any] | None:
    """The score as lines (broken where nobody answered), the responses as bars below; None without any answer.

    ``lines`` are texts of points, ``bars`` rectangles and ``periods`` what each says, over a box of ``width`` times
    ``height`` (``below`` for the bars).
    """
    periods = results["over_time"]
    if not periods:
        return None
    step = WIDTH / len(periods)
    most = max(one["responses"] for one in periods)
    least = LEAST.get(kind, 0)
    lines: list[list[str]] = [[]]
    bars, told = [], []
    for at, one in enumerate(periods):
        middle = step * (at + 0.5)
        if one["score"] is None:
            lines.append([])
        else:
            y = HEIGHT * (1 - (one["score"] - least) / (100 - least))
            lines[-1].append(f"{middle:.1f},{y:.1f}")
        tall = BARS * one["responses"] / most if most else 0
        wide = max(step * 0.7, 0.5)
        bars.append(
            {"x": f"{middle - wide / 2:.2f}", "y": f"{BARS - tall:.2f}", "w": f"{wide:.2f}", "h": f"{tall:.2f}"}
        )
        told.append({**one, "x": f"{step * at:.2f}", "w": f"{step:.2f}"})
    return {
        # A point without neighbours is a line of no length, which its round ends make a dot.
        "lines": [" ".join(one if len(one) > 1 else one * 2) for one in lines if one],
        "bars": bars,
        "periods": told,
        "period": results["period"],
        "width": int(WIDTH),
        "height": int(HEIGHT),
        "below": int(BARS),
        "zero": f"{HEIGHT * (1 + least / (100 - least)):.1f}" if least else "",
        "least": least,
        "most": most,
        "first": periods[0]["from"],
        "last": periods[-1]["from"],
        "scored": kind in LEAST,
    }


def classes(kind: str, results: dict[str, Any]) -> list[dict[str, Any]]:
    """Each class with its number, its share in percent, and where it stands in a bar of 100."""
    total = sum(results["classes"].values())
    shown, at = [], 0.0
    for name, count in results["classes"].items():
        share = 100 * count / total if total else 0.0
        shown.append({"name": name, "count": count, "share": share, "x": f"{at:.2f}", "w": f"{share:.2f}"})
        at += share
    return shown


def distribution(kind: str, results: dict[str, Any]) -> list[dict[str, Any]]:
    """Each value with its number, its share in percent, and the length of its bar in percent of the longest."""
    values = results["distribution"]
    total, most = sum(one["count"] for one in values), max((one["count"] for one in values), default=0)
    return [
        {
            **one,
            "share": 100 * one["count"] / total if total else 0.0,
            "w": f"{100 * one['count'] / most if most else 0:.2f}",
        }
        for one in values
    ]
