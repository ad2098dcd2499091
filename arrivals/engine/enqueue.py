"""Step 6 of watching: arrivals become runs, once. Blocks."""


def enqueue_all() -> int:
    """Make the runs of every workflow that is on, and of open activations; return how many were made. Idempotent."""
    raise NotImplementedError
