"""Lets ``python -m arrivals`` do what the ``arrivals`` command does."""

from arrivals.cli import main

main()
