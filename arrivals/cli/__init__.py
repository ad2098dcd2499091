"""The ``arrivals`` command: one module per command."""


def main() -> None:
    """Run the command."""
    raise SystemExit("not yet")
