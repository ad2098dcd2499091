"""Brings the warehouse's tables up to date from the numbered .sql files beside this module.

1. Read the numbers that the table ``migrations`` holds.
2. For each file that is not among them, in order: run its statements one by one, and note each that is done; then
   note the number.
Killed at any moment, the next start goes on with the statement that was not noted. It may have been done, in part or as a
whole, so a statement must bear repetition: CREATE is made to, here; ALTER says IF (NOT) EXISTS; what is filled from other
tables goes into one that joins equal rows (Replacing, Aggregating) or is emptied first.
They run under data that is there, and under inserts of a server of the version before: a view is made before what was
there is added, so that nothing that comes in between is left out.
"""

from importlib import resources

from arrivals.warehouse.client import Warehouse

SECONDS = 86_400  # a statement may go through all events there are
FOLDER = resources.files("arrivals.warehouse") / "migrations"


def migrate(store: Warehouse) -> list[str]:
    """Apply what is missing; return the names of the applied files."""
    store.command(
        "CREATE TABLE IF NOT EXISTS migrations (number UInt32, name String, at DateTime DEFAULT now()) ENGINE = MergeTree ORDER BY number"
    )
    store.command(
        "CREATE TABLE IF NOT EXISTS migration_steps (number UInt32, step UInt32, at DateTime DEFAULT now()) ENGINE = MergeTree ORDER BY (number, step)"
    )
    done = {number for (number,) in store.query("SELECT number FROM migrations")}
    steps = set(store.query("SELECT number, step FROM migration_steps"))
    applied = []
    for name in sorted(file.name for file in FOLDER.iterdir() if file.name.endswith(".sql")):
        number = int(name.split("_")[0])
        if number not in done:
            for step, statement in enumerate(statements((FOLDER / name).read_text(encoding="utf-8"))):
                if (number, step) in steps:
                    continue
                for kind in ("TABLE", "MATERIALIZED VIEW"):
                    statement = statement.replace(f"CREATE {kind} ", f"CREATE {kind} IF NOT EXISTS ", 1)
                store.command(statement, seconds=SECONDS)
                store.insert("migration_steps", [[number, step]], ["number", "step"])
            store.insert("migrations", [[number, name]], ["number", "name"])
            applied.append(name)
    return applied


def statements(text: str) -> list[str]:
    """Split a file at its semicolons, without the lines that are comments."""
    bare = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("--"))
    return [part.strip() for part in bare.split(";") if part.strip()]
