"""A number of a chart in words: ``stopped after step 2, cart``."""

from typing import Any

from arrivals.audience.charts import events, tables


def words(definition: dict[str, Any], cell: dict[str, Any]) -> str:
    """A cell in words."""
    told = []
    kind = definition["kind"]
    if kind == "trend":
        doing = definition["series"][cell.get("series", 0)]
        told.append(events.label(doing))
        told += [tables.value(cell["value"])] if "value" in cell else ["other"] if "not" in cell else []
    elif kind == "funnel":
        step = events.label(definition["steps"][cell["step"] - 1])
        told.append(
            f"stopped after step {cell['step']}, {step}"
            if cell.get("dropped")
            else f"reached step {cell['step']}, {step}"
        )
    elif kind == "retention":
        told.append(f"began {cell['cohort']}")
        if cell.get("period"):
            word = "came back" if cell.get("returned", True) else "did not come back"
            told.append(f"{word} in {definition.get('by', 'week')} {cell['period']}")
    elif kind == "paths":
        told.append(f"step {cell['step']}, {_node(cell)}" if cell["step"] else "all")
        told += [f"after {_node(cell['from'])}"] if "from" in cell else []
    else:
        told.append(f"{cell['class']}s" if cell.get("class") else "responses")
    told += [str(cell["bucket"])] if "bucket" in cell else []
    return ", ".join(told) + (", the time before" if cell.get("previous") else "")


def _node(cell: dict[str, Any]) -> str:
    return "the end" if cell.get("end") else "other" if "not" in cell else str(cell.get("name"))
