"""The page on the agent says what the agent does: options, calls, switches, limits, the snippet itself."""

import re
from pathlib import Path

from arrivals.collect import agent, snippet, switches

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "agent.md").read_text(encoding="utf-8")
SOURCE = ROOT / "sdk" / "src"


def code(name: str) -> str:
    return (SOURCE / f"{name}.ts").read_text(encoding="utf-8")


def number(name: str, constant: str) -> int:
    found = re.search(rf"const {constant} = ([\d_]+)", code(name))
    assert found, constant
    return int(found[1].replace("_", ""))


def rows(start: str) -> dict[str, list[str]]:
    """The table whose head begins with ``start``: the first cell without its marks -> the others."""
    table = PAGE[PAGE.index(f"| {start} |") :].partition("\n\n")[0].splitlines()[2:]
    cells = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in table]
    return {one[0].strip(" `"): one[1:] for one in cells}


def test_every_option_is_in_the_table_with_its_default() -> None:
    options = code("types")
    options = options[options.index("export interface Options") :].partition("\n}")[0]
    names = re.findall(r"^  (\w+)\??:", options, re.MULTILINE)
    table = rows("option")
    assert set(names) == set(table)
    defaults = dict(re.findall(r"^  (\w+): (.+),$", code("options"), re.MULTILINE))
    assert len(defaults) >= 9
    for name in names:
        assert table[name][0].strip("`") == defaults.get(name, "").replace("_", ""), name


def test_every_call_is_in_the_table() -> None:
    table = PAGE[PAGE.index("| call |") :].partition("\n\n")[0]
    assert [one for one in snippet.METHODS if f"`{one}(" not in table] == []


def test_every_switch_is_in_the_table_with_its_default_and_meaning() -> None:
    assert rows("switch") == {one.name: ["on" if one.default else "off", one.help] for one in switches.SWITCHES}


def test_the_snippet_is_the_one_that_the_product_shows() -> None:
    blocks = re.findall(r"```html\n(.*?)\n```", PAGE, re.DOTALL)
    host, key = "https://arrivals.example.com", "wk_..."
    assert blocks == [snippet.snippet(host, key), snippet.element(host, key)]


def test_every_limit_is_the_one_in_the_code() -> None:
    facts = {
        f"Up to {number('queue', 'MOST_EVENTS'):,} events and {number('queue', 'MOST_BYTES') // 1_000_000} MB",
        f"or when {number('sender', 'SOON')} wait, in pieces of at most {number('queue', 'PIECE_BYTES') // 1000} KB",
        f"One event may have {number('agent', 'MOST_EVENT'):,} bytes",
        "after 3 minutes without" if number("queue", "DEAD_MS") == 180_000 else "?",
        f"doubling up to {number('sender', 'LONGEST_WAIT_MS') // 60_000} minutes",
        f"at most every {number('switches', 'FRESH_MS') // 60_000} minutes",
        f"at most {number('elements', 'LONGEST')} characters",
        f"at most {number('elements', 'MOST_CHAIN')}, as",
        f"within {number('queue', 'BEAT_MS') // 1000} seconds",
        "again after a second" if number("sender", "FIRST_WAIT_MS") == 1_000 else "?",
        "6.5 days" if "6.5 * 86_400_000" in code("queue") else "?",
    }
    assert [one for one in facts if one not in PAGE] == []


def test_every_address_and_attribute_is_named() -> None:
    assert [path for path in agent.PATHS if f"GET {path}" not in PAGE] == []
    marks = set(re.findall(r"\[?(data-arrivals-\w+)", code("elements")))
    assert marks == {"data-arrivals-ignore", "data-arrivals-mask"}
    assert [mark for mark in marks if f"`{mark}`" not in PAGE] == []
    names = re.findall(r'"(data-[\w-]+)"', code("elements"))
    assert [name for name in names if f"`{name}`" not in PAGE] == []
