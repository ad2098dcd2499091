"""Brings the warehouse's tables up to date from the numbered .sql files beside this module.

1. Read the numbers that the table ``migrations`` holds.
2. For each file with a higher number, in order: run its statements, then note the number.
A crash between the two runs the file again, so statements of later files must bear repetition
(CREATE TABLE is made to, here).
"""

from importlib import resources

from arrivals.warehouse.client import Warehouse

FOLDER = resources.files("arrivals.warehouse") / "migrations"


def migrate(store: Warehouse) -> list[str]:
    """Apply what is missing; return the names of the applied files."""
    store.command(
        "CREATE TABLE IF NOT EXISTS migrations (number UInt32, name String, at DateTime DEFAULT now()) ENGINE = MergeTree ORDER BY number"
    )
    done = {number for (number,) in store.query("SELECT number FROM migrations")}
    applied = []
    for name in sorted(file.name for file in FOLDER.iterdir() if file.name.endswith(".sql")):
        number = int(name.split("_")[0])
        if number not in done:
            for statement in statements((FOLDER / name).read_text(encoding="utf-8")):
                for kind in ("TABLE", "MATERIALIZED VIEW"):
                    statement = statement.replace(f"CREATE {kind} ", f"CREATE {kind} IF NOT EXISTS ", 1)
                store.command(statement)
            store.insert("migrations", [[number, name]], ["number", "name"])
            applied.append(name)
    return applied


def statements(text: str) -> list[str]:
    """Split a file at its semicolons, without the lines that are comments."""
    bare = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("--"))
    return [part.strip() for part in bare.split(";") if part.strip()]
