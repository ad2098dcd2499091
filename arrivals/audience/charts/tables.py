"""A chart's answer as a table: what stands under the drawing, and the CSV. Each number carries the cell of its people."""

import csv as spreadsheet
import io
from dataclasses import dataclass, field
from typing import Any

from arrivals.audience import rows

NOTHING = "(none)"


@dataclass(frozen=True)
class Entry:
    """``cell``: whose people can be opened. ``form``: number, part (of 1), seconds or text. ``note``: beside it."""

    value: Any
    cell: dict[str, Any] | None = None
    form: str = "number"
    note: float | None = None


@dataclass
class Table:
    """``rows`` have an entry for each of ``head``, the first of them a text that names the row."""

    head: list[str]
    rows: list[list[Entry]] = field(default_factory=list)


def of(answer: dict[str, Any]) -> Table:
    """The table of an answer of ``results.of``."""
    return _TABLES[answer["kind"]](answer)


def csv(answer: dict[str, Any]) -> str:
    """The table as CSV (RFC 4180). A text that a spreadsheet would take for a formula gets an apostrophe in front."""
    table = of(answer)
    text = io.StringIO()
    writer = spreadsheet.writer(text, lineterminator="\r\n")
    writer.writerow([rows.guarded(one) for one in table.head])
    for row in table.rows:
        writer.writerow([rows.guarded(one.value) for one in row])
    return text.getvalue()


def line(series: dict[str, Any]) -> str:
    """What a line of a trend is called."""
    if "value" not in series:
        return str(series["label"])
    return "other" if series["other"] else value(series["value"])


def value(text: str | None) -> str:
    return NOTHING if text is None else text or '""'


def node(one: dict[str, Any]) -> str:
    """What a node of paths is called."""
    return {"other": "other", "end": "(the end)"}.get(one["kind"]) or str(one["name"])


def titles(answer: dict[str, Any]) -> list[str]:
    """The names of a trend's lines; with several series each says which it is of."""
    lines = answer["series"]
    several = len({one["cell"]["series"] for one in lines}) > 1
    return [f"{one['label']}: {line(one)}" if several and "value" in one else line(one) for one in lines]


def _trend(answer: dict[str, Any]) -> Table:
    before = answer["previous"]
    table = Table([answer["by"]])
    for title in titles(answer):
        table.head += [title, f"{title}, before"] if before else [title]
    total = [Entry("all", form="text")]
    for one in answer["series"]:
        total.append(Entry(one["total"], one["cell"]))
        if before:
            total.append(Entry(one["previous"]["total"], one["previous"]["cell"]))
    table.rows.append(total)
    for place, bucket in enumerate(answer["buckets"]):
        row = [Entry(bucket, form="text")]
        for one in answer["series"]:
            row.append(Entry(one["values"][place], {**one["cell"], "bucket": bucket}))
            if before:
                there = place < len(before["buckets"])
                cell = {**one["previous"]["cell"], "bucket": before["buckets"][place]} if there else None
                row.append(Entry(one["previous"]["values"][place] if there else None, cell))
        table.rows.append(row)
    return table


def _funnel(answer: dict[str, Any]) -> Table:
    compared = "previous" in answer["steps"][0]
    table = Table(["step", "visitors", "of the first", "of the one before", "median time", "dropped off after it"])
    table.head += ["visitors, before", "of the first, before"] if compared else []
    for number, step in enumerate(answer["steps"], start=1):
        dropped = {**step["cell"], "dropped": True} if step["dropped"] is not None else None
        row = [
            Entry(f"{number}. {step['label']}", form="text"),
            Entry(step["visitors"], step["cell"]),
            Entry(step["of_first"], form="part"),
            Entry(step["of_previous"], form="part"),
            Entry(step["seconds"], form="seconds"),
            Entry(step["dropped"], dropped),
        ]
        if compared:
            row += [
                Entry(step["previous"]["visitors"], step["previous"]["cell"]),
                Entry(step["previous"]["of_first"], form="part"),
            ]
        table.rows.append(row)
    return table


def _retention(answer: dict[str, Any]) -> Table:
    periods = len(answer["average"])
    table = Table(["cohort", "visitors", *(f"{answer['by']} {number}" for number in range(1, periods + 1))])
    for title, told in (("", answer), (", before", answer.get("previous"))):
        if told is None:
            continue
        for one in told["cohorts"]:
            row = [Entry(f"{one['cohort']}{title}", form="text"), Entry(one["visitors"], one["cell"])]
            for number, (came, part) in enumerate(zip(one["returned"], one["parts"], strict=True), start=1):
                row.append(Entry(came, None if came is None else {**one["cell"], "period": number}, note=part))
            table.rows.append(row)
        average = [Entry(part, form="part") for part in told["average"]]
        table.rows.append([Entry(f"all{title}", form="text"), Entry(None), *average])
    return table


def _paths(answer: dict[str, Any]) -> Table:
    compared = "previous" in answer
    table = Table(["step", "what", "visitors", "of all"] + (["visitors, before"] if compared else []))
    first = [Entry("0", form="text"), Entry(answer["label"], form="text"), Entry(answer["visitors"], answer["cell"])]
    first.append(Entry(1.0 if answer["visitors"] else None, form="part"))
    table.rows.append(first + ([Entry(answer["previous"]["visitors"], answer["previous"]["cell"])] if compared else []))
    for number, level in enumerate(answer["levels"], start=1):
        for one in level:
            row = [Entry(str(number), form="text"), Entry(node(one), form="text")]
            row += [Entry(one["visitors"], one["cell"]), Entry(one["part"], form="part")]
            table.rows.append(row + ([Entry(one["previous"]["visitors"], one["previous"]["cell"])] if compared else []))
    return table


def _nps(answer: dict[str, Any]) -> Table:
    before = answer.get("previous")
    table = Table([answer["by"], "score", "responses", "promoters", "passives", "detractors"])
    table.head += ["score, before", "responses, before"] if before else []
    listed = [("all", answer["total"], before and before["total"])]
    for place, one in enumerate(answer["buckets"]):
        there = before["buckets"][place] if before and place < len(before["buckets"]) else None
        listed.append((one["bucket"], one, there))
    for title, one, earlier in listed:
        row = [Entry(title, form="text"), Entry(one["score"]), Entry(one["responses"], one["cell"])]
        row += [Entry(one[name], {**one["cell"], "class": name}) for name in ("promoter", "passive", "detractor")]
        if before:
            row += [
                Entry(earlier["score"] if earlier else None),
                Entry(earlier["responses"] if earlier else None, earlier["cell"] if earlier else None),
            ]
        table.rows.append(row)
    return table


_TABLES = {"trend": _trend, "funnel": _funnel, "retention": _retention, "paths": _paths, "nps": _nps}
